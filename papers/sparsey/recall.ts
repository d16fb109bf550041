/** Recall after one trial, for growing numbers of stored items. */
import { createRng, type Rng } from "../../src/core/index.js";
import { codeOverlap, createMac, type MacOptions } from "../../src/memory/index.js";
import { edges, type Images } from "./images.js";
import { SINGLE } from "./single.js";

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
  /** `exact` and `completed` of a Willshaw memory of equal weight count: the same binary weights, codes drawn at random. */
  readonly willshawExact: number;
  readonly willshawCompleted: number;
}

/** Stores the first items of a set, then recalls each of them, whole and with a quarter of its pixels missing. */
export function recall(data: Images, counts: readonly number[], seed: number): Recall[] {
  return counts.map((stored) => {
    const items = Array.from({ length: stored }, (_, i) => edges(data, i));
    const own = recallOf(items, SINGLE, createRng(seed).split(stored));
    // Expansivity 0 makes every choice uniform: random codes, associated by the same Hebbian step.
    const willshaw = recallOf(items, { ...SINGLE, expansivity: 0 }, createRng(seed).split(stored));
    return { stored, ...own, willshawExact: willshaw.exact, willshawCompleted: willshaw.completed };
  });
}

function recallOf(items: readonly Int32Array[], options: MacOptions, rng: Rng) {
  const mac = createMac(options);
  const codes = items.map((item) => mac.store(item, rng).code!);
  let exact = 0;
  let mean = 0;
  let completed = 0;
  let missing = 0;
  let expected = 0;
  items.forEach((item, i) => {
    const overlap = codeOverlap(mac.recognise(item).code!, codes[i]!);
    mean += overlap / items.length;
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
  return {
    exact: exact / items.length,
    meanOverlap: mean,
    fullness: mac.health().fullness,
    completed: completed / missing,
    chance: expected / missing,
    distinct: new Set(codes.map((code) => code.join())).size,
  };
}
