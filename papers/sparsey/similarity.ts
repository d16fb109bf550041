/** Similarity preservation: overlap of codes against overlap of inputs. */
import { createRng, type Rng } from "../../src/core/index.js";
import { codeOverlap, createMac, type MacOptions } from "../../src/memory/index.js";
import { spearman } from "../harness/index.js";
import { edges, type Images } from "./images.js";
import { SINGLE, shared } from "./single.js";

/** Similarity preservation: overlap of codes against overlap of inputs. */
export interface Similarity {
  /** Rank correlation over pairs of images, one of which is stored. */
  readonly pairs: number;
  /** The same with 100 items in store, over all pairs of them. */
  readonly inStore: number;
  /** The same for codes drawn at random: what no memory would give. */
  readonly random: number;
  /** The same for locality-sensitive hashing with as many bits: log2 K random hyperplanes per module, nothing stored. */
  readonly hashing: number;
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
  const h: number[] = [];
  const hash = hyperplanes(rng.split("hashing"));
  for (let p = 0; p < pairs; p++) {
    const mac = createMac(SINGLE);
    const a = pick();
    const b = pick();
    const first = mac.store(a, rng).code!;
    const second = mac.store(b, rng).code!;
    x.push(shared(a, b) / b.length);
    y.push(codeOverlap(first, second));
    z.push(codeOverlap(first, randomCode(rng)));
    h.push(codeOverlap(hash(a), hash(b)));
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
  return {
    repeated,
    repeatedByDefault,
    pairs: spearman(x, y),
    inStore: spearman(storeX, storeY),
    random: spearman(x, z),
    hashing: spearman(x, h),
    curve,
  };
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

/** The control by hashing: each module's winner is the number that log2 K signs of random projections spell. */
function hyperplanes(rng: Rng): (item: Int32Array) => Int32Array {
  const bits = Math.log2(SINGLE.cells);
  const normals = Float32Array.from({ length: SINGLE.modules * bits * SINGLE.inputs }, () => rng.normal());
  return (item) =>
    Int32Array.from({ length: SINGLE.modules }, (_, q) => {
      let winner = 0;
      for (let b = 0; b < bits; b++) {
        const row = (q * bits + b) * SINGLE.inputs;
        let sum = 0;
        for (const pixel of item) sum += normals[row + pixel]!;
        winner = 2 * winner + (sum > 0 ? 1 : 0);
      }
      return winner;
    });
}
