/** Folders of images, one folder per class: `class/name.png` or `.jpg`. */
import type { Dirent } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { extname, join } from "node:path";
import jpeg from "jpeg-js";
import { PNG } from "pngjs";
import { FormatError, InputError, OptionError, requireInteger } from "../core/index.js";
import { type Dataset, makeDataset, type Normalisation } from "./dataset.js";

/** A decoded image. */
export interface DecodedImage {
  readonly width: number;
  readonly height: number;
  /** `[height, width, 4]`, red, green, blue, alpha. */
  readonly rgba: Uint8Array;
}

/** Images above this many pixels are refused unless told otherwise. */
const MAX_PIXELS = 16_777_216;
const PNG_SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10];

function decodePng(bytes: Uint8Array, maxPixels: number): DecodedImage {
  if (bytes.length < 33) throw new FormatError("png", "the file is truncated");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [width, height] = [view.getUint32(16), view.getUint32(20)];
  // The header is checked first: the decoder takes memory for the size that it claims.
  if (view.getUint32(12) !== 0x49484452 || width === 0 || height === 0)
    throw new FormatError("png", "the first chunk is no valid IHDR");
  if (width * height > maxPixels) throw new FormatError("png", `${width} x ${height} pixels are above the limit of ${maxPixels}`);
  // Deflate packs at most 1032 bytes into one, and a pixel takes at least one bit.
  if (width * height > bytes.length * 1032 * 8)
    throw new FormatError("png", `${bytes.length} bytes cannot hold ${width} x ${height} pixels`);
  const image = PNG.sync.read(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  return { width: image.width, height: image.height, rgba: image.data };
}

function decodeJpeg(bytes: Uint8Array, maxPixels: number): DecodedImage {
  const image = jpeg.decode(bytes, {
    useTArray: true,
    formatAsRGBA: true,
    tolerantDecoding: false,
    maxResolutionInMP: maxPixels / 1e6,
    maxMemoryUsageInMB: 64 + (maxPixels * 40) / 1e6,
  });
  return { width: image.width, height: image.height, rgba: image.data };
}

/**
 * Decodes a PNG (pngjs) or JPEG (jpeg-js), recognised by its first bytes.
 * @param maxPixels  largest width x height accepted; default 2^24
 * @throws FormatError when the file is neither, truncated, broken or too large
 */
export function decodeImage(bytes: Uint8Array, maxPixels = MAX_PIXELS): DecodedImage {
  const isPng = PNG_SIGNATURE.every((byte, i) => bytes[i] === byte);
  if (!isPng && !(bytes[0] === 0xff && bytes[1] === 0xd8)) throw new FormatError("image", "the file is neither a PNG nor a JPEG");
  try {
    return isPng ? decodePng(bytes, maxPixels) : decodeJpeg(bytes, maxPixels);
  } catch (error) {
    if (error instanceof FormatError) throw error;
    throw new FormatError(isPng ? "png" : "jpeg", `the file is broken (${(error as Error).message})`);
  }
}

/** Planes of an image: red, green, blue, or their luma (Rec. 601). Alpha is ignored. */
function planes({ width, height, rgba }: DecodedImage, channels: 1 | 3, out: Uint8Array): void {
  const area = width * height;
  for (let i = 0; i < area; i++) {
    const [r, g, b] = [rgba[4 * i]!, rgba[4 * i + 1]!, rgba[4 * i + 2]!];
    if (channels === 1) out[i] = Math.round(0.299 * r + 0.587 * g + 0.114 * b);
    else {
      out[i] = r;
      out[area + i] = g;
      out[2 * area + i] = b;
    }
  }
}

async function listFolder(folder: string): Promise<Dirent[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch (error) {
    throw new InputError(`${folder}: cannot be listed (${(error as Error).message})`);
  }
}

/**
 * A folder of class folders as a dataset; classes and images in the order of their names. All images must have one size.
 * @param options.channels      3 (default) or 1 for grey
 * @param options.normalisation default: scale 1/255, mean 0.5, deviation 0.5
 * @param options.limit         largest number of images per class; default all
 * @throws InputError that names the file which is broken or of another size, or the folder that holds no image
 */
export async function imageFolder(
  folder: string,
  options: { name?: string; channels?: 1 | 3; normalisation?: Normalisation; limit?: number } = {},
): Promise<Dataset> {
  const { name = folder, channels = 3, normalisation = { scale: 1 / 255, mean: [0.5], std: [0.5] }, limit } = options;
  if (channels !== 1 && channels !== 3) throw new OptionError("imageFolder.channels", "1 or 3", channels);
  if (limit !== undefined) requireInteger("imageFolder.limit", limit, 1);
  const classNames = (await listFolder(folder)).filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  if (classNames.length === 0) throw new InputError(`${folder}: holds no class folder; expected class/name.png or class/name.jpg`);
  const images: Uint8Array[] = [];
  const labels: number[] = [];
  let size: { width: number; height: number } | undefined;
  for (const [label, className] of classNames.entries()) {
    const files = (await listFolder(join(folder, className))).filter((entry) => /^\.(png|jpe?g)$/i.test(extname(entry.name)));
    if (files.length === 0) throw new InputError(`${join(folder, className)}: holds no .png or .jpg`);
    for (const { name: file } of files.slice(0, limit)) {
      const path = join(folder, className, file);
      let image: DecodedImage;
      try {
        image = decodeImage(await readFile(path));
      } catch (error) {
        throw new InputError(`${path}: ${(error as Error).message}`);
      }
      size ??= image;
      if (image.width !== size.width || image.height !== size.height) {
        throw new InputError(
          `${path}: ${image.width} x ${image.height} pixels, the images before it ${size.width} x ${size.height}; resize them first`,
        );
      }
      const out = new Uint8Array(channels * image.width * image.height);
      planes(image, channels, out);
      images.push(out);
      labels.push(label);
    }
  }
  const { width, height } = size!;
  const inputs = new Uint8Array(images.length * channels * width * height);
  images.forEach((image, i) => {
    inputs.set(image, i * image.length);
  });
  return makeDataset({
    name,
    shape: [channels, height, width],
    classes: classNames.length,
    classNames,
    inputs,
    labels: Int32Array.from(labels),
    normalisation,
    source: folder,
  });
}
