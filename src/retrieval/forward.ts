/**
 * The forward index: every document's full vector, in quads of four entries (coordinates, then values), padded with
 * (coordinate 0, value 0). One document is one contiguous record, so an exact score reads one place in memory.
 */
import { fromHalf, InputError, toHalf } from "../core/index.js";
import type { SparseMatrix } from "./csr.js";

/** How a forward index stores weights: half floats, 8-bit codes with a scale per document, or floats. */
export type ValueKind = "f16" | "u8" | "f32";

/** Number of each kind in files and kernels. */
export const VALUE_KINDS: readonly ValueKind[] = ["f16", "u8", "f32"];

/** Bytes of a stored weight. */
export const valueBytes = (kind: ValueKind): number => (kind === "f16" ? 2 : kind === "u8" ? 1 : 4);

/** A forward index over `docs` documents. */
export interface ForwardIndex {
  readonly docs: number;
  readonly kind: ValueKind;
  /** coordinates take four bytes instead of two */
  readonly wide: boolean;
  /** [docs + 1], first quad of each document */
  readonly quads: Uint32Array;
  readonly bytes: Uint8Array;
}

/** Bytes before and in the record of document `d`; with 8-bit codes a float scale stands before each record. */
export function recordStart(index: Pick<ForwardIndex, "kind" | "wide" | "quads">, d: number): number {
  return index.quads[d]! * 4 * ((index.wide ? 4 : 2) + valueBytes(index.kind)) + (index.kind === "u8" ? 4 * d : 0);
}

/**
 * Encodes a collection, and returns beside the records the weights as stored, so that an index is built over exactly
 * the numbers that it will score.
 *
 *     u8: scale = max / 255 per document, code = max(1, round(w / scale))
 *
 * @throws InputError when a weight does not fit the kind, or the records pass 4 GiB
 */
export function encodeForward(m: SparseMatrix, kind: ValueKind): { forward: ForwardIndex; stored: SparseMatrix } {
  const wide = m.cols > 65536;
  const quads = new Uint32Array(m.rows + 1);
  for (let d = 0; d < m.rows; d++) quads[d + 1] = quads[d]! + ((m.offsets[d + 1]! - m.offsets[d]! + 3) >>> 2);
  const coordBytes = wide ? 4 : 2;
  const quadBytes = 4 * (coordBytes + valueBytes(kind));
  const total = recordStart({ kind, wide, quads }, m.rows);
  if (total > 0xf0000000) {
    throw new InputError(
      `index build: ${m.rows} documents need ${(total / 2 ** 30).toFixed(1)} GiB of forward index, more than one index may hold (3.75 GiB): split the collection`,
    );
  }
  const bytes = new Uint8Array(total);
  const view = new DataView(bytes.buffer);
  const half = new Uint16Array(bytes.buffer, 0, bytes.length >>> 1);
  const word = new Uint32Array(bytes.buffer, 0, bytes.length >>> 2);
  const float = new Float32Array(bytes.buffer, 0, bytes.length >>> 2);
  const values = new Float32Array(m.values.length);
  for (let d = 0; d < m.rows; d++) {
    const from = m.offsets[d]!;
    const to = m.offsets[d + 1]!;
    let at = recordStart({ kind, wide, quads }, d);
    let scale = 1;
    if (kind === "u8") {
      let max = 0;
      for (let i = from; i < to; i++) max = Math.max(max, m.values[i]!);
      scale = Math.fround(max / 255);
      if (to > from && !(scale > 1e-37))
        throw new InputError(`document ${d}: weights of at most ${max} are too small for 8-bit codes; use f32`);
      view.setFloat32(at, scale, true);
      at += 4;
    }
    for (let i = from; i < to; at += quadBytes) {
      for (let lane = 0; lane < 4 && i < to; lane++, i++) {
        const w = m.values[i]!;
        const c = m.indices[i]!;
        if (wide) word[(at >>> 2) + lane] = c;
        else half[(at >>> 1) + lane] = c;
        const place = at + 4 * coordBytes;
        if (kind === "f16") {
          const h = toHalf(w);
          if (h === 0 || h >= 0x7c00)
            throw new InputError(
              `document ${d}: weight ${w} of coordinate ${c} does not fit a half float (6e-8 to 65504); scale the weights or store values as f32`,
            );
          half[(place >>> 1) + lane] = h;
          values[i] = fromHalf(h);
        } else if (kind === "u8") {
          const code = Math.max(1, Math.min(255, Math.round(w / scale)));
          bytes[place + lane] = code;
          values[i] = code * scale;
        } else {
          float[(place >>> 2) + lane] = w;
          values[i] = w;
        }
      }
    }
  }
  return { forward: { docs: m.rows, kind, wide, quads, bytes }, stored: { ...m, values } };
}
