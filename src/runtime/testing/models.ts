/** Small models for tests: a pruned convnet and one with every kind of input. */
import { createRng, type Tensor, type Tree, tensor } from "../../core/index.js";
import {
  add,
  anyBatch,
  cast,
  conv2d,
  gather,
  linear,
  mean,
  mul,
  type ParamSpec,
  type Program,
  relu,
  softmax,
  trace,
  type Value,
} from "../../program/index.js";
import { type ModelFile, packModel, writeModel } from "../model-file.js";

/** A deterministic tensor in [-0.5, 0.5). */
export function noise(shape: readonly number[], seed: string): Tensor {
  const rng = createRng(7).split(seed);
  const out = tensor(shape);
  for (let i = 0; i < out.data.length; i++) out.data[i] = rng.uniform() - 0.5;
  return out;
}

/** Masks that keep one weight in ten, or one block of `rows` rows. */
export function thin(params: Tree<Tensor>, paths: readonly string[], rows = 1) {
  const rng = createRng(3);
  return Object.fromEntries(
    paths.map((path) => {
      const { shape, data } = params[path]!;
      const columns = data.length / shape[0]!;
      const kept = Uint8Array.from({ length: data.length / rows }, () => (rng.uniform() < 0.1 ? 1 : 0));
      return [
        path,
        { shape, data: Uint8Array.from(data, (_, i) => kept[Math.floor(i / columns / rows) * columns + (i % columns)]!) },
      ];
    }),
  );
}

/** A program of any batch size with random params, those in `sparse` pruned to a tenth. */
export function modelOf(
  program: (batch: number) => Program,
  specs: Tree<ParamSpec>,
  sparse: readonly string[] = [],
  seed = "model",
  rows = 1,
): ModelFile {
  const params = Object.fromEntries(Object.entries(specs).map(([path, { shape }]) => [path, noise(shape, `${seed} ${path}`)]));
  return packModel({
    program: anyBatch(program),
    params,
    masks: thin(params, sparse, rows),
    metadata: { classes: JSON.stringify(["a", "b"]) },
  });
}

/** Images [batch, 3, 12, 12] -> scores [batch, 10]: three convolutions (two pruned) and a pruned linear layer. */
export function convModel(seed = "conv"): ModelFile {
  const specs: Tree<ParamSpec> = {
    w1: { shape: [16, 3, 3, 3] },
    b1: { shape: [16] },
    w2: { shape: [32, 16, 3, 3] },
    b2: { shape: [32] },
    w3: { shape: [32, 32, 1, 1] },
    w4: { shape: [10, 32] },
    b4: { shape: [10] },
  };
  return modelOf(
    (batch) =>
      trace(
        ({ params: p, inputs }) => {
          const a = relu(conv2d(inputs["x"]!, p["w1"]!, { padding: 1, bias: p["b1"]! }));
          const b = relu(conv2d(a, p["w2"]!, { padding: 1, stride: 2, bias: p["b2"]! }));
          const c = relu(add(conv2d(b, p["w3"]!), b));
          const scores = linear(mean(c, [2, 3]), p["w4"]!, p["b4"]!);
          return { outputs: { scores, likely: softmax(scores) } };
        },
        { inputs: { x: { shape: [batch, 3, 12, 12] } }, params: specs },
      ),
    specs,
    ["w2", "w3", "w4"],
    seed,
  );
}

/** Inputs of three types: floats and bytes of an example each, and row numbers of a table. */
export function mixedModel(): ModelFile {
  const specs: Tree<ParamSpec> = { table: { shape: [6, 4] } };
  return modelOf(
    (batch) =>
      trace(
        ({ params: p, inputs }) => {
          const rows = gather(p["table"]!, inputs["row"]!);
          const scaled = mul(cast(inputs["level"]!, "f32"), inputs["gain"]!);
          return { outputs: { y: add(rows, scaled) as Value } };
        },
        {
          inputs: {
            gain: { shape: [batch, 4] },
            level: { shape: [batch, 4], dtype: "u8" },
            row: { shape: [batch], dtype: "i32" },
          },
          params: specs,
        },
      ),
    specs,
  );
}

/** Bytes of a model file. */
export const bytesOf = (file: ModelFile): Uint8Array => writeModel(file);
