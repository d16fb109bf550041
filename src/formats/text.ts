import { FormatError } from "../core/index.js";

/** UTF-8 bytes as text; text as it is. @throws FormatError when the bytes are not UTF-8 */
export function toText(format: string, input: Uint8Array | string): string {
  if (typeof input === "string") return input;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(input);
  } catch {
    throw new FormatError(format, "the file is not UTF-8 text");
  }
}

/** A finite decimal number with nothing around it, or NaN. (`Number` alone also takes "", "0x10" and "Infinity".) */
export function plainNumber(text: string): number {
  const value = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text) ? Number(text) : Number.NaN;
  return Number.isFinite(value) ? value : Number.NaN;
}
