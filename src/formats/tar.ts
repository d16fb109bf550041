/** Tar archives (POSIX ustar and GNU long names), as far as datasets come in them: plain files by name. */
import { FormatError, show } from "../core/index.js";

const FORMAT = "tar";
const BLOCK = 512;

function field(header: Uint8Array, from: number, length: number): string {
  const bytes = header.subarray(from, from + length);
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}

function octal(header: Uint8Array, from: number, length: number, place: string): number {
  const text = field(header, from, length).trim();
  if (!/^[0-7]{1,12}$/.test(text)) throw new FormatError(FORMAT, `${place}: expected an octal number, got ${show(text)}`);
  return Number.parseInt(text, 8);
}

/**
 * Reads a tar archive; folders and links are left out, names are kept as they stand (do not use them as paths unchecked).
 * @returns views into `bytes` by name
 * @throws FormatError when the archive is truncated, a header fails its checksum, or a name comes twice
 */
export function readTar(bytes: Uint8Array): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  let longName: string | undefined;
  for (let at = 0; ; ) {
    const header = bytes.subarray(at, at + BLOCK);
    if (header.length < BLOCK)
      throw new FormatError(FORMAT, `byte ${at}: the archive is truncated, expected a header or the two empty blocks of its end`);
    if (header.every((byte) => byte === 0)) {
      const rest = bytes.subarray(at + BLOCK);
      if (rest.length < BLOCK || rest.length % BLOCK !== 0 || rest.some((byte) => byte !== 0))
        throw new FormatError(FORMAT, `byte ${at}: the archive does not end in two or more empty blocks`);
      return files;
    }
    const place = `header at byte ${at}`;
    let sum = 0;
    for (let i = 0; i < BLOCK; i++) sum += i >= 148 && i < 156 ? 32 : header[i]!;
    if (sum !== octal(header, 148, 8, place)) throw new FormatError(FORMAT, `${place}: the checksum does not match`);
    const size = octal(header, 124, 12, place);
    const data = bytes.subarray(at + BLOCK, at + BLOCK + size);
    if (data.length < size) throw new FormatError(FORMAT, `${place}: ${size} bytes of data, the archive ends after ${data.length}`);
    const kind = String.fromCharCode(header[156]!);
    if (kind === "L") longName = field(data, 0, data.length);
    else {
      const prefix = field(header, 257, 5) === "ustar" && header[262] === 0 ? field(header, 345, 155) : "";
      const name = longName ?? (prefix ? `${prefix}/` : "") + field(header, 0, 100);
      longName = undefined;
      if (kind === "0" || kind === "\0") {
        if (files.has(name)) throw new FormatError(FORMAT, `${place}: the file ${show(name)} comes twice`);
        files.set(name, data);
      }
    }
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
  }
}
