/** What the rules of int8 operations share: quads, how they are cut for threads, and params as kernels take them. */
import { InputError } from "../../core/index.js";
import { type Int8ConvAttrs, int8Constants, int8Weights, type Operation } from "../../program/index.js";
import type { Int8Param } from "../int8-param.js";
import { type Planes, planesOf } from "../layout.js";
import type { Lowering } from "../lowering.js";
import type { PlacedPlanes } from "../placed.js";

/** Quads of a [n, c, h, w] value. */
export function quadsOf(l: Lowering, shape: readonly number[]): Planes {
  const [n, c, h, w] = shape as [number, number, number, number];
  return planesOf(n, Math.ceil(c / 4), 1, l.geometry(h, w));
}

export function requireInt8(l: Lowering, { op }: Operation): void {
  if (!l.options.int8) throw new InputError(`engine: "${op}" needs the int8 kernels; call engine.enableInt8() before compile`);
  if (!l.options.frozen)
    throw new InputError(`engine: "${op}" packs its weights when it is compiled; compile with { frozen: true }`);
}

export function quads(l: Lowering, { op }: Operation, value: number): PlacedPlanes {
  const placed = l.any(value);
  if (placed.layout.kind !== "planes" || l.type(value).dtype !== "u8")
    throw new InputError(`engine: "${op}" takes bytes that quantise or another int8 operation made`);
  return placed as PlacedPlanes;
}

/** A copy of a dense param. */
export function floats(l: Lowering, { op }: Operation, value: number): Float32Array {
  const path = l.paramOf(value);
  const home = path === undefined ? undefined : l.homes.get(path);
  if (home?.layout.kind !== "rows") throw new InputError(`engine: "${op}" takes scales and biases that are dense params`);
  const from = home.buffer.address / 4;
  return l.memory().f32.slice(from, from + l.size(value));
}

/** A weight's whole numbers: as the store holds them, or from a param of floats. */
export function weightOf(l: Lowering, operation: Operation, value: number, scale: Float32Array): Int8Param {
  const path = l.paramOf(value);
  const held = path === undefined ? undefined : l.int8[path];
  return held ?? { shape: l.type(value).shape, values: int8Weights(floats(l, operation, value), scale) };
}

/** Per channel constants in memory, for channels up to a multiple of four. */
export function constants(
  l: Lowering,
  sums: Parameters<typeof int8Constants>[1],
  scale: Float32Array,
  bias: Float32Array | undefined,
  attrs: Pick<Int8ConvAttrs, "xScale" | "xZero" | "yScale">,
) {
  const made = int8Constants("engine: int8", sums, scale, bias, attrs);
  const n = Math.ceil(scale.length / 4) * 4;
  const start = new Int32Array(n);
  const multiplier = new Float32Array(n);
  start.set(made.start);
  multiplier.set(made.multiplier);
  return { start: l.constantBuffer(start, "int8 sums' starts"), multiplier: l.constantBuffer(multiplier, "int8 multipliers") };
}

export type Constants = ReturnType<typeof constants>;
