/** Shuffled, normalised, augmented batches in buffers that are used again. */
import { OptionError, type Rng, requireInteger, requireOneOf, sizeOf } from "../core/index.js";
import { type Augmentation, requireImageShape } from "./augment.js";
import type { Dataset } from "./dataset.js";

/** One batch. Its arrays belong to the loader and hold until it has filled as many further batches as it has buffers. */
export interface Batch {
  readonly epoch: number;
  /** Place within the epoch, from 0. */
  readonly index: number;
  /** `[size, ...shape]`, normalised. */
  readonly inputs: Float32Array;
  /** `[size]`. */
  readonly labels: Int32Array;
  /** Which examples, `[size]`. */
  readonly examples: Int32Array;
  /** Examples that count: `size`, but fewer in the last batch of an epoch with `remainder: "pad"`. */
  readonly count: number;
}

/** How to form batches. */
export interface LoaderOptions {
  /** Examples in a batch, at least 1. */
  readonly batchSize: number;
  /** Shuffles each epoch and seeds the augmentations; without it examples keep their order. */
  readonly rng?: Rng;
  /** A last, incomplete batch is dropped, or padded with the epoch's first examples; default "pad". */
  readonly remainder?: "drop" | "pad";
  /** Applied in order to each normalised example; needs `rng`. */
  readonly augment?: readonly Augmentation[];
  /** Batches that are valid at once, at least 1; default 1. `prefetch` of depth d needs d + 1. */
  readonly buffers?: number;
}

/** Batches of a dataset, epoch by epoch. */
export interface Loader {
  readonly dataset: Dataset;
  readonly batchSize: number;
  readonly batchesPerEpoch: number;
  readonly buffers: number;
  /**
   * The batches of one epoch from batch `from` on (default 0). What batch b of epoch e holds depends on the seed, e and b alone:
   * resuming there gives the batches an unbroken run would have seen.
   */
  epoch(epoch: number, from?: number): Generator<Batch, void, undefined>;
}

/**
 * A loader over a dataset.
 * @throws OptionError when an option is out of range, or `remainder: "drop"` would drop everything
 */
export function createLoader(dataset: Dataset, options: LoaderOptions): Loader {
  const { batchSize, rng, augment = [] } = options;
  requireInteger("loader.batchSize", batchSize, 1);
  const buffers = requireInteger("loader.buffers", options.buffers ?? 1, 1);
  const remainder = requireOneOf("loader.remainder", options.remainder ?? "pad", ["drop", "pad"]);
  if (remainder === "drop" && dataset.count < batchSize)
    throw new OptionError("loader.batchSize", `at most the ${dataset.count} examples`, batchSize);
  if (augment.length > 0 && !rng) throw new OptionError("loader.rng", "a random stream, which augmentations need", rng);
  const imageShape = augment.length > 0 ? requireImageShape("loader.augment", dataset.shape) : undefined;
  const batchesPerEpoch = remainder === "drop" ? Math.floor(dataset.count / batchSize) : Math.ceil(dataset.count / batchSize);
  const size = sizeOf(dataset.shape);
  const { multiply, add, area } = affine(dataset, size);
  const ring = Array.from({ length: buffers }, () => ({
    inputs: new Float32Array(batchSize * size),
    labels: new Int32Array(batchSize),
    examples: new Int32Array(batchSize),
  }));
  const natural = rng ? undefined : Int32Array.from({ length: dataset.count }, (_, i) => i);
  let turn = 0;

  function fill(order: Int32Array, augmentRng: Rng | undefined, epoch: number, index: number): Batch {
    const buffer = ring[turn++ % buffers]!;
    const { inputs, labels, examples } = buffer;
    for (let slot = 0; slot < batchSize; slot++) {
      const example = order[(index * batchSize + slot) % dataset.count]!;
      examples[slot] = example;
      labels[slot] = dataset.labels[example]!;
      const from = example * size;
      const to = slot * size;
      for (let c = 0, k = 0; k < size; c++) {
        const [m, a] = [multiply[c]!, add[c]!];
        for (const end = k + area; k < end; k++) inputs[to + k] = dataset.inputs[from + k]! * m + a;
      }
      if (augmentRng && imageShape) {
        const own = augmentRng.split(example);
        const image = inputs.subarray(to, to + size);
        for (const change of augment) change(image, imageShape, own);
      }
    }
    return { epoch, index, ...buffer, count: Math.min(batchSize, dataset.count - index * batchSize) };
  }

  function* epochBatches(epoch: number, from = 0): Generator<Batch, void, undefined> {
    requireInteger("loader.epoch", epoch, 0);
    requireInteger("loader.from", from, 0, batchesPerEpoch);
    const order = natural ?? rng!.split("order").split(epoch).permutation(dataset.count);
    const augmentRng = augment.length > 0 ? rng!.split("augment").split(epoch) : undefined;
    for (let index = from; index < batchesPerEpoch; index++) yield fill(order, augmentRng, epoch, index);
  }
  return { dataset, batchSize, batchesPerEpoch, buffers, epoch: epochBatches };
}

/** The normalisation as x = raw * multiply[c] + add[c], over runs of `area` values. */
function affine({ normalisation, shape }: Dataset, size: number): { multiply: Float64Array; add: Float64Array; area: number } {
  const { scale, mean, std } = normalisation;
  const channels = mean.length;
  const area = channels === 1 ? size : size / shape[0]!;
  return {
    multiply: Float64Array.from(std, (s) => scale / s),
    add: Float64Array.from(mean, (m, c) => -m / std[c]!),
    area,
  };
}
