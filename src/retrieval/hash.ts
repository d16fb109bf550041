/**
 * xxHash32 (Collet; specification of the xxHash project), the checksum of index files: it finds damage, it does not
 * authenticate. Bytes are read as little-endian words.
 */

const P1 = 0x9e3779b1;
const P2 = 0x85ebca77;
const P3 = 0xc2b2ae3d;
const P4 = 0x27d4eb2f;
const P5 = 0x165667b1;

const rotl = (x: number, r: number) => (x << r) | (x >>> (32 - r));

/** The 32-bit hash of `bytes` under `seed`. */
export function xxHash32(bytes: Uint8Array, seed = 0): number {
  const n = bytes.length;
  const view = new DataView(bytes.buffer, bytes.byteOffset, n);
  let at = 0;
  let h: number;
  if (n >= 16) {
    let a = (seed + P1 + P2) | 0;
    let b = (seed + P2) | 0;
    let c = seed | 0;
    let d = (seed - P1) | 0;
    const end = n - 15;
    if (bytes.byteOffset % 4 === 0) {
      const words = new Int32Array(bytes.buffer, bytes.byteOffset, n >>> 2);
      for (let w = 0; at < end; at += 16, w += 4) {
        a = Math.imul(rotl((a + Math.imul(words[w]!, P2)) | 0, 13), P1);
        b = Math.imul(rotl((b + Math.imul(words[w + 1]!, P2)) | 0, 13), P1);
        c = Math.imul(rotl((c + Math.imul(words[w + 2]!, P2)) | 0, 13), P1);
        d = Math.imul(rotl((d + Math.imul(words[w + 3]!, P2)) | 0, 13), P1);
      }
    } else {
      for (; at < end; at += 16) {
        a = Math.imul(rotl((a + Math.imul(view.getInt32(at, true), P2)) | 0, 13), P1);
        b = Math.imul(rotl((b + Math.imul(view.getInt32(at + 4, true), P2)) | 0, 13), P1);
        c = Math.imul(rotl((c + Math.imul(view.getInt32(at + 8, true), P2)) | 0, 13), P1);
        d = Math.imul(rotl((d + Math.imul(view.getInt32(at + 12, true), P2)) | 0, 13), P1);
      }
    }
    h = (rotl(a, 1) + rotl(b, 7) + rotl(c, 12) + rotl(d, 18)) | 0;
  } else {
    h = (seed + P5) | 0;
  }
  h = (h + n) | 0;
  for (; at + 4 <= n; at += 4) h = Math.imul(rotl((h + Math.imul(view.getInt32(at, true), P3)) | 0, 17), P4);
  for (; at < n; at++) h = Math.imul(rotl((h + Math.imul(bytes[at]!, P5)) | 0, 11), P1);
  h = Math.imul(h ^ (h >>> 15), P2);
  h = Math.imul(h ^ (h >>> 13), P3);
  return (h ^ (h >>> 16)) >>> 0;
}
