/**
 * Zip archives, as far as npz files need them. fflate does the compression; the directory is read here because every size has to
 * be checked before memory is taken and every checksum afterwards, and fflate does neither. PKWARE APPNOTE 6.3.10.
 */
import { zipSync } from "fflate";
import { FormatError, show } from "../core/index.js";
import { crc32, inflateExact } from "./gzip.js";

const FORMAT = "zip";
const END_BYTES = 22;
const ENTRY_BYTES = 46;
const LOCAL_BYTES = 30;

interface ZipEntry {
  name: string;
  method: number;
  crc: number;
  packed: number;
  size: number;
  offset: number;
}

function findEnd(view: DataView): number {
  const first = Math.max(0, view.byteLength - END_BYTES - 0xffff);
  for (let at = view.byteLength - END_BYTES; at >= first; at--) {
    // The comment must end exactly with the file: anything after the archive is refused.
    if (view.getUint32(at, true) === 0x06054b50 && at + END_BYTES + view.getUint16(at + 20, true) === view.byteLength) return at;
  }
  throw new FormatError(FORMAT, "no end of central directory: the file is truncated or not a zip archive");
}

function readDirectory(bytes: Uint8Array, view: DataView): { entries: ZipEntry[]; start: number } {
  const end = findEnd(view);
  const count = view.getUint16(end + 10, true);
  const size = view.getUint32(end + 12, true);
  const start = view.getUint32(end + 16, true);
  if (count === 0xffff || start === 0xffffffff)
    throw new FormatError(FORMAT, "zip64 archives (over 4 GiB or 65,534 files) are not supported");
  if (start + size !== end)
    throw new FormatError(FORMAT, `the central directory [${start}, ${start + size}] does not end at its end record (${end})`);
  const entries: ZipEntry[] = [];
  let at = start;
  for (let i = 0; i < count; i++) {
    if (at + ENTRY_BYTES > end || view.getUint32(at, true) !== 0x02014b50)
      throw new FormatError(FORMAT, `entry ${i} of the directory is broken`);
    const nameEnd = at + ENTRY_BYTES + view.getUint16(at + 28, true);
    const next = nameEnd + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
    if (next > end) throw new FormatError(FORMAT, `entry ${i} ends after the directory`);
    if (view.getUint16(at + 8, true) & 1) throw new FormatError(FORMAT, `entry ${i} is encrypted`);
    entries.push({
      name: new TextDecoder().decode(bytes.subarray(at + ENTRY_BYTES, nameEnd)),
      method: view.getUint16(at + 10, true),
      crc: view.getUint32(at + 16, true),
      packed: view.getUint32(at + 20, true),
      size: view.getUint32(at + 24, true),
      offset: view.getUint32(at + 42, true),
    });
    at = next;
  }
  if (at !== end) throw new FormatError(FORMAT, `${end - at} bytes after the last directory entry`);
  return { entries, start };
}

/**
 * Reads a zip archive of stored and deflated files.
 * @param limit  largest total of decompressed bytes; default 2^31 - 1
 * @throws FormatError when the archive is truncated, damaged, encrypted, zip64, holds overlapping or doubled entries, other
 *   compression methods, or decompresses past the limit
 */
export function readZip(bytes: Uint8Array, limit = 0x7fffffff): Map<string, Uint8Array> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < END_BYTES)
    throw new FormatError(FORMAT, `${bytes.length} bytes are too few for an archive: the file is truncated`);
  const { entries, start } = readDirectory(bytes, view);
  const files = new Map<string, Uint8Array>();
  let left = limit;
  let free = 0;
  // In file order, each behind the one before: entries that share bytes are how small archives explode.
  for (const entry of [...entries].sort((a, b) => a.offset - b.offset)) {
    const { name, method, crc, packed, size, offset } = entry;
    const place = `${FORMAT}: ${show(name)}`;
    if (files.has(name)) throw new FormatError(place, "the name is listed twice");
    if (offset < free || offset + LOCAL_BYTES > start)
      throw new FormatError(place, "its data overlap another entry or the directory");
    if (view.getUint32(offset, true) !== 0x04034b50) throw new FormatError(place, `no local header at ${offset}`);
    const from = offset + LOCAL_BYTES + view.getUint16(offset + 26, true) + view.getUint16(offset + 28, true);
    if (from + packed > start) throw new FormatError(place, "its data overlap the directory");
    const data = bytes.subarray(from, from + packed);
    if (method === 8) files.set(name, inflateExact(place, data, size, crc, left));
    else if (method !== 0) throw new FormatError(place, `compression method ${method} is neither stored (0) nor deflate (8)`);
    else {
      if (packed !== size || size > left)
        throw new FormatError(place, `${packed} stored bytes, ${size} claimed, at most ${left} allowed`);
      if (crc32(data) !== crc) throw new FormatError(place, "the checksum does not match: the file is damaged");
      files.set(name, data);
    }
    left -= size;
    free = from + packed;
  }
  return files;
}

/** Writes a zip archive; names sorted and times fixed, so that the same content gives the same bytes. */
export function writeZip(files: ReadonlyMap<string, Uint8Array>, compress = true): Uint8Array {
  const sorted = [...files].sort(([a], [b]) => (a < b ? -1 : 1));
  return zipSync(Object.fromEntries(sorted), { level: compress ? 6 : 0, mtime: new Date(1980, 0, 1) });
}
