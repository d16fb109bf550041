/** Training steps as a user gets them: a model of the registry, traced with an optimiser, compiled. */
import { createRng, sizeOf, type Tensor, type Tree } from "../../src/core/index.js";
import type { Engine } from "../../src/engine/index.js";
import { type Model, mlp, resnet } from "../../src/models/index.js";
import { initParams } from "../../src/nn/index.js";
import { sgd } from "../../src/optim/index.js";
import { trainingProgram, trainingSpecs } from "../../src/train/index.js";

/** One step of training on a fixed batch, inputs copied in. */
export interface Step {
  run(): void;
  /** Bytes of params, slots and activations. */
  readonly bytes: number;
  close(): void;
}

/** Models of the benchmark: name, how to build, which weights go sparse (the first and the last layer stay dense where they are small). */
export const MODELS: Readonly<
  Record<
    string,
    { readonly title: string; readonly build: () => Model; readonly sparse: (path: string, shape: readonly number[]) => boolean }
  >
> = {
  resnet20: { title: "ResNet-20", build: () => resnet({ depth: 20 }), sparse: (_, shape) => shape.length === 4 && shape[1]! > 3 },
  mlp1000: {
    title: "MLP 784-1000-1000-1000-10",
    build: () => mlp({ hidden: [1000, 1000, 1000] }),
    sparse: (_, shape) => shape.length === 2 && shape[0]! > 10,
  },
};

const MOMENTUM = 0.9;
const RATE = 0.01;

/** A training step of a model at a sparsity (0 = dense), random positions: single ones, or blocks of `rows` neighbouring rows. */
export function trainingStep(
  engine: Engine,
  model: Model,
  {
    batch,
    sparsity,
    sparse,
    rows = 1,
  }: {
    batch: number;
    sparsity: number;
    sparse: (path: string, shape: readonly number[]) => boolean;
    rows?: 1 | 2 | 4;
  },
): Step {
  const rng = createRng(11);
  const values: Record<string, Tensor> = { ...initParams(model.module, rng) };
  const live: Record<string, number> = {};
  const blocks: Record<string, 1 | 2 | 4> = {};
  if (sparsity > 0) {
    for (const [path, { shape }] of Object.entries(model.module.params)) {
      if (!sparse(path, shape)) continue;
      const n = sizeOf(shape) / rows;
      const columns = sizeOf(shape.slice(1));
      const kept = Math.round(n * (1 - sparsity));
      live[path] = kept * rows;
      blocks[path] = rows;
      const { data } = values[path]!;
      for (const entry of rng.permutation(n).slice(kept)) {
        const first = Math.floor(entry / columns) * rows * columns + (entry % columns);
        for (let b = 0; b < rows; b++) data[first + b * columns] = 0;
      }
    }
  }
  const optimizer = sgd({ momentum: MOMENTUM });
  const spec = { model, batch, live, blocks, storage: "csr" } as const;
  const store = engine.params(trainingSpecs(spec, optimizer), values as Tree<Tensor>);
  const plan = engine.compile(trainingProgram(spec, optimizer), store);
  const x = Float32Array.from({ length: batch * sizeOf(model.inputShape) }, () => rng.normal());
  const y = Int32Array.from({ length: batch }, () => rng.below(model.classes));
  const inputs = { x, y, key: Int32Array.of(1, 2), ...optimizer.feed(0, RATE) };
  return {
    run() {
      plan.set(inputs);
      plan.step();
    },
    bytes: store.bytes + plan.bytes,
    close() {
      plan.close();
      store.close();
    },
  };
}
