/** The one mac that the measurements of recall, similarity and time share. */
import type { MacOptions } from "../../src/memory/index.js";

/** One setting for recall and similarity alike: a gentle sigmoid, so that overlap grows over the whole range of similarities. */
const GENTLE = { steepness: 10, offset: 3, expansivity: 10, exponent: 1, minFamiliarity: 0, saturation: 1 } as const;
/** One mac that sees the edges of a 28 x 28 image. */
export const SINGLE: MacOptions = { inputs: 784, modules: 100, cells: 64, ...GENTLE };

/** Active pixels that two items share. */
export const shared = (a: Int32Array, b: Int32Array): number => {
  const inB = new Set(b);
  let count = 0;
  for (const x of a) if (inB.has(x)) count++;
  return count;
};
