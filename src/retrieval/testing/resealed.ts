/** Index files with right checksums over altered bytes, as a hostile file would have. */
import { xxHash32 } from "../hash.js";

/** The table of an index file, as far as its checksums go. */
export interface Table {
  docs: number;
  dim: number;
  sections: Record<string, { at: number; bytes: number; hash: number }>;
}

const FIXED = 32;

/** A copy of `bytes` after `alter` had its table and its bytes, with checksums that fit what stands there then. */
export function resealed(bytes: Uint8Array, alter: (table: Table, bytes: Uint8Array) => void = () => {}): Uint8Array {
  const out = bytes.slice();
  const view = new DataView(out.buffer);
  const length = view.getUint32(12, true);
  const table = JSON.parse(new TextDecoder().decode(out.slice(FIXED, FIXED + length))) as Table;
  alter(table, out);
  const sections = typeof table.sections === "object" && table.sections !== null ? Object.values(table.sections) : [];
  for (const s of sections)
    if (s && typeof s === "object" && Number.isInteger(s.at)) s.hash = xxHash32(out.subarray(s.at, s.at + s.bytes));
  const text = new TextEncoder().encode(JSON.stringify(table));
  out.fill(32, FIXED, FIXED + Math.max(length, text.length));
  out.set(text, FIXED);
  view.setUint32(12, text.length, true);
  view.setUint32(16, xxHash32(text), true);
  return out;
}
