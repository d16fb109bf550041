/** Generated cases for the sparsity laws. */
import fc from "fast-check";
import { sizeOf, type Tensor, type Tree, tensor } from "../../core/index.js";
import type { Mask, ParamInfo, ParamKind } from "../index.js";

/** Small shapes of matrices and convolutions, size-1 dims included. */
export const shapes = fc.oneof(
  fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 })),
  fc.tuple(
    fc.integer({ min: 1, max: 5 }),
    fc.integer({ min: 1, max: 5 }),
    fc.integer({ min: 1, max: 3 }),
    fc.integer({ min: 1, max: 3 }),
  ),
);

/** Finite float32 values with many ties and both zeros. */
export const scoresOfSize = (n: number): fc.Arbitrary<Float32Array> =>
  fc
    .array(fc.oneof(fc.constantFrom(0, -0, 1, -1, 0.5), fc.float({ noNaN: true, noDefaultInfinity: true })), {
      minLength: n,
      maxLength: n,
    })
    .map((values) => Float32Array.from(values));

/** A shape with one score per weight. */
export const scored: fc.Arbitrary<Tensor> = shapes.chain((shape) => scoresOfSize(sizeOf(shape)).map((data) => tensor(shape, data)));

/** A mask of any density. */
export const masks: fc.Arbitrary<Mask> = shapes.chain((shape) =>
  fc
    .array(fc.constantFrom(0, 1), { minLength: sizeOf(shape), maxLength: sizeOf(shape) })
    .map((bits) => ({ shape, data: Uint8Array.from(bits) })),
);

/** Sparsities in [0, 1). */
export const sparsities = fc.oneof(fc.constantFrom(0, 0.5, 0.9, 0.95), fc.double({ min: 0, max: 0.99, noNaN: true }));

/** A network's parameters: convolutions, linear layers, biases. */
export const networks: fc.Arbitrary<Tree<ParamInfo>> = fc
  .array(
    fc.record({
      kind: fc.constantFrom<ParamKind>("linear", "conv", "bias"),
      a: fc.integer({ min: 1, max: 40 }),
      b: fc.integer({ min: 1, max: 40 }),
      k: fc.constantFrom(1, 3, 5),
    }),
    { minLength: 1, maxLength: 7 },
  )
  .map((layers) =>
    Object.fromEntries([
      ...layers.map(({ kind, a, b, k }, l) => [
        `layer${l}`,
        { kind, prunable: kind !== "bias", shape: kind === "bias" ? [a] : kind === "conv" ? [a, b, k, k] : [a, b] },
      ]),
      ["head", { kind: "linear", prunable: true, shape: [10, 20] }],
    ]),
  );
