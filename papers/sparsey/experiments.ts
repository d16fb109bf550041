/** The measurements of Sparsey: recall after one trial, similarity, capacity, time, classes, sequences. */
import { createRng, type Rng } from "../../src/core/index.js";
import {
  codeOverlap,
  createHierarchy,
  createKWinnerEncoder,
  createLabelReadout,
  createMac,
  type LevelOptions,
  type MacOptions,
} from "../../src/memory/index.js";
import { spearman } from "../harness/index.js";
import { edges, halfSize, type Images } from "./images.js";

/** One setting for recall and similarity alike: a gentle sigmoid, so that overlap grows over the whole range of similarities. */
const GENTLE = { steepness: 10, offset: 3, expansivity: 10, exponent: 1, minFamiliarity: 0, saturation: 1 } as const;
/** One mac that sees the edges of a 28 x 28 image. */
const SINGLE: MacOptions = { inputs: 784, modules: 100, cells: 64, ...GENTLE };

const shared = (a: Int32Array, b: Int32Array): number => {
  const inB = new Set(b);
  let count = 0;
  for (const x of a) if (inB.has(x)) count++;
  return count;
};

/** Recall after single-trial storage, for growing numbers of stored items. */
export interface Recall {
  readonly stored: number;
  /** Share of items whose code comes back in at least 95 % of the modules. */
  readonly exact: number;
  readonly meanOverlap: number;
  readonly fullness: number;
  /** Share of the missing pixels that come back when a quarter of the item is shown no more. */
  readonly completed: number;
  /** Completion by chance: a random store of the same size. */
  readonly chance: number;
  /** Distinct codes. */
  readonly distinct: number;
}

/** Stores the first items of a set, then recalls each of them, whole and with a quarter of its pixels missing. */
export function recall(data: Images, counts: readonly number[], seed: number): Recall[] {
  return counts.map((stored) => {
    const rng = createRng(seed).split(stored);
    const mac = createMac(SINGLE);
    const items = Array.from({ length: stored }, (_, i) => edges(data, i));
    const codes = items.map((item) => mac.store(item, rng).code!);
    let exact = 0;
    let mean = 0;
    let completed = 0;
    let missing = 0;
    let expected = 0;
    items.forEach((item, i) => {
      const overlap = codeOverlap(mac.recognise(item).code!, codes[i]!);
      mean += overlap / stored;
      if (overlap >= 0.95) exact++;
      const order = rng.permutation(item.length);
      const kept = Int32Array.from(order.subarray(0, Math.ceil(item.length * 0.75)), (p) => item[p]!).sort();
      const lost = item.filter((pixel) => !kept.includes(pixel));
      const image = mac.reconstruct(mac.recognise(kept).code!);
      const inKept = new Set(kept);
      const guess = new Set(
        [...image.keys()]
          .filter((p) => !inKept.has(p))
          .sort((a, b) => image[b]! - image[a]!)
          .slice(0, lost.length),
      );
      completed += lost.filter((pixel) => guess.has(pixel)).length;
      missing += lost.length;
      expected += (lost.length * lost.length) / (784 - kept.length);
    });
    const distinct = new Set(codes.map((code) => code.join())).size;
    return {
      stored,
      exact: exact / stored,
      meanOverlap: mean,
      fullness: mac.health().fullness,
      completed: completed / missing,
      chance: expected / missing,
      distinct,
    };
  });
}

/** Similarity preservation: overlap of codes against overlap of inputs. */
export interface Similarity {
  /** Rank correlation over pairs of images, one of which is stored. */
  readonly pairs: number;
  /** The same with 100 items in store, over all pairs of them. */
  readonly inStore: number;
  /** The same for codes drawn at random: what no memory would give. */
  readonly random: number;
  /** Share of modules that keep their winner when a stored item is presented for learning again: at this setting, and at the library's defaults. */
  readonly repeated: number;
  readonly repeatedByDefault: number;
  /** Mean code overlap at given input similarity, chance (1 / K) included: copies with some pixels replaced. */
  readonly curve: readonly { readonly similarity: number; readonly overlap: number }[];
}

/** Measures similarity preservation with one item in store, and with 100. */
export function similarity(data: Images, pairs: number, seed: number): Similarity {
  const rng = createRng(seed).split("similarity");
  const items = Array.from({ length: Math.min(data.count, 1000) }, (_, i) => edges(data, i)).filter((item) => item.length > 10);
  const pick = () => items[rng.below(items.length)]!;
  const x: number[] = [];
  const y: number[] = [];
  const z: number[] = [];
  for (let p = 0; p < pairs; p++) {
    const mac = createMac(SINGLE);
    const a = pick();
    const b = pick();
    const first = mac.store(a, rng).code!;
    const second = mac.store(b, rng).code!;
    x.push(shared(a, b) / b.length);
    y.push(codeOverlap(first, second));
    z.push(codeOverlap(first, randomCode(rng)));
  }
  const mac = createMac(SINGLE);
  const codes: Int32Array[] = [];
  const storeX: number[] = [];
  const storeY: number[] = [];
  for (let i = 0; i < 100; i++) {
    const code = mac.store(items[i]!, rng).code!;
    for (let j = 0; j < i; j++) {
      storeX.push(shared(items[i]!, items[j]!) / items[i]!.length);
      storeY.push(codeOverlap(code, codes[j]!));
    }
    codes.push(code);
  }
  const curve = [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1].map((wanted) => {
    let overlap = 0;
    const repeats = 20;
    for (let r = 0; r < repeats; r++) {
      const fresh = createMac(SINGLE);
      const a = pick();
      const first = fresh.store(a, rng).code!;
      overlap += codeOverlap(first, fresh.store(replaced(a, 1 - wanted, rng), rng).code!) / repeats;
    }
    return { similarity: wanted, overlap };
  });
  const again = (options: MacOptions) => {
    let agree = 0;
    for (let r = 0; r < 20; r++) {
      const fresh = createMac(options);
      const item = pick();
      agree += codeOverlap(fresh.store(item, rng).code!, fresh.store(item, rng).code!) / 20;
    }
    return agree;
  };
  const repeated = again(SINGLE);
  const repeatedByDefault = again({ inputs: 784, modules: 100, cells: 64 });
  return { repeated, repeatedByDefault, pairs: spearman(x, y), inStore: spearman(storeX, storeY), random: spearman(x, z), curve };
}

const randomCode = (rng: Rng) => Int32Array.from({ length: SINGLE.modules }, () => rng.below(SINGLE.cells));

/** A copy in which a share of the active pixels moved to pixels that were off. */
function replaced(item: Int32Array, share: number, rng: Rng): Int32Array {
  const order = rng.permutation(item.length);
  const kept = Array.from(order.subarray(0, Math.round(item.length * (1 - share))), (p) => item[p]!);
  const off = Int32Array.from({ length: 784 }, (_, p) => p).filter((p) => !item.includes(p));
  const picks = rng.permutation(off.length);
  return Int32Array.from([...kept, ...Array.from(picks.subarray(0, item.length - kept.length), (p) => off[p]!)]).sort();
}

/** Microseconds to store one item as the store fills: median of each tenth of the items. */
export function storageTimes(data: Images, count: number, seed: number, now: () => number): number[] {
  const rng = createRng(seed).split("times");
  const items = Array.from({ length: count }, (_, i) => edges(data, i % data.count));
  const mac = createMac({ ...SINGLE, cells: 16 });
  // The compiler settles on another mac first.
  const warm = createMac({ ...SINGLE, cells: 16 });
  for (const item of items.slice(0, 300)) warm.store(item, rng);
  const times = items.map((item) => {
    const start = now();
    mac.store(item, rng);
    return (now() - start) * 1000;
  });
  const tenth = Math.floor(count / 10);
  return Array.from({ length: 10 }, (_, i) => times.slice(i * tenth, (i + 1) * tenth).sort((a, b) => a - b)[tenth >> 1]!);
}

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
  readonly seconds: number;
  readonly frozen: number;
}

/** One pass over the training items, then the test items; the controls use the same label counts. */
export function accuracy(
  train: Images,
  test: Images,
  seed: number,
  now: () => number,
  progress: (share: number, words: string) => void,
): Accuracy {
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
  return {
    oneLevel: one.points,
    twoLevels: two.points,
    randomCodes: random.points,
    pixels: pixels.points,
    kWinners: winners.points,
    nearestNeighbour: nearest(trainItems, train.labels, testItems, test.labels),
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

/** Side of the canvas on which digits move. */
const CANVAS = 20;
const FRAMES = 10;

/** A sequence of Moving MNIST: one digit at half size bounces in a square. Each frame lists its active pixels. */
export function movingDigit(digit: Int32Array, rng: Rng): Int32Array[] {
  const room = CANVAS - 14 + 1;
  let x = rng.below(room);
  let y = rng.below(room);
  let dx = 1 + rng.below(2);
  let dy = 1 + rng.below(2);
  return Array.from({ length: FRAMES }, () => {
    const frame = digit.map((pixel) => (y + Math.floor(pixel / 14)) * CANVAS + x + (pixel % 14));
    if (x + dx < 0 || x + dx >= room) dx = -dx;
    if (y + dy < 0 || y + dy >= room) dy = -dy;
    x += dx;
    y += dy;
    return frame;
  });
}

/** Frames that prompt a recall: with one alone, a frame that occurs twice in a film leaves two ways to go on. */
const PROMPT = 2;

/** Recall of sequences from their first two frames. */
export interface Sequences {
  readonly stored: number;
  /** Mean over the frames after the prompt of the share of active pixels that are recalled, given as many guesses. */
  readonly pixels: number;
  /** The same when the frame recalled is one of another sequence at the same step: chance. */
  readonly chance: number;
  /** Mean share of modules that agree with the stored code. */
  readonly codes: number;
}

/** One mac over the canvas; only an almost perfect match of frame and context counts as familiar. */
const FILM: LevelOptions = {
  grid: [1, 1],
  radius: 1.5,
  modules: 100,
  cells: 64,
  steepness: 60,
  offset: 57,
  minFamiliarity: 0.9,
  saturation: 1,
};

/** Stores moving digits one after the other, then plays each from its first two frames by horizontal weights alone. */
export function sequences(data: Images, counts: readonly number[], seed: number): Sequences[] {
  return counts.map((stored) => {
    const rng = createRng(seed).split(`sequences ${stored}`);
    const net = createHierarchy({ image: [CANVAS, CANVAS], temporal: true, levels: [FILM] });
    const films = Array.from({ length: stored }, (_, i) => movingDigit(halfSize(data, i), rng));
    const codes = films.map((frames) => {
      let state = net.store(frames[0]!, rng);
      return [state, ...frames.slice(1).map((frame) => (state = net.store(frame, rng, state)))].map((s) => s.levels[0]![0]!.code!);
    });
    let pixels = 0;
    let agree = 0;
    let chance = 0;
    let steps = 0;
    films.forEach((frames, f) => {
      let state = net.recognise(frames[0]!);
      for (let t = 1; t < PROMPT; t++) state = net.recognise(frames[t]!, state);
      const other = films[(f + 1) % stored]!;
      for (let t = PROMPT; t < FRAMES; t++) {
        state = net.predict(state);
        const image = net.reconstruct(state);
        const frame = frames[t]!;
        const guess = Int32Array.from(image.keys())
          .sort((a, b) => image[b]! - image[a]! || a - b)
          .slice(0, frame.length);
        pixels += shared(frame, guess) / frame.length;
        chance += shared(frame, other[t]!) / frame.length;
        agree += codeOverlap(state.levels[0]![0]!.code!, codes[f]![t]!);
        steps++;
      }
    });
    return { stored, pixels: pixels / steps, chance: chance / steps, codes: agree / steps };
  });
}
