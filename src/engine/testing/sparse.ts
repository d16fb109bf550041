/** Random sparse params: masks of unstructured or block patterns, the layout that holds them, values that are zero elsewhere. */
import { type AnyTensor, type Rng, sizeOf } from "../../core/index.js";
import type { Mask, ParamLayout, ParamSpec } from "../../program/index.js";
import { randomTensor } from "./agree.js";

/** How a weight of a test is held. */
export type Kind = "dense" | "csr" | "block2" | "block4";

/** Every kind. */
export const KINDS: readonly Kind[] = ["dense", "csr", "block2", "block4"];

/** Rows that a kind's blocks span. */
export const blockOf = (kind: Kind): 1 | 2 | 4 => (kind === "block4" ? 4 : kind === "block2" ? 2 : 1);

/** A mask in which whole blocks live, each with probability `density` (of its row, should it be a function). */
export function randomMask(shape: readonly number[], kind: Kind, density: number | ((row: number) => number), rng: Rng): Mask {
  const block = blockOf(kind);
  const columns = sizeOf(shape.slice(1));
  const data = new Uint8Array(sizeOf(shape));
  for (let r = 0; r < shape[0]!; r += block) {
    const share = typeof density === "number" ? density : density(r);
    for (let c = 0; c < columns; c++) {
      if (rng.uniform() >= share) continue;
      for (let b = 0; b < block; b++) data[(r + b) * columns + c] = 1;
    }
  }
  return { shape, data };
}

/** Live positions of a mask. */
export const kept = (mask: Mask): number => mask.data.reduce((sum, bit) => sum + bit, 0);

/** The layout for `capacity` live values. */
export function layoutOf(kind: Kind, capacity: number): ParamLayout {
  if (kind === "dense") return { kind: "dense" };
  return kind === "csr" ? { kind: "csr", capacity } : { kind: "block", rows: kind === "block2" ? 2 : 4, capacity };
}

/** A weight with its spec, values and mask. */
export interface TestWeight {
  readonly spec: ParamSpec;
  readonly value: AnyTensor;
  readonly mask?: Mask;
}

/** A random weight of a kind; `spare` more live values fit than it has. */
export function testWeight(
  shape: readonly number[],
  kind: Kind,
  rng: Rng,
  { density = 0.3, scale = 0.5, spare = 0 }: { density?: number | ((row: number) => number); scale?: number; spare?: number } = {},
): TestWeight {
  const value = randomTensor(shape, rng, scale);
  if (kind === "dense") return { spec: { shape }, value };
  const mask = randomMask(shape, kind, density, rng);
  // A store takes what is not zero for live.
  for (let i = 0; i < mask.data.length; i++) value.data[i] = mask.data[i] ? value.data[i] || scale : 0;
  return {
    spec: { shape, layout: layoutOf(kind, Math.min(sizeOf(shape), Math.max(blockOf(kind), kept(mask) + spare))) },
    value,
    mask,
  };
}

/** The masks of weights by path, for the interpreter. */
export function masksOf(weights: Readonly<Record<string, TestWeight>>): Record<string, Mask> {
  const found: Record<string, Mask> = {};
  for (const [path, { mask }] of Object.entries(weights)) if (mask) found[path] = mask;
  return found;
}
