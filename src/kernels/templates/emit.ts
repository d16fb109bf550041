/**
 * How a kernel is written: a name, typed parameters and an AssemblyScript body. The build wraps every kernel in two builds
 * (plain SIMD and relaxed SIMD), gives it a number, and lets the dispatcher call it from a plan that lies in memory.
 *
 * Conventions: pointers, offsets and strides are bytes (`usize`); counts are elements (`i32`); a parameter named `scratch`
 * is not part of a call: the dispatcher passes the running thread's own scratch memory.
 */

/** `plain` rounds after every product (bit-exact against the references); `relaxed` may fuse multiply and add. */
export type Flavor = "plain" | "relaxed";

/** `"name: type"` pairs; types are i32, usize or f32. */
export type ParamText = `${string}: ${"i32" | "usize" | "f32"}`;

/** One kernel before assembly. */
export interface KernelSource {
  readonly name: string;
  readonly params: readonly ParamText[];
  /** AssemblyScript statements; may use helpers. */
  readonly body: string;
}

/** What a template file yields: kernels and the functions that they share. */
export interface Template {
  /** AssemblyScript function declarations, shared by the kernels below. */
  readonly helpers?: string;
  readonly kernels: readonly KernelSource[];
}

/** 0, 1, ..., n - 1. */
export const seq = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** The statement `acc = acc + x * y` in the flavour's arithmetic. */
export function madd(flavor: Flavor): (acc: string, x: string, y: string) => string {
  return flavor === "relaxed"
    ? (acc, x, y) => `${acc} = f32x4.relaxed_madd(${x}, ${y}, ${acc});`
    : (acc, x, y) => `${acc} = f32x4.add(${acc}, f32x4.mul(${x}, ${y}));`;
}

/** A decorator line that makes the next helper function inline. */
export const INLINE = "// @ts-ignore\n@inline\n";
