/** Classes: labels counted on the codes of a hierarchy in one pass, beside controls. */
import { createRng } from "../../src/core/index.js";
import { createHierarchy, createKWinnerEncoder, createLabelReadout, type LevelOptions } from "../../src/memory/index.js";
import { binary, byGradient } from "./gradient.js";
import { halfSize, type Images } from "./images.js";

/** Macs on a grid that see local patches, on and off pixels apart, so that each always has the same number of active inputs. */
const LOCAL: LevelOptions = {
  grid: [6, 6],
  modules: 8,
  cells: 64,
  radius: 0.18,
  steepness: 60,
  offset: 54,
  expansivity: 10,
  minFamiliarity: 0.8,
  saturation: 0.55,
};
/** A second level over the codes of the first. */
const UPPER: LevelOptions = {
  grid: [3, 3],
  modules: 8,
  cells: 64,
  radius: 0.3,
  steepness: 28,
  offset: 14,
  expansivity: 10,
  minFamiliarity: 0.2,
  saturation: 0.05,
};

/** Test accuracies after one pass, in points, with the time of the pass. */
export interface Accuracy {
  readonly oneLevel: number;
  readonly twoLevels: number;
  readonly randomCodes: number;
  /** The same label counts on the pixels themselves: naive Bayes. */
  readonly pixels: number;
  /** The same label counts on a fixed random k-winner layer. */
  readonly kWinners: number;
  readonly nearestNeighbour: number;
  /** Softmax regression and a network of one hidden layer of 256, trained by gradient for 10 epochs on the same binary images. */
  readonly logistic: number;
  readonly perceptron: number;
  readonly seconds: number;
  readonly frozen: number;
}

/** One pass over the training items, then the test items; the controls use the same label counts. */
export async function accuracy(
  train: Images,
  test: Images,
  seed: number,
  now: () => number,
  progress: (share: number, words: string) => void,
): Promise<Accuracy> {
  const trainItems = Array.from({ length: train.count }, (_, i) => halfSize(train, i));
  const testItems = Array.from({ length: test.count }, (_, i) => halfSize(test, i));
  const score = (
    units: number,
    learn: (i: number) => ArrayLike<number>,
    ask: (i: number) => ArrayLike<number>,
  ): { points: number; seconds: number } => {
    const readout = createLabelReadout(units, 10);
    const start = now();
    for (let i = 0; i < train.count; i++) readout.learn(learn(i), train.labels[i]!);
    const seconds = (now() - start) / 1000;
    let right = 0;
    for (let i = 0; i < test.count; i++) if (readout.classify(ask(i)) === test.labels[i]) right++;
    return { points: (100 * right) / test.count, seconds };
  };
  const network = (levels: readonly LevelOptions[], label: string) => {
    const net = createHierarchy({ image: [14, 14], levels, complement: true });
    const rng = createRng(seed).split(label);
    const result = score(
      net.unitCount,
      (i) => net.units(net.store(trainItems[i]!, rng)),
      (i) => net.units(net.recognise(testItems[i]!)),
    );
    const frozen =
      net.levels[0]!.macs.reduce((sum, mac) => sum + mac.health().frozen / (mac.modules * mac.cells), 0) /
      net.levels[0]!.macs.length;
    return { ...result, frozen };
  };
  const one = network([LOCAL], "one");
  progress(0.3, "two levels");
  const two = network([LOCAL, UPPER], "two");
  progress(0.7, "controls");
  const units = 36 * 8 * 64;
  const rng = createRng(seed).split("random");
  const randomUnits = () => Array.from({ length: 36 * 8 }, (_, q) => q * 64 + rng.below(64));
  const random = score(units, randomUnits, randomUnits);
  const both = (item: Int32Array) => {
    const on = new Uint8Array(196);
    for (const pixel of item) on[pixel] = 1;
    return Array.from(on, (bit, pixel) => 2 * pixel + bit);
  };
  const pixels = score(
    392,
    (i) => both(trainItems[i]!),
    (i) => both(testItems[i]!),
  );
  const encoder = createKWinnerEncoder({ inputs: 196, cells: 2304, active: 288 }, createRng(seed).split("winners"));
  const dense = (item: Int32Array) => {
    const image = new Float32Array(196).fill(-1);
    for (const pixel of item) image[pixel] = 1;
    return encoder.encode(image);
  };
  const winners = score(
    2304,
    (i) => dense(trainItems[i]!),
    (i) => dense(testItems[i]!),
  );
  progress(0.85, "by gradient");
  const gradient = (hidden: readonly number[]) => byGradient(hidden, binary(train, trainItems), binary(test, testItems), seed, now);
  return {
    oneLevel: one.points,
    twoLevels: two.points,
    randomCodes: random.points,
    pixels: pixels.points,
    kWinners: winners.points,
    nearestNeighbour: nearest(trainItems, train.labels, testItems, test.labels),
    logistic: await gradient([]),
    perceptron: await gradient([256]),
    seconds: one.seconds,
    frozen: one.frozen,
  };
}

/** One nearest neighbour by Hamming distance on the binary images, in points. */
function nearest(train: readonly Int32Array[], labels: Int32Array, test: readonly Int32Array[], wanted: Int32Array): number {
  const on = new Uint8Array(196);
  let right = 0;
  test.forEach((item, t) => {
    on.fill(0);
    for (const pixel of item) on[pixel] = 1;
    let best = Number.POSITIVE_INFINITY;
    let label = -1;
    train.forEach((other, i) => {
      let both = 0;
      for (const pixel of other) both += on[pixel]!;
      const far = item.length + other.length - 2 * both;
      if (far < best) {
        best = far;
        label = labels[i]!;
      }
    });
    if (label === wanted[t]) right++;
  });
  return (100 * right) / test.length;
}
