/** Datasets in memory: examples of one shape, a class each, and how raw values become network inputs. */
import { InputError, OptionError, type Rng, requireInteger, sizeOf } from "../core/index.js";
import { crc32 } from "../formats/index.js";

/** x = (raw * scale - mean[c]) / std[c], per channel c = first dimension of an example (one entry serves all channels). */
export interface Normalisation {
  /** 1/255 for bytes, 1 for values used as they are. */
  readonly scale: number;
  readonly mean: readonly number[];
  /** Above 0. */
  readonly std: readonly number[];
}

/** Leaves values as they are. */
export const identity: Normalisation = { scale: 1, mean: [0], std: [1] };

/** Labelled examples, raw; loaders normalise while they fill a batch. */
export interface Dataset {
  readonly name: string;
  /** Shape of one example: `[channels, height, width]` for images, `[features]` for tables. */
  readonly shape: readonly number[];
  /** Number of classes; labels are in [0, classes). */
  readonly classes: number;
  readonly classNames?: readonly string[];
  /** Number of examples. */
  readonly count: number;
  /** `[count, ...shape]`, raw. */
  readonly inputs: Float32Array | Uint8Array;
  /** `[count]`. */
  readonly labels: Int32Array;
  readonly normalisation: Normalisation;
  /** Where the data came from, for reports. */
  readonly source: string;
}

/** A dataset with its own held-out part. */
export interface DatasetSplits {
  readonly train: Dataset;
  readonly test: Dataset;
}

/**
 * A dataset, with everything about it checked.
 * @throws InputError that names the first example whose value is not finite or whose label is outside [0, classes)
 */
export function makeDataset(parts: Omit<Dataset, "count">): Dataset {
  const { name, shape, classes, inputs, labels, normalisation, classNames } = parts;
  requireInteger(`${name}: classes`, classes, 1);
  shape.forEach((dim, i) => {
    requireInteger(`${name}: shape[${i}]`, dim, 1);
  });
  const size = sizeOf(shape);
  const count = labels.length;
  if (count === 0) throw new InputError(`${name}: the dataset holds no example`);
  if (inputs.length !== count * size) {
    throw new InputError(
      `${name}: ${inputs.length} input values for ${count} labels and examples of [${shape.join(", ")}]: expected ${count * size}`,
    );
  }
  if (classNames && classNames.length !== classes)
    throw new InputError(`${name}: ${classNames.length} class names for ${classes} classes`);
  for (let i = 0; i < count; i++) {
    if (!(labels[i]! >= 0 && labels[i]! < classes))
      throw new InputError(`${name}: example ${i} has the label ${labels[i]}, expected 0 to ${classes - 1}`);
  }
  if (inputs instanceof Float32Array) {
    for (let i = 0; i < inputs.length; i++) {
      if (Number.isFinite(inputs[i])) continue;
      throw new InputError(
        `${name}: example ${Math.floor(i / size)} holds ${inputs[i]} at position ${i % size}; every value must be finite`,
      );
    }
  }
  requireNormalisation(name, normalisation, shape[0] ?? 1);
  return { ...parts, count };
}

function requireNormalisation(name: string, { scale, mean, std }: Normalisation, channels: number): void {
  const fits = (list: readonly number[]) => (list.length === 1 || list.length === channels) && list.every(Number.isFinite);
  if (!Number.isFinite(scale) || !fits(mean) || !fits(std) || mean.length !== std.length || std.some((s) => s <= 0)) {
    throw new OptionError(
      `${name}: normalisation`,
      `a finite scale, and one mean and positive std for all or for each of ${channels} channels`,
      { scale, mean, std },
    );
  }
}

/**
 * The examples of `indices`, in that order (copied).
 * @throws OptionError when an index is outside [0, count) or there is none
 */
export function subset(dataset: Dataset, indices: ArrayLike<number>): Dataset {
  const size = sizeOf(dataset.shape);
  if (indices.length === 0) throw new OptionError("subset.indices", "at least one index", []);
  const inputs =
    dataset.inputs instanceof Uint8Array ? new Uint8Array(indices.length * size) : new Float32Array(indices.length * size);
  const labels = new Int32Array(indices.length);
  for (let i = 0; i < indices.length; i++) {
    const from = requireInteger(`subset.indices[${i}]`, indices[i], 0, dataset.count - 1);
    inputs.set(dataset.inputs.subarray(from * size, (from + 1) * size), i * size);
    labels[i] = dataset.labels[from]!;
  }
  return { ...dataset, inputs, labels, count: indices.length };
}

/** The first `limit` examples (all when there are fewer), without a copy. @throws OptionError when `limit` is no integer of at least 1 */
export function take(dataset: Dataset, limit: number): Dataset {
  const count = Math.min(requireInteger("limit", limit, 1), dataset.count);
  return {
    ...dataset,
    count,
    inputs: dataset.inputs.subarray(0, count * sizeOf(dataset.shape)),
    labels: dataset.labels.subarray(0, count),
  };
}

/**
 * Two disjoint random parts that keep the share of each class: `round(fraction * n_c)` examples of class c go to the second.
 * @param fraction share of the second part, in (0, 1)
 * @param rng      decides which examples; both parts keep the original order
 * @throws OptionError when the fraction is outside (0, 1) or leaves a part empty
 */
export function split(dataset: Dataset, fraction: number, rng: Rng): [Dataset, Dataset] {
  if (!(fraction > 0 && fraction < 1))
    throw new OptionError("split.fraction", "a fraction between 0 and 1, both excluded", fraction);
  const left = new Int32Array(dataset.classes);
  for (const label of dataset.labels) left[label]!++;
  for (let c = 0; c < left.length; c++) left[c] = Math.round(left[c]! * fraction);
  const second = new Uint8Array(dataset.count);
  for (const i of rng.permutation(dataset.count)) {
    if (left[dataset.labels[i]!]! === 0) continue;
    left[dataset.labels[i]!]!--;
    second[i] = 1;
  }
  const parts: [number[], number[]] = [[], []];
  for (let i = 0; i < dataset.count; i++) parts[second[i] as 0 | 1].push(i);
  if (parts[0].length === 0 || parts[1].length === 0)
    throw new OptionError("split.fraction", "a fraction that leaves both parts an example", fraction);
  return [subset(dataset, parts[0]), subset(dataset, parts[1])];
}

/** Mean and standard deviation of each channel after `scale`: the normalisation that gives zero mean and unit variance. */
export function measureNormalisation(dataset: Dataset, scale = dataset.inputs instanceof Uint8Array ? 1 / 255 : 1): Normalisation {
  const channels = dataset.shape.length === 3 ? dataset.shape[0]! : 1;
  const area = sizeOf(dataset.shape) / channels;
  const mean = new Array<number>(channels).fill(0);
  const square = new Array<number>(channels).fill(0);
  for (let i = 0; i < dataset.inputs.length; i++) {
    const c = Math.floor(i / area) % channels;
    const x = dataset.inputs[i]! * scale;
    mean[c]! += x;
    square[c]! += x * x;
  }
  const n = dataset.count * area;
  const std = square.map((s, c) => Math.sqrt(Math.max(0, s / n - (mean[c]! / n) ** 2)) || 1);
  return { scale, mean: mean.map((m) => m / n), std };
}

/** Eight hexadecimal digits that change with any input or label: two runs trained on the same data when theirs are equal. */
export function fingerprint(dataset: Dataset): string {
  const { inputs, labels } = dataset;
  const parts = [inputs, labels].map((array) => crc32(new Uint8Array(array.buffer, array.byteOffset, array.byteLength)));
  const text = new TextEncoder().encode(`${dataset.shape.join("x")}/${dataset.classes}/${parts.join("/")}`);
  return crc32(text).toString(16).padStart(8, "0");
}
