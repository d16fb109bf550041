/**
 * The one intermediate representation: a `Program` is a list of operations over typed values, with named inputs, params
 * and outputs. It is plain JSON: tracing, importing and loading all fill it, and every transform is Program -> Program.
 */
import type { DType, Tree } from "../core/index.js";

/**
 * The type of a value.
 *
 * `pattern` names the sparse param whose live positions carry this value: the value has the logical `shape`, but only live
 * positions exist (weights, their gradients and optimiser slots). Elsewhere it counts as zero.
 */
export interface ValueType {
  readonly shape: readonly number[];
  readonly dtype: DType;
  readonly pattern?: string;
}

/**
 * How a param is stored. `capacity` is the most live positions that its memory holds; topologies change inside it. `int8`: as whole
 * numbers, for weights of int8 operations, whose scale is a param of its own.
 */
export type ParamLayout =
  | { readonly kind: "dense" }
  | { readonly kind: "int8" }
  | { readonly kind: "csr"; readonly capacity: number }
  | { readonly kind: "block"; readonly rows: 2 | 4; readonly capacity: number };

/** A constant known when the program is traced; a program where an operation holds one (`customGradient`). */
export type AttrValue = number | string | boolean | null | readonly number[] | readonly (readonly number[])[] | Program;
/** The constants of one operation. */
export type Attrs = Readonly<Record<string, AttrValue | undefined>>;

/** One operation: name, operands and results by value number, constants. */
export interface Operation {
  readonly op: string;
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  readonly attrs: Attrs;
}

/** A param's place in a program. */
export interface ProgramParam {
  readonly value: number;
  readonly layout: ParamLayout;
}

/** Whether a layout keeps live positions only: then the param names a pattern. */
export const isSparse = (layout: ParamLayout | undefined): layout is Exclude<ParamLayout, { kind: "dense" | "int8" }> =>
  layout !== undefined && layout.kind !== "dense" && layout.kind !== "int8";

/** The whole. `updates` maps a param path to the value that it takes after each run (a training step updates in place). */
export interface Program {
  readonly values: readonly ValueType[];
  readonly operations: readonly Operation[];
  readonly inputs: Tree<number>;
  readonly params: Tree<ProgramParam>;
  readonly outputs: Tree<number>;
  readonly updates: Tree<number>;
}

/** What a tracer declares of an input. */
export interface InputSpec {
  readonly shape: readonly number[];
  readonly dtype?: DType;
}

/** What a tracer declares of a param: shape and, when sparse, its layout. A slot of a sparse param names it in `pattern`. */
export interface ParamSpec {
  readonly shape: readonly number[];
  readonly dtype?: DType;
  readonly layout?: ParamLayout;
  readonly pattern?: string;
}
