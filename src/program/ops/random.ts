/** Counter-based random values keyed by an input: same bits for any split over threads. Value k depends on (key, offset + k) alone. */
import { philox, ShapeError, sizeOf } from "../../core/index.js";
import type { OpDef, Value } from "../graph.js";
import { mul } from "./arithmetic.js";
import { f32, floats, requireDType } from "./support.js";

type RandomAttrs = { shape: readonly number[]; offset: number };
type MaskAttrs = RandomAttrs & { keep: number };
type Uniform = (position: number) => number;

function randomOp<A extends RandomAttrs>(name: string, f: (k: number, uniform: Uniform, attrs: A) => number): OpDef<A> {
  return {
    name,
    type(inputs, attrs) {
      requireDType(name, inputs, 0, "i32");
      if (sizeOf(inputs[0]!.shape) !== 2) throw new ShapeError(name, { key: inputs[0]!.shape }, "a key [2]");
      return [f32(attrs.shape)];
    },
    reference([key], attrs) {
      const y = floats(attrs.shape, []);
      const uniform = (position: number) => (philox(attrs.offset + position, key!.data[1]!, key!.data[0]!) >>> 8) / 16777216;
      for (let k = 0; k < y.data.length; k++) y.data[k] = f(k, uniform, attrs);
      return [y];
    },
    gradient: () => [undefined],
  };
}

/** Value k: philox(offset + k, key[1], key[0]) >>> 8, over 2^24. */
export const randomUniformOp = randomOp("randomUniform", (k, uniform) => uniform(k));
/** Value k: Box-Muller of uniforms 2k and 2k + 1: sqrt(-2 log(1 - u)) cos(2 pi v). */
export const randomNormalOp = randomOp(
  "randomNormal",
  (k, uniform) => Math.sqrt(-2 * Math.log(1 - uniform(2 * k))) * Math.cos(2 * Math.PI * uniform(2 * k + 1)),
);
/** 1/keep where uniform k < keep, else 0. */
export const dropoutMaskOp = randomOp<MaskAttrs>("dropoutMask", (k, uniform, { keep }) => (uniform(k) < keep ? 1 / keep : 0));

/** Uniform in [0, 1). @param key i32 [2]  @param offset position of the first value in the key's stream */
export const randomUniform = (key: Value, shape: readonly number[], offset = 0): Value =>
  key.graph.emit(randomUniformOp, [key], { shape: [...shape], offset })[0]!;
/** Standard normal; value k uses positions offset + 2k and offset + 2k + 1 of the key's stream. @param key i32 [2] */
export const randomNormal = (key: Value, shape: readonly number[], offset = 0): Value =>
  key.graph.emit(randomNormalOp, [key], { shape: [...shape], offset })[0]!;
/** 1/keep with probability keep, else 0. @param key i32 [2] */
export const dropoutMask = (key: Value, shape: readonly number[], keep: number, offset = 0): Value =>
  key.graph.emit(dropoutMaskOp, [key], { shape: [...shape], offset, keep })[0]!;

/**
 * Dropout: each element is zero with probability `rate`, else divided by 1 - rate. Srivastava et al. 2014.
 * @param key    i32 [2]; a new key per training step
 * @param rate   in [0, 1)
 * @param offset where in the key's stream to begin: different for each dropout of a program
 */
export const dropout = (x: Value, key: Value, { rate, offset = 0 }: { rate: number; offset?: number }): Value =>
  rate === 0 ? x : mul(x, dropoutMask(key, x.shape, 1 - rate, offset));
