/** Bounded decompression on fflate: sizes are checked while bytes come out, checksums at the end. */
import { gzipSync, Inflate } from "fflate";
import { FormatError } from "../core/index.js";

/** Deflate cannot expand further than this: RFC 1951, 258 bytes for a two-bit code pair, plus rounding. */
const MAX_RATIO = 1032;
/** Compressed bytes handed over at once: no step can put out more than MAX_RATIO times this. */
const CHUNK = 16384;

const crcTable = new Uint32Array(256).map((_, n) => {
  let c = n;
  for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c;
});

/** The CRC-32 of gzip and zip (RFC 1952, section 8). */
export function crc32(bytes: Uint8Array): number {
  let c = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) c = crcTable[(c ^ bytes[i]!) & 255]! ^ (c >>> 8);
  return ~c >>> 0;
}

/** The Adler-32 of zlib (RFC 1950, section 9). */
export function adler32(bytes: Uint8Array): number {
  let a = 1;
  let b = 0;
  for (let i = 0; i < bytes.length; ) {
    // 3800 additions of at most 255 + 65521 stay far below 2^53, and the remainder is taken once for all.
    for (const end = Math.min(bytes.length, i + 3800); i < end; i++) {
      a += bytes[i]!;
      b += a;
    }
    a %= 65521;
    b %= 65521;
  }
  return ((b << 16) | a) >>> 0;
}

/** The first `count` bytes that a raw deflate stream puts out; fewer when it ends or breaks before. */
export function inflateStart(compressed: Uint8Array, count: number): Uint8Array {
  let out = new Uint8Array(0);
  const inflate = new Inflate((chunk) => {
    out = Uint8Array.from([...out, ...chunk.subarray(0, count - out.length)]);
  });
  try {
    for (let at = 0; at < compressed.length && out.length < count; at += 256) inflate.push(compressed.subarray(at, at + 256));
  } catch {
    return out;
  }
  return out;
}

/**
 * Inflates a raw deflate stream that should hold exactly `size` bytes.
 * @param size  bytes claimed; refused before any allocation when the compressed bytes cannot hold as many
 * @param sum   checksum of the result
 * @param limit largest `size` accepted
 * @param checksum how it is computed: CRC-32 (gzip, zip; default) or Adler-32 (zlib)
 * @throws FormatError when the claim is impossible or above the limit, or the stream is broken, short, long or fails its checksum
 */
export function inflateExact(
  format: string,
  compressed: Uint8Array,
  size: number,
  sum: number,
  limit: number,
  checksum = crc32,
): Uint8Array {
  if (size > limit) throw new FormatError(format, `${size} bytes decompressed are above the limit of ${limit}`);
  if (size > compressed.length * MAX_RATIO) {
    throw new FormatError(
      format,
      `${compressed.length} compressed bytes cannot hold the ${size} claimed: the file is truncated or lies`,
    );
  }
  const out = new Uint8Array(size);
  let at = 0;
  const inflate = new Inflate((chunk) => {
    if (at + chunk.length > size) throw new FormatError(format, `the compressed data hold more than the ${size} bytes claimed`);
    out.set(chunk, at);
    at += chunk.length;
  });
  try {
    for (let from = 0; from === 0 || from < compressed.length; from += CHUNK) {
      inflate.push(compressed.subarray(from, from + CHUNK), from + CHUNK >= compressed.length);
    }
  } catch (error) {
    if (error instanceof FormatError) throw error;
    throw new FormatError(format, `the compressed data are broken (${(error as Error).message})`);
  }
  if (at !== size) throw new FormatError(format, `the compressed data hold ${at} bytes, ${size} were claimed`);
  if (checksum(out) !== sum)
    throw new FormatError(format, "the checksum of the decompressed data does not match: the file is damaged");
  return out;
}

/** True when the bytes begin as a gzip file does. */
export function isGzip(bytes: Uint8Array): boolean {
  return bytes.length >= 2 && bytes[0] === 0x1f && bytes[1] === 0x8b;
}

/** Offset of the deflate stream behind a gzip header (RFC 1952, section 2.3). */
function gzipBody(bytes: Uint8Array): number {
  const short = () => new FormatError("gzip", `the header ends after the file (${bytes.length} bytes): the file is truncated`);
  if (!isGzip(bytes)) throw new FormatError("gzip", "the file does not begin with 1f 8b");
  if (bytes.length < 18) throw short();
  if (bytes[2] !== 8) throw new FormatError("gzip", `compression method ${bytes[2]} is not deflate (8)`);
  const flags = bytes[3]!;
  if (flags & 0xe0) throw new FormatError("gzip", `reserved flags ${flags & 0xe0} are set`);
  let at = 10;
  if (flags & 4) at += 2 + bytes[at]! + 256 * bytes[at + 1]!;
  for (const flag of [8, 16]) {
    if (!(flags & flag)) continue;
    const end = at < bytes.length ? bytes.indexOf(0, at) : -1;
    if (end < 0) throw short();
    at = end + 1;
  }
  if (flags & 2) at += 2;
  if (at + 8 > bytes.length) throw short();
  return at;
}

/**
 * Decompresses a gzip file of one member.
 * @param limit  largest decompressed size accepted; default 2^31 - 1 bytes
 * @throws FormatError when the file is truncated, damaged, followed by other bytes, or decompresses past the limit
 */
export function gunzip(bytes: Uint8Array, limit = 0x7fffffff): Uint8Array {
  const start = gzipBody(bytes);
  const end = bytes.length - 8;
  const trailer = new DataView(bytes.buffer, bytes.byteOffset + end, 8);
  return inflateExact("gzip", bytes.subarray(start, end), trailer.getUint32(4, true), trailer.getUint32(0, true), limit);
}

/** Compresses to a gzip file without name or time, so that the same bytes give the same file. */
export function gzip(bytes: Uint8Array): Uint8Array {
  return gzipSync(bytes, { level: 9, mtime: 0 });
}
