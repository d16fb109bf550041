/** What a name of an imported graph stands for: a number array known at import, or a value of the program being built. */
import { sizeOf } from "../../core/index.js";
import type { ElementType, NamedArray } from "../../formats/index.js";
import type { Value } from "../graph.js";

/** What the elements are for the source format. The program computes all of them in float32, exact for integers up to 2^24. */
export type Kind = "float" | "int" | "bool";

/** An array known at import. */
export interface Constant {
  readonly kind: Kind;
  readonly shape: readonly number[];
  readonly data: Float32Array | Float64Array;
  /** Comes from the file alone, not from the shape of an input: it may become a param. */
  readonly fixed: boolean;
  /** Its name in the file, the path of the param that it becomes. */
  readonly name: string;
  /** Element type in the file, where it came from one. */
  readonly stored?: ElementType;
  /** Positions that a sparse initialiser stored. */
  readonly mask?: Uint8Array;
}

/** An array known at import, or a value. */
export type Held = { readonly constant: Constant } | { readonly value: Value; readonly kind: Kind };

/** The kind of either. */
export const kindOf = (held: Held): Kind => ("constant" in held ? held.constant.kind : held.kind);

/** The shape of either. */
export const shapeOf = (held: Held): readonly number[] => ("constant" in held ? held.constant.shape : held.value.shape);

/** A constant of integers. */
export const intConstant = (shape: readonly number[], values: ArrayLike<number>, fixed: boolean, name: string): Held => ({
  constant: { kind: "int", shape, data: Float64Array.from(values), fixed, name },
});

/** An array of a file as a constant. */
export function constantOf(array: NamedArray, name: string, mask?: Uint8Array): Constant {
  const { dtype, shape, data } = array;
  const kind: Kind = dtype === "bool" ? "bool" : /^(f|bf)/.test(dtype) ? "float" : "int";
  const numbers = data instanceof Float32Array ? data : Float64Array.from(data as ArrayLike<number | bigint>, Number);
  return { kind, shape, data: numbers, fixed: true, name, stored: dtype, ...(mask ? { mask } : {}) };
}

/** The same numbers in another axis order. */
export function permuted<T extends Float32Array | Float64Array | Uint8Array>(
  data: T,
  shape: readonly number[],
  perm: readonly number[],
): T {
  const to = perm.map((p) => shape[p]!);
  const strides = shape.map((_, i) => sizeOf(shape.slice(i + 1)));
  const steps = perm.map((p) => strides[p]!);
  const out = new (data.constructor as new (n: number) => T)(data.length);
  const at = new Array<number>(to.length).fill(0);
  for (let i = 0, from = 0; i < out.length; i++) {
    out[i] = data[from]!;
    for (let d = to.length - 1; d >= 0; d--) {
      from += steps[d]!;
      if (++at[d]! < to[d]!) break;
      from -= steps[d]! * to[d]!;
      at[d] = 0;
    }
  }
  return out;
}
