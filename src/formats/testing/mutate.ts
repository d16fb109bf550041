/** Damages files at random, the same way for the same seed. */
import type { Rng } from "../../core/index.js";

const edges = [0, 1, 0x7f, 0x80, 0xff];

/** One to four changes: bytes replaced, bits flipped, parts cut, doubled, moved, or integers set to the rims of their range. */
export function mutate(bytes: Uint8Array, rng: Rng): Uint8Array {
  let out = bytes.slice();
  for (let n = 1 + rng.below(4); n > 0; n--) {
    const at = rng.below(Math.max(out.length, 1));
    switch (rng.below(8)) {
      case 0:
        out[at] = rng.below(256);
        break;
      case 1:
        out[at] = (out[at] ?? 0) ^ (1 << rng.below(8));
        break;
      case 2:
        out = out.slice(0, at);
        break;
      case 3: {
        const end = Math.min(out.length, at + rng.below(16));
        out = Uint8Array.from([...out.subarray(0, at), ...out.subarray(end)]);
        break;
      }
      case 4: {
        const part = out.subarray(at, Math.min(out.length, at + 1 + rng.below(32)));
        out = Uint8Array.from([...out.subarray(0, at), ...part, ...out.subarray(at)]);
        break;
      }
      case 5:
        out[at] = edges[rng.below(edges.length)]!;
        break;
      case 6: {
        const value = edges[rng.below(edges.length)]!;
        for (let i = 0; i < 4 && at + i < out.length; i++) out[at + i] = value;
        break;
      }
      default: {
        const from = rng.below(Math.max(out.length, 1));
        out.set(out.slice(from, from + Math.min(8, out.length - Math.max(at, from))), at);
      }
    }
  }
  return out;
}
