/** The named image sets, from whatever holds their files. */
import { InputError } from "../core/index.js";
import { isGzip, readCifar, readIdx } from "../formats/index.js";
import { type Dataset, type DatasetSplits, makeDataset, type Normalisation } from "./dataset.js";

/** Something that holds files by name: a folder, a cache of downloads, an object in memory. */
export interface FileSource {
  /** What to call it in messages and reports. */
  readonly where: string;
  /** The bytes of a file, `null` when there is none of that name. */
  read(name: string): Promise<Uint8Array | null>;
}

/** The file names of MNIST and of the sets that copy its format. */
export const idxFiles = {
  trainImages: "train-images-idx3-ubyte",
  trainLabels: "train-labels-idx1-ubyte",
  testImages: "t10k-images-idx3-ubyte",
  testLabels: "t10k-labels-idx1-ubyte",
} as const;

/** Classes of Fashion-MNIST in label order. Xiao et al. 2017, arXiv:1708.07747, table 2. */
export const fashionMnistClasses = [
  "T-shirt/top",
  "Trouser",
  "Pullover",
  "Dress",
  "Coat",
  "Sandal",
  "Shirt",
  "Sneaker",
  "Bag",
  "Ankle boot",
] as const;

/** Classes of CIFAR-10 in label order (`batches.meta.txt`). */
export const cifar10Classes = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"] as const;

/** Mean and standard deviation of the pixels of each training set, on the scale 0 to 1. */
const normalisations = {
  "fashion-mnist": { scale: 1 / 255, mean: [0.286], std: [0.353] },
  mnist: { scale: 1 / 255, mean: [0.1307], std: [0.3081] },
  cifar10: { scale: 1 / 255, mean: [0.4914, 0.4822, 0.4465], std: [0.247, 0.2435, 0.2616] },
} satisfies Record<string, Normalisation>;

/** Reads `name` or `name.gz`. @throws InputError when neither is there */
async function readEither(source: FileSource, name: string): Promise<Uint8Array> {
  const bytes = (await source.read(name)) ?? (await source.read(`${name}.gz`));
  if (bytes === null) throw new InputError(`${source.where}: neither ${name} nor ${name}.gz is there`);
  return bytes;
}

/** Runs `read` and puts the place before the message of a broken file. */
function inFile<T>(source: FileSource, name: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof InputError) throw new InputError(`${source.where}, ${name}: ${error.message}`);
    throw error;
  }
}

type IdxSet = "fashion-mnist" | "mnist";

async function idxPart(source: FileSource, name: IdxSet, imagesFile: string, labelsFile: string): Promise<Dataset> {
  const [imageBytes, labelBytes] = await Promise.all([readEither(source, imagesFile), readEither(source, labelsFile)]);
  // 60,000 images of 28 x 28 are 47 MB; four times that bounds what a damaged gzip file may ask for.
  const limit = 200_000_000;
  const images = inFile(source, imagesFile, () => readIdx(imageBytes, limit));
  const labels = inFile(source, labelsFile, () => readIdx(labelBytes, limit));
  const [count, height, width] = images.shape as [number, number, number];
  if (images.dtype !== "u8" || images.shape.length !== 3 || height !== 28 || width !== 28) {
    throw new InputError(
      `${source.where}, ${imagesFile}: expected u8 [count, 28, 28], got ${images.dtype} [${images.shape.join(", ")}]`,
    );
  }
  if (labels.dtype !== "u8" || labels.shape.length !== 1 || labels.shape[0] !== count) {
    throw new InputError(
      `${source.where}, ${labelsFile}: expected u8 [${count}], got ${labels.dtype} [${labels.shape.join(", ")}]`,
    );
  }
  return makeDataset({
    name,
    shape: [1, height, width],
    classes: 10,
    ...(name === "fashion-mnist" && { classNames: fashionMnistClasses }),
    inputs: images.data as Uint8Array,
    labels: Int32Array.from(labels.data as Uint8Array),
    normalisation: normalisations[name],
    source: source.where,
  });
}

async function idxSplits(source: FileSource, name: IdxSet): Promise<DatasetSplits> {
  return {
    train: await idxPart(source, name, idxFiles.trainImages, idxFiles.trainLabels),
    test: await idxPart(source, name, idxFiles.testImages, idxFiles.testLabels),
  };
}

/**
 * Fashion-MNIST: 28 x 28 grey images of 10 kinds of clothes, idx files, plain or `.gz`.
 * @throws InputError that names the place and the file when one is missing, broken, or of another shape
 *
 * Xiao et al. 2017, arXiv:1708.07747.
 */
export function fashionMnist(source: FileSource): Promise<DatasetSplits> {
  return idxSplits(source, "fashion-mnist");
}

/** MNIST: 28 x 28 grey images of 10 digits, idx files, plain or `.gz`. @throws InputError as `fashionMnist` */
export function mnist(source: FileSource): Promise<DatasetSplits> {
  return idxSplits(source, "mnist");
}

async function cifarPart(source: FileSource, names: readonly string[]): Promise<Dataset> {
  const parts = [];
  for (const name of names) {
    const bytes = (await source.read(name)) ?? (await source.read(`${name}.gz`));
    if (bytes !== null) parts.push(inFile(source, name, () => readCifar(bytes, 10, isGzip(bytes) ? 400_000_000 : undefined)));
  }
  if (parts.length === 0) throw new InputError(`${source.where}: none of ${names.join(", ")} is there, plain or .gz`);
  const inputs = new Uint8Array(parts.reduce((sum, part) => sum + part.images.length, 0));
  const labels = new Int32Array(parts.reduce((sum, part) => sum + part.count, 0));
  let at = 0;
  for (const part of parts) {
    inputs.set(part.images, at * 3072);
    labels.set(part.labels, at);
    at += part.count;
  }
  return makeDataset({
    name: "cifar10",
    shape: [3, 32, 32],
    classes: 10,
    classNames: cifar10Classes,
    inputs,
    labels,
    normalisation: normalisations.cifar10,
    source: `${source.where} (${parts.length} of ${names.length} files)`,
  });
}

/**
 * CIFAR-10: 32 x 32 colour images of 10 things, the binary files, plain or `.gz`. Training batches that are absent are left out,
 * and `source` says how many of the five were there. Without `test_batch.bin`, `test_batch_first2000.bin` is taken.
 * @throws InputError that names the place and the file when all of a part are missing, or one is broken
 *
 * Krizhevsky 2009, "Learning multiple layers of features from tiny images".
 */
export async function cifar10(source: FileSource): Promise<DatasetSplits> {
  const train = await cifarPart(
    source,
    [1, 2, 3, 4, 5].map((i) => `data_batch_${i}.bin`),
  );
  const whole = (await source.read("test_batch.bin")) !== null || (await source.read("test_batch.bin.gz")) !== null;
  return { train, test: await cifarPart(source, [whole ? "test_batch.bin" : "test_batch_first2000.bin"]) };
}
