/** Small networks and data for the tests of pruning. */
import { expect } from "vitest";
import { createRng, type Tensor, type Tree, tensor } from "../../../core/index.js";
import { type Dataset, makeDataset } from "../../../data/index.js";
import { createModel, inferenceProgram, type ModelOptions } from "../../../models/index.js";
import { initParams } from "../../../nn/index.js";
import { anyBatch, type BatchProgram, interpret, type Program } from "../../../program/index.js";
import type { Mask } from "../../../sparsity/index.js";

/** A built-in network with random values: statistics away from 0 and 1 so that batch norm does something. */
export function network(name: string, options: ModelOptions, seed = 1): { program: BatchProgram; params: Tree<Tensor> } {
  const model = createModel(name, options);
  const rng = createRng(seed);
  const params = Object.fromEntries(
    Object.entries(initParams(model.module, rng)).map(([path, value]) => {
      if (/running_var|bn\d?\.weight|norm.*weight/.test(path))
        return [
          path,
          tensor(
            value.shape,
            value.data.map(() => 0.5 + rng.uniform()),
          ),
        ];
      if (/running_mean|bias/.test(path))
        return [
          path,
          tensor(
            value.shape,
            value.data.map(() => 0.3 * rng.normal()),
          ),
        ];
      return [path, value];
    }),
  );
  return { program: anyBatch((batch) => inferenceProgram(model, batch)), params };
}

/** Pictures of classes: a class's own pattern with noise. */
export function pictures(shape: readonly number[], count: number, classes = 4, seed = 7): Dataset {
  const rng = createRng(seed);
  const size = shape.reduce((a, b) => a * b, 1);
  const means = Array.from({ length: classes }, () => Float32Array.from({ length: size }, () => rng.normal()));
  const draw = rng.split("draw");
  const labels = Int32Array.from({ length: count }, () => draw.below(classes));
  const inputs = new Float32Array(count * size);
  for (let i = 0; i < inputs.length; i++) inputs[i] = means[labels[Math.floor(i / size)]!]![i % size]! + draw.normal();
  return makeDataset({
    name: "pictures",
    shape,
    classes,
    inputs,
    labels,
    normalisation: { scale: 1, mean: [0], std: [1] },
    source: "made",
  });
}

export const small = { inputShape: [1, 8, 8], channels: [6, 8, 8], classes: 4 };
export const outputs = (program: Program, params: Tree<Tensor>, seed = 3) => {
  const rng = createRng(seed);
  const inputs = Object.fromEntries(
    Object.entries(program.inputs).map(([name, id]) => [
      name,
      tensor(
        program.values[id]!.shape,
        Float32Array.from({ length: program.values[id]!.shape.reduce((a, b) => a * b, 1) }, () => rng.normal()),
      ),
    ]),
  );
  return Object.values(interpret(program, { params, inputs }).outputs)[0]!.data as Float32Array;
};

export const expectClose = (got: ArrayLike<number>, want: ArrayLike<number>, digits: number) => {
  for (let i = 0; i < want.length; i++) expect(got[i]).toBeCloseTo(want[i]!, digits);
};
export const expectZeros = (weights: Float32Array, mask: Mask) =>
  expect(weights.findIndex((w, i) => mask.data[i] === 0 && w !== 0)).toBe(-1);
export const expectKept = (weights: Float32Array, given: Float32Array, mask: Mask) =>
  expect(weights.findIndex((w, i) => mask.data[i] === 1 && w !== given[i])).toBe(-1);
