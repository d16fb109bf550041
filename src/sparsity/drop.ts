import { requireFraction } from "../core/index.js";
import { topK } from "./top-k.js";
import type { Dropper } from "./types.js";

/** Positions that `kept` does not mark, ascending. */
function unmarked(kept: Uint8Array): Int32Array {
  let count = 0;
  for (let i = 0; i < kept.length; i++) count += 1 - kept[i]!;
  const out = new Int32Array(count);
  for (let i = 0, at = 0; i < kept.length; i++) if (kept[i] === 0) out[at++] = i;
  return out;
}

function magnitudes(values: Float32Array): Float32Array {
  const out = new Float32Array(values.length);
  for (let i = 0; i < out.length; i++) out[i] = Math.abs(values[i]!);
  return out;
}

/**
 * Drops the floor(f n) active weights of least |w|; of equal ones the highest flat index goes first.
 *
 * Evci et al. 2020, arXiv:1911.11134, section 3, "Drop criterion".
 */
export const dropLeast: Dropper = (values, fraction) => {
  requireFraction("dropLeast.fraction", fraction);
  return unmarked(topK(magnitudes(values), values.length - Math.floor(fraction * values.length)));
};

/**
 * SET's own rule: drops floor(f P) of the P smallest positive and floor(f N) of the N largest negative weights.
 * Weights of exactly 0 count as positive, so they go first.
 *
 * Mocanu et al. 2018, arXiv:1707.04780, algorithm 1, lines "remove a fraction zeta of the smallest positive / largest negative".
 */
export const dropLeastPerSign: Dropper = (values, fraction) => {
  requireFraction("dropLeastPerSign.fraction", fraction);
  const dropped: number[] = [];
  for (const negative of [false, true]) {
    const side: number[] = [];
    for (let i = 0; i < values.length; i++) if (values[i]! < 0 === negative) side.push(i);
    const kept = topK(
      Float32Array.from(side, (i) => Math.abs(values[i]!)),
      side.length - Math.floor(fraction * side.length),
    );
    for (let i = 0; i < side.length; i++) if (kept[i] === 0) dropped.push(side[i]!);
  }
  return Int32Array.from(dropped).sort();
};
