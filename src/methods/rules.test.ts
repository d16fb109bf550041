/** What each method's paper says, one rule at a time. */
import { describe, expect, it } from "vitest";
import { createRng, InputError, OptionError, type Tensor, tensor } from "../core/index.js";
import { countKept, csrOfMask, type Mask, maskOf, maskOfCsr, type ParamInfo, randomCsr, type Started } from "../sparsity/index.js";
import { gradualMagnitude, oneShotMagnitude, rigl, set, snip, staticRandom } from "./index.js";

const row = (n: number): Record<string, ParamInfo> => ({ w: { shape: [1, n], prunable: true, kind: "linear" } });
const bits = (masks: Readonly<Record<string, Mask>>) => [...masks.w!.data];
const rng = createRng(1);
const now = (started: unknown) => (started as Started<undefined>).masks;

describe("gradual magnitude", () => {
  const options = { sparsity: 0.75, begin: 10, end: 35, every: 10 };
  const ten = tensor([1, 10], [5, -1, 9, 2, 8, 3, 7, 4, 6, 10]);

  it("is due at t0, every dt, and at the end step although dt does not divide the interval", () => {
    const { isDue } = gradualMagnitude(options);
    expect([...Array(60).keys()].filter(isDue)).toEqual([10, 20, 30, 35]);
  });

  it("follows the cubic between updates as a staircase, and ends exactly at s_f", () => {
    const { targetSparsity } = gradualMagnitude(options);
    expect([targetSparsity(0), targetSparsity(9), targetSparsity(10), targetSparsity(19)]).toEqual([0, 0, 0, 0]);
    expect(targetSparsity(20)).toBeCloseTo(0.75 - 0.75 * (1 - 10 / 25) ** 3, 12);
    expect(targetSparsity(29)).toBe(targetSparsity(20));
    expect([targetSparsity(35), targetSparsity(1e9)]).toEqual([0.75, 0.75]);
  });

  it("prunes the smallest |w|, with ranking by stored values one can come back, frozen it cannot", () => {
    const params = { w: ten };
    const stored = gradualMagnitude({ ...options, sparsity: 0.5 });
    const frozen = gradualMagnitude({ ...options, sparsity: 0.5, ranking: "frozen" });
    expect([stored.maskedValues, frozen.maskedValues]).toEqual(["stored", "zero"]);
    const first = maskOf([1, 10], [1, 0, 1, 0, 1, 1, 1, 1, 1, 1]);
    // Meanwhile the pruned weight at 1 has, in storage, the greatest value.
    const moved = { w: tensor([1, 10], [5, -11, 9, 2, 8, 3, 7, 4, 6, 10]) };
    const input = { step: 35, infos: row(10), masks: { w: first }, state: undefined, rng };
    const back = stored.update({ ...input, params: moved });
    expect(bits(back.masks)).toEqual([0, 1, 1, 0, 1, 0, 1, 0, 0, 1]);
    expect(bits(back.born)).toEqual([0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    expect(bits(frozen.update({ ...input, params: moved }).masks)).toEqual([0, 0, 1, 0, 1, 0, 1, 0, 1, 1]);
    expect(bits(now(stored.init({ params, infos: row(10), rng })))).toEqual(new Array(10).fill(1));
  });

  it("starts at s_i, and breaks ties by index: a constant tensor keeps the first k", () => {
    const updater = gradualMagnitude({ ...options, initialSparsity: 0.3 });
    expect(bits(now(updater.init({ params: { w: tensor([1, 10], new Array(10).fill(2)) }, infos: row(10), rng })))).toEqual([
      1, 1, 1, 1, 1, 1, 1, 0, 0, 0,
    ]);
  });

  it("raises each tensor in proportion to its final sparsity", () => {
    const infos: Record<string, ParamInfo> = {
      a: { shape: [40, 40], prunable: true, kind: "linear" },
      b: { shape: [10, 40], prunable: true, kind: "linear" },
    };
    const updater = gradualMagnitude({ sparsity: 0.8, begin: 0, end: 100, every: 10, distribution: "erk", exponent: 1 });
    const r = createRng(3);
    const params = {
      a: tensor(
        [40, 40],
        Array.from({ length: 1600 }, () => r.normal()),
      ),
      b: tensor(
        [10, 40],
        Array.from({ length: 400 }, () => r.normal()),
      ),
    };
    const at = (step: number) =>
      updater.update({ step, params, infos, masks: now(updater.init({ params, infos, rng })), state: undefined, rng }).masks;
    const zeros = (step: number, path: "a" | "b") => infos[path]!.shape.reduce((x, y) => x * y) - countKept(at(step)[path]!);
    expect(zeros(50, "a") * 2).toBeCloseTo(zeros(100, "a"), -0.5);
    expect(zeros(50, "b") * 2).toBeCloseTo(zeros(100, "b"), -0.5);
    expect(zeros(100, "a") + zeros(100, "b")).toBe(1600);
  });

  it("rejects what would never reach the target, NaN weights, and patterns of fixed sparsity", () => {
    expect(() => gradualMagnitude({ ...options, end: 10 })).toThrow("a step after begin (10)");
    expect(() => gradualMagnitude({ ...options, every: 0 })).toThrow("gradual-magnitude.every");
    expect(() => gradualMagnitude({ ...options, initialSparsity: 0.8 })).toThrow(OptionError);
    expect(() => gradualMagnitude({ ...options, pattern: { kind: "nm", keep: 2, of: 4 } })).toThrow(OptionError);
    expect(() => gradualMagnitude(options).init({ params: { w: ten }, infos: row(10), rng, steps: 35 })).toThrow("never reached");
    const broken = { w: tensor([1, 10], [1, 2, Number.NaN, 4, 5, 6, 7, 8, 9, 10]) };
    expect(() => gradualMagnitude(options).init({ params: broken, infos: row(10), rng })).toThrow(
      "w has a NaN score at flat index 2",
    );
  });
});

describe("one-shot magnitude", () => {
  const params = { w: tensor([1, 8], [1, -8, 2, -7, 3, 6, 4, 5]) };
  it("prunes at initialisation, or once at its step", () => {
    expect(bits(now(oneShotMagnitude({ sparsity: 0.5 }).init({ params, infos: row(8), rng })))).toEqual([0, 1, 0, 1, 0, 1, 0, 1]);
    const late = oneShotMagnitude({ sparsity: 0.5, at: 7 });
    expect([...Array(30).keys()].filter(late.isDue)).toEqual([7]);
    expect(bits(now(late.init({ params, infos: row(8), rng })))).toEqual(new Array(8).fill(1));
    expect(() => late.init({ params, infos: row(8), rng, steps: 7 })).toThrow(OptionError);
  });
  it("keeps 2 of every 4 under that pattern, and only at its sparsity", () => {
    const pattern = { kind: "nm", keep: 2, of: 4 } as const;
    expect(bits(now(oneShotMagnitude({ sparsity: 0.5, pattern }).init({ params, infos: row(8), rng })))).toEqual([
      0, 1, 0, 1, 0, 1, 0, 1,
    ]);
    expect(() => oneShotMagnitude({ sparsity: 0.6, pattern }).init({ params, infos: row(8), rng })).toThrow(
      "which 2 kept of 4 fixes",
    );
  });
  it("ranks over the network with the global distribution or scope", () => {
    const two = { a: tensor([1, 4], [9, 8, 7, 1]), b: tensor([1, 4], [2, 3, 4, 5]) };
    const infos: Record<string, ParamInfo> = {
      a: { shape: [1, 4], prunable: true, kind: "linear" },
      b: { shape: [1, 4], prunable: true, kind: "linear" },
    };
    for (const more of [{ distribution: "global" }, { pattern: { kind: "unstructured", scope: "global" } }] as const) {
      const masks = now(oneShotMagnitude({ sparsity: 0.5, ...more }).init({ params: two, infos, rng }));
      expect([[...masks.a!.data], [...masks.b!.data]]).toEqual([
        [1, 1, 1, 0],
        [0, 0, 0, 1],
      ]);
    }
  });
});

describe("static random", () => {
  const infos: Record<string, ParamInfo> = {
    a: { shape: [100, 100], prunable: true, kind: "linear" },
    b: { shape: [10, 100], prunable: true, kind: "linear" },
  };
  it("exact: the total to the weight; bernoulli: within 4 standard errors and not always exact", () => {
    const start = (sampler: "exact" | "bernoulli", seed: number) =>
      now(staticRandom({ sparsity: 0.9, sampler }).init({ params: {}, infos, rng: createRng(seed) }));
    const kept = (sampler: "exact" | "bernoulli", seed: number) =>
      Object.values(start(sampler, seed)).reduce((n, m) => n + countKept(m), 0);
    expect([kept("exact", 1), kept("exact", 2)]).toEqual([1100, 1100]);
    const chance = [1, 2, 3].map((seed) => kept("bernoulli", seed));
    for (const k of chance) expect(Math.abs(k - 1100)).toBeLessThan(4 * Math.sqrt(11000 * 0.09));
    expect(new Set(chance).size).toBeGreaterThan(1);
  });
  it("draws each tensor from its own stream: adding a layer leaves the others' positions free of it", () => {
    const alone = now(
      staticRandom({ sparsity: 0.9, distribution: "uniform" }).init({ params: {}, infos: { a: infos.a! }, rng: createRng(1) }),
    );
    const both = now(staticRandom({ sparsity: 0.9, distribution: "uniform" }).init({ params: {}, infos, rng: createRng(1) }));
    expect(both.a).toEqual(alone.a);
  });
});

describe("snip", () => {
  const params = { w: tensor([1, 6], [1, 1, 1, -2, 1, 1]) };
  const gradients = async () => ({ w: tensor([1, 6], [0, 5, 1, -3, 4, 0.5]) });
  it("keeps the greatest |w dL/dw|", async () => {
    expect(bits((await snip({ sparsity: 0.5 }).init({ params, infos: row(6), rng, gradients })).masks)).toEqual([0, 1, 0, 1, 1, 0]);
  });
  it("random positions keep the same counts", async () => {
    const r = createRng(2);
    const infos: Record<string, ParamInfo> = {
      a: { shape: [20, 20], prunable: true, kind: "linear" },
      b: { shape: [5, 20], prunable: true, kind: "linear" },
    };
    const draw = (n: number, shape: number[], scale: number): Tensor =>
      tensor(
        shape,
        Array.from({ length: n }, () => scale * r.normal()),
      );
    const weights = { a: draw(400, [20, 20], 1), b: draw(100, [5, 20], 3) };
    const grads = { a: draw(400, [20, 20], 1), b: draw(100, [5, 20], 1) };
    const start = (positions: "scored" | "random") =>
      snip({ sparsity: 0.8, positions }).init({ params: weights, infos, rng, gradients: () => grads });
    const [scored, random] = [(await start("scored")).masks, (await start("random")).masks];
    for (const path of ["a", "b"]) expect(countKept(random[path]!)).toBe(countKept(scored[path]!));
    expect(countKept(scored.a!) + countKept(scored.b!)).toBe(100);
    expect(countKept(scored.b!) / 100).toBeGreaterThan(countKept(scored.a!) / 400);
    expect(random.a!.data).not.toEqual(scored.a!.data);
  });
  it("needs gradients", async () => {
    await expect(async () => snip({ sparsity: 0.5 }).init({ params, infos: row(6), rng })).rejects.toThrow(
      "init needs `gradients`",
    );
    await expect(async () => snip({ sparsity: 0.5 }).init({ params, infos: row(6), rng, gradients: () => ({}) })).rejects.toThrow(
      "no gradient for w",
    );
  });
});

describe("set", () => {
  const mask = maskOf([2, 4], [1, 1, 1, 1, 0, 0, 0, 0]);
  const input = {
    step: 100,
    infos: { w: { shape: [2, 4], prunable: true, kind: "linear" } } as const,
    masks: { w: mask },
    state: undefined,
  };
  it("drops the fraction per sign (the paper) or by magnitude, and grows only what was pruned before", () => {
    const params = { w: tensor([2, 4], [0.1, 0.2, -5, -6, 0, 0, 0, 0]) };
    const perSign = set({ sparsity: 0.5, dropFraction: 0.5 }).update({ ...input, params, rng: createRng(1) });
    expect(bits(perSign.masks).slice(0, 4)).toEqual([0, 1, 0, 1]);
    expect(countKept(perSign.born.w!)).toBe(2);
    const byMagnitude = set({ sparsity: 0.5, dropFraction: 0.5, drop: "magnitude" }).update({
      ...input,
      params,
      rng: createRng(1),
    });
    expect(bits(byMagnitude.masks).slice(0, 4)).toEqual([0, 0, 1, 1]);
  });
  it("draws by (step, path) from the run's stream, so that a resumed run repeats", () => {
    const params = { w: tensor([2, 4], [1, 2, 3, 4, 0, 0, 0, 0]) };
    const stream = createRng(9);
    const updater = set({ sparsity: 0.5, dropFraction: 0.5 });
    const first = updater.update({ ...input, params, rng: stream });
    expect(updater.update({ ...input, params, rng: stream })).toEqual(first);
    const others = [200, 300, 400, 500].map((step) => bits(updater.update({ ...input, step, params, rng: stream }).masks).join());
    expect(new Set(others).size).toBeGreaterThan(1);
  });
  it("states counts without a dense mask: a 50,000 x 50,000 layer at 99.99 %", () => {
    const infos: Record<string, ParamInfo> = {
      w: { shape: [50_000, 50_000], prunable: true, kind: "linear" },
      b: { shape: [50_000], prunable: false, kind: "bias" },
    };
    expect(set({ sparsity: 0.9999 }).counts!(infos)).toEqual({ w: 250_000 });
    expect(staticRandom({ sparsity: 0.9999 }).counts!(infos)).toEqual({ w: 250_000 });
  });
  it("rewires a compressed layer with the same count, and never needs it dense", () => {
    const csr = randomCsr(2000, 2000, 8000, createRng(1));
    const r = createRng(2);
    const values = Float32Array.from({ length: 8000 }, () => r.normal());
    const next = set({ sparsity: 0.998, dropFraction: 0.3, drop: "magnitude" }).rewire!({
      step: 1,
      path: "w",
      csr,
      values,
      rng: createRng(3),
    });
    expect(next.csr.columns.length).toBe(8000);
    expect(next.born.reduce((a, b) => a + b, 0)).toBe(2400);
    const small = csrOfMask(mask);
    expect(
      countKept(
        maskOfCsr(set({ sparsity: 0.5 }).rewire!({ step: 1, path: "w", csr: small, values: Float32Array.of(1, 2, 3, 4), rng }).csr),
      ),
    ).toBe(4);
  });
});

describe("rigl", () => {
  const mask = maskOf([1, 8], [1, 1, 1, 1, 0, 0, 0, 0]);
  const params = { w: tensor([1, 8], [4, -1, 3, 2, 0, 0, 0, 0]) };
  const grads = { w: tensor([1, 8], [0, 0, 0, 0, 1, -9, 2, 3]) };
  const input = { infos: row(8), masks: { w: mask }, state: undefined, rng };
  it("drops floor(f live) of least |w| and grows by |gradient|, f by cosine", () => {
    const updater = rigl({ sparsity: 0.5, until: 200, dropFraction: 1 });
    // f(100) = 0.5: two of four go.
    const next = updater.update({ ...input, step: 100, params, grads });
    expect(bits(next.masks)).toEqual([1, 0, 1, 0, 0, 1, 0, 1]);
    expect(bits(next.born)).toEqual([0, 0, 0, 0, 0, 1, 0, 1]);
    // f(199) is nearly 0: none.
    expect(bits(updater.update({ ...input, step: 199, params, grads }).masks)).toEqual([...mask.data]);
  });
  it("a dropped weight of greatest gradient is grown back and keeps its value (not born)", () => {
    const high = { w: tensor([1, 8], [0, 50, 0, 0, 1, -9, 2, 3]) };
    const next = rigl({ sparsity: 0.5, until: 200, dropFraction: 1 }).update({ ...input, step: 100, params, grads: high });
    expect(bits(next.masks)).toEqual([1, 1, 1, 0, 0, 1, 0, 0]);
    expect(bits(next.born)).toEqual([0, 0, 0, 0, 0, 1, 0, 0]);
  });
  it("is due every dT before T_end, and needs a dense gradient then", () => {
    const updater = rigl({ sparsity: 0.5, until: 31, every: 10 });
    expect([...Array(60).keys()].filter(updater.isDue)).toEqual([10, 20, 30]);
    expect(updater.needsGradients).toBe(true);
    expect(() => updater.update({ ...input, step: 10, params })).toThrow(InputError);
    expect(() => rigl({ sparsity: 0.5 } as never)).toThrow("rigl.until");
  });
});
