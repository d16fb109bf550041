/** Contract of distributions, and the invariants of the paper on random pruning. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRng, OptionError, sizeOf, type Tree } from "../../core/index.js";
import { keepCount } from "../keep-count.js";
import { countKept } from "../masks.js";
import { selectMask } from "../patterns/index.js";
import { countsFor, randomMasks } from "../random-masks.js";
import { networks, sparsities } from "../testing/arbitraries.js";
import type { ParamInfo } from "../types.js";
import { distributions, er, erk, erkPlus, erkRaw, erRaw, globalBy, ratiosOf, uniform, uniformPlus } from "./index.js";

const prunable = (net: Tree<ParamInfo>) => Object.entries(net).filter(([, info]) => info.prunable);
const total = (net: Tree<ParamInfo>) => prunable(net).reduce((n, [, info]) => n + sizeOf(info.shape), 0);

/** Runs f, or checks that the refusal is the documented one. */
function unlessInfeasible(f: () => void): void {
  try {
    f();
  } catch (error) {
    if (!(error instanceof OptionError)) throw error;
    expect(error.message).toMatch(/expected a density of at least \d\.\d{6}/);
  }
}

const lenet: Tree<ParamInfo> = {
  conv1: { shape: [16, 1, 3, 3], prunable: true, kind: "conv" },
  "conv1.bias": { shape: [16], prunable: false, kind: "bias" },
  conv2: { shape: [32, 16, 3, 3], prunable: true, kind: "conv" },
  conv3: { shape: [64, 32, 3, 3], prunable: true, kind: "conv" },
  fc: { shape: [10, 64], prunable: true, kind: "linear" },
};

describe.each(Object.entries(distributions))("distribution %s", (name, distribution) => {
  it("meets the exact total, stays in [0, 1), never empties a tensor, ignores what is not prunable", () => {
    fc.assert(
      fc.property(networks, sparsities, (net, s) => {
        unlessInfeasible(() => {
          const ratios = distribution(net, s);
          expect(Object.keys(ratios)).toEqual(prunable(net).map(([path]) => path));
          let kept = 0;
          for (const [path, ratio] of Object.entries(ratios)) {
            const n = sizeOf(net[path]!.shape);
            expect(ratio >= 0 && ratio < 1).toBe(true);
            expect((1 - ratio) * n).toBeGreaterThan(1 - 1e-6);
            kept += (1 - ratio) * n;
          }
          expect(kept).toBeCloseTo((1 - s) * total(net), 6);
          const counts = countsFor(net, distribution, s);
          expect(Object.values(counts).reduce((a, b) => a + b, 0)).toBe(keepCount(total(net), s));
          for (const [path, count] of Object.entries(counts)) {
            const n = sizeOf(net[path]!.shape);
            expect(Math.abs(count - (1 - ratios[path]!) * n)).toBeLessThan(1 + 1e-6);
            expect(Math.abs(keepCount(n, ratios[path]!) - count)).toBeLessThanOrEqual(1);
          }
        });
      }),
      { numRuns: 300 },
    );
  });

  it("is all ones at sparsity 0", () => {
    for (const ratio of Object.values(distribution(lenet, 0))) expect(ratio).toBeCloseTo(0, 12);
  });

  it("does not depend on parameters that are not prunable", () => {
    const { "conv1.bias": _, ...bare } = lenet;
    expect(distribution(bare, 0.8)).toEqual(distribution(lenet, 0.8));
  });

  it("refuses sparsities outside [0, 1), and budgets below one weight per tensor by naming the minimum", () => {
    for (const s of [1, -0.1, 1.1, Number.NaN]) expect(() => distribution(lenet, s)).toThrow(OptionError);
    const tiny: Tree<ParamInfo> = {
      a: { shape: [2, 5], prunable: true, kind: "linear" },
      b: { shape: [2, 5], prunable: true, kind: "linear" },
    };
    expect(() => distribution(tiny, 0.95)).toThrow(name === "erk+" ? "at least 0.550000" : /at least 0\.(1|15)0000/);
  });
});

/** The loop of the official code, on numbers: one or more densest tensors per round become dense. */
function paperLoop(net: Tree<ParamInfo>, density: number, raw: (info: ParamInfo) => number): Tree<number> {
  const dense = new Set<string>();
  for (;;) {
    let divisor = 0;
    let rhs = 0;
    for (const [path, info] of prunable(net)) {
      const n = sizeOf(info.shape);
      if (dense.has(path)) rhs -= n * (1 - density);
      else {
        rhs += n * density;
        divisor += raw(info) * n;
      }
    }
    const eps = rhs / divisor;
    const open = prunable(net).filter(([path]) => !dense.has(path));
    const most = Math.max(...open.map(([, info]) => raw(info)));
    if (open.length === 0 || eps * most <= 1)
      return Object.fromEntries(prunable(net).map(([path, info]) => [path, dense.has(path) ? 1 : eps * raw(info)]));
    for (const [path, info] of open) if (raw(info) === most) dense.add(path);
  }
}

describe("Erdos-Renyi", () => {
  it.each([
    ["er", er, erRaw],
    ["erk", erk, erkRaw],
  ] as const)("%s equals the official code's loop, with one eps for what is not dense", (_, distribution, raw) => {
    for (const d of [0.5, 0.3, 0.2, 0.1, 0.05]) {
      const ours = distribution(lenet, 1 - d);
      const theirs = paperLoop(lenet, d, raw);
      const eps: number[] = [];
      for (const [path, ratio] of Object.entries(ours)) {
        expect(1 - ratio).toBeCloseTo(theirs[path]!, 10);
        if (ratio > 1e-12) eps.push((1 - ratio) / raw(lenet[path]!));
      }
      for (const e of eps) expect(e).toBeCloseTo(eps[0]!, 9);
    }
  });

  it("erk by hand: two layers, one of which becomes dense", () => {
    // a: N = 4, p = 1; b: N = 400, p = 0.1. d = 0.2 -> budget 80.8; eps = 80.8 / 44 > 1, so a is dense: b = 76.8 / 400.
    const net: Tree<ParamInfo> = {
      a: { shape: [2, 2], prunable: true, kind: "linear" },
      b: { shape: [20, 20], prunable: true, kind: "linear" },
    };
    const ratios = erk(net, 0.8);
    expect(1 - ratios.a!).toBeCloseTo(1, 12);
    expect(1 - ratios.b!).toBeCloseTo(0.192, 12);
  });

  it("er = erk on an MLP, with d_l N_l = eps (n_in + n_out)", () => {
    const mlp: Tree<ParamInfo> = {
      a: { shape: [300, 784], prunable: true, kind: "linear" },
      b: { shape: [100, 300], prunable: true, kind: "linear" },
      c: { shape: [10, 100], prunable: true, kind: "linear" },
    };
    expect(er(mlp, 0.95)).toEqual(erk(mlp, 0.95));
    const ratios = er(mlp, 0.99);
    const eps = Object.entries(ratios).map(
      ([path, r]) => ((1 - r) * sizeOf(mlp[path]!.shape)) / (mlp[path]!.shape[0]! + mlp[path]!.shape[1]!),
    );
    expect(eps[1]).toBeCloseTo(eps[0]!, 9);
    expect(eps[2]).toBeCloseTo(eps[0]!, 9);
  });

  it("the dense set grows as density rises, and erk's raw value of a 3x3 convolution is right", () => {
    let before = 0;
    for (let d = 0.02; d <= 1; d += 0.02) {
      const dense = Object.values(erk(lenet, 1 - d)).filter((r) => r < 1e-12).length;
      expect(dense).toBeGreaterThanOrEqual(before);
      before = dense;
    }
    expect(erkRaw(lenet.conv2!)).toBe((32 + 16 + 3 + 3) / (32 * 16 * 9));
    expect(erRaw(lenet.conv2!)).toBe((32 + 16) / (32 * 16));
  });

  it("erk+ keeps the last linear tensor dense and restores the total", () => {
    const ratios = erkPlus(lenet, 0.9);
    expect(ratios.fc).toBe(0);
    expect(Object.entries(ratios).reduce((n, [p, r]) => n + (1 - r) * sizeOf(lenet[p]!.shape), 0)).toBeCloseTo(
      0.1 * total(lenet),
      9,
    );
    expect(() => erkPlus(lenet, 0.99)).toThrow(`at least ${((640 + 3) / total(lenet)).toFixed(6)}`);
  });
});

describe("uniform", () => {
  it("gives every tensor the same sparsity", () => {
    for (const ratio of Object.values(uniform(lenet, 0.9))) expect(ratio).toBeCloseTo(0.9, 12);
  });
  it("plus: first convolution exactly dense, last linear at 0.2 below d = 0.2, the rest one density", () => {
    const low = uniformPlus(lenet, 0.9);
    expect(low.conv1).toBe(0);
    expect(low.fc).toBeCloseTo(0.8, 12);
    expect(low.conv2).toBeCloseTo(low.conv3!, 12);
    const high = uniformPlus(lenet, 0.5);
    expect(high.conv1).toBe(0);
    expect(high.fc).toBeCloseTo(high.conv2!, 12);
    expect(() => uniformPlus(lenet, 0.999)).toThrow(`at least ${((144 + 128 + 2) / total(lenet)).toFixed(6)}`);
  });
});

describe("global", () => {
  const shapesOf: Tree<ParamInfo> = {
    a: { shape: [2, 3], prunable: true, kind: "linear" },
    b: { shape: [1, 4], prunable: true, kind: "linear" },
  };
  it("by hand: counts follow one ranking, at least one each", () => {
    const scores = { a: Float32Array.of(9, 8, 7, 6, 5, 4), b: Float32Array.of(1, 2, 3, 0.5) };
    const ratios = globalBy(scores)(shapesOf, 0.6);
    expect(ratios.a).toBeCloseTo(0.5, 12);
    expect(ratios.b).toBeCloseTo(0.75, 12);
    expect(() => globalBy({ a: scores.a })(shapesOf, 0.5)).toThrow("no scores for b");
  });
  it("selecting per tensor at those ratios keeps the exact global count", () => {
    fc.assert(
      fc.property(fc.integer(), fc.double({ min: 0, max: 0.8, noNaN: true }), (seed, s) => {
        const rng = createRng(seed);
        const scores = {
          a: Float32Array.from({ length: 6 }, () => rng.below(4)),
          b: Float32Array.from({ length: 4 }, () => rng.below(4)),
        };
        const ratios = globalBy(scores)(shapesOf, s);
        const kept = (["a", "b"] as const).map((p) =>
          countKept(selectMask({ kind: "unstructured", scope: "tensor" }, scores[p], shapesOf[p]!.shape, ratios[p]!)),
        );
        expect(kept[0]! + kept[1]!).toBe(keepCount(10, s));
      }),
    );
  });
  it("ratiosOf forgets positions: masks redrawn at those ratios have the same counts", () => {
    const masks = randomMasks(lenet, countsFor(lenet, erk, 0.9), createRng(1));
    const again = randomMasks(
      lenet,
      Object.fromEntries(Object.entries(ratiosOf(masks)).map(([p, r]) => [p, keepCount(sizeOf(lenet[p]!.shape), r)])),
      createRng(2),
    );
    for (const path of Object.keys(masks)) expect(countKept(again[path]!)).toBe(countKept(masks[path]!));
  });
});
