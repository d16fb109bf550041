/** The binary records of CIFAR-10 and CIFAR-100: label bytes, then 3 x 32 x 32 pixels, planes red, green, blue. */
import { FormatError } from "../core/index.js";
import { gunzip, isGzip } from "./gzip.js";

/** Images and labels of one CIFAR file. */
export interface CifarRecords {
  readonly count: number;
  /** `[count, 3, 32, 32]`, 0 to 255. */
  readonly images: Uint8Array;
  /** One class per image; the fine label for CIFAR-100. */
  readonly labels: Uint8Array;
}

const PIXELS = 3 * 32 * 32;

/**
 * Reads a CIFAR binary file, plain or gzipped.
 * @param classes  10 (one label byte) or 100 (a coarse byte below 20, then the fine one)
 * @param limit    largest decompressed size; default 2^31 - 1 bytes
 * @throws FormatError when the file is empty or no whole number of records, or a label is out of range
 */
export function readCifar(bytes: Uint8Array, classes: 10 | 100 = 10, limit?: number): CifarRecords {
  const format = `cifar-${classes}`;
  const plain = isGzip(bytes) ? gunzip(bytes, limit) : bytes;
  const labelBytes = classes === 10 ? 1 : 2;
  const record = labelBytes + PIXELS;
  if (plain.length === 0 || plain.length % record !== 0) {
    throw new FormatError(
      format,
      `${plain.length} bytes are no whole number of records of ${record} bytes: the file is truncated or not a ${format} file`,
    );
  }
  const count = plain.length / record;
  const images = new Uint8Array(count * PIXELS);
  const labels = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    const at = i * record;
    const label = plain[at + labelBytes - 1]!;
    if (label >= classes)
      throw new FormatError(format, `record ${i} (byte ${at}) has the label ${label}, expected below ${classes}`);
    if (classes === 100 && plain[at]! >= 20)
      throw new FormatError(format, `record ${i} (byte ${at}) has the coarse label ${plain[at]}, expected below 20`);
    labels[i] = label;
    images.set(plain.subarray(at + labelBytes, at + record), i * PIXELS);
  }
  return { count, images, labels };
}
