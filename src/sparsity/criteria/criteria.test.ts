/** Contract of criteria: finite scores of the weight's size, equivariant to permuting rows, two hand-worked examples, inputs untouched. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRng, InputError, ShapeError, type Tensor, tensor } from "../../core/index.js";
import { shapes } from "../testing/arbitraries.js";
import { criteria, gradientMagnitude, grasp, graspScores, magnitude, snip, snipScores } from "./index.js";

const skipRowEquivariance: Readonly<Record<string, string>> = { random: "a score is a draw, not a function of the weight" };

/** [weight, gradient, scores], worked by hand. */
const examples: Readonly<Record<string, readonly (readonly [number[], number[], number[]])[]>> = {
  magnitude: [
    [
      [1, -2, 0],
      [9, 9, 9],
      [1, 2, 0],
    ],
    [
      [-0.5, 0.25, -4],
      [0, 0, 0],
      [0.5, 0.25, 4],
    ],
  ],
  "gradient-magnitude": [
    [
      [1, -2, 0],
      [3, -4, 5],
      [3, 4, 5],
    ],
    [
      [7, 7, 7],
      [0, -0.5, 1],
      [0, 0.5, 1],
    ],
  ],
  grasp: [
    [
      [1, -2, 0],
      [3, 4, 5],
      [3, -8, 0],
    ],
    [
      [-0.5, 2, -4],
      [-2, 0, 0.25],
      [1, 0, -1],
    ],
  ],
  snip: [
    [
      [1, -2, 0],
      [3, 4, 5],
      [3, 8, 0],
    ],
    [
      [-0.5, 2, -4],
      [-2, 0, 0.25],
      [1, 0, 1],
    ],
  ],
};

const normal = (shape: readonly number[], seed: number): Tensor => {
  const rng = createRng(seed);
  const t = tensor(shape);
  for (let i = 0; i < t.data.length; i++) t.data[i] = rng.normal();
  return t;
};

describe.each(Object.entries(criteria))("criterion %s", (name, criterion) => {
  it("gives one finite score per weight and leaves its inputs untouched", () => {
    fc.assert(
      fc.property(shapes, fc.integer(), (shape, seed) => {
        const weight = normal(shape, seed);
        const gradient = normal(shape, seed + 1);
        const [w, g] = [weight.data.slice(), gradient.data.slice()];
        const score = criterion(weight, { gradient, rng: createRng(seed) });
        expect(score).toHaveLength(weight.data.length);
        expect(score.every(Number.isFinite)).toBe(true);
        expect(score).not.toBe(weight.data);
        expect(weight.data).toEqual(w);
        expect(gradient.data).toEqual(g);
      }),
    );
  });

  it.skipIf(name in skipRowEquivariance)("is equivariant to permuting rows", () => {
    const [rows, cols] = [5, 4];
    const weight = normal([rows, cols], 1);
    const gradient = normal([rows, cols], 2);
    const order = createRng(3).permutation(rows);
    const permute = (data: Float32Array) => data.map((_, i) => data[order[Math.floor(i / cols)]! * cols + (i % cols)]!);
    const evidence = { gradient, rng: createRng(4) };
    const permuted = { gradient: tensor([rows, cols], permute(gradient.data)), rng: createRng(4) };
    expect(criterion(tensor([rows, cols], permute(weight.data)), permuted)).toEqual(permute(criterion(weight, evidence)));
  });

  it.skipIf(name === "random")("matches two hand-worked examples", () => {
    for (const [w, g, expected] of examples[name]!) {
      expect([...criterion(tensor([1, 3], w), { gradient: tensor([1, 3], g), rng: createRng(1) })]).toEqual(expected);
    }
    expect(examples[name]).toHaveLength(2);
  });
});

describe("the particulars", () => {
  it("random depends on the stream alone and fills [0, 1)", () => {
    const score = criteria.random!(normal([100, 50], 1), { gradient: tensor([0]), rng: createRng(6) });
    expect(score).toEqual(criteria.random!(normal([100, 50], 2), { gradient: tensor([0]), rng: createRng(6) }));
    expect(score.every((s) => s >= 0 && s < 1)).toBe(true);
    expect(Math.abs(score.reduce((a, b) => a + b, 0) / 5000 - 0.5)).toBeLessThan(4 / Math.sqrt(12 * 5000));
  });

  it("magnitude ranks the same at any scale", () => {
    const w = normal([6, 6], 1);
    const rank = (s: Float32Array) => [...s.keys()].sort((a, b) => s[b]! - s[a]!);
    expect(
      rank(
        magnitude(
          tensor(
            [6, 6],
            w.data.map((v) => v * 8),
          ),
        ),
      ),
    ).toEqual(rank(magnitude(w)));
  });

  it("refuses gradients of another shape", () => {
    expect(() => snip(tensor([2, 2]), { gradient: tensor([4]) })).toThrow(ShapeError);
    expect(() => gradientMagnitude(tensor([2, 2]), { gradient: tensor([4]) })).toThrow(ShapeError);
  });

  it("snipScores sum to 1 over the network, in the ratios of the raw scores", () => {
    const weights = { a: tensor([1, 2], [1, -2]), b: tensor([1, 2], [3, 0]) };
    const gradients = { a: tensor([1, 2], [1, 1]), b: tensor([1, 2], [-1, 5]) };
    const scores = snipScores(weights, gradients);
    expect([...scores.a!, ...scores.b!]).toEqual([1 / 6, 2 / 6, 0.5, 0].map(Math.fround));
    const big = { a: normal([40, 40], 1), b: normal([30, 30], 2) };
    const sum = Object.values(snipScores(big, { a: normal([40, 40], 3), b: normal([30, 30], 4) }))
      .flatMap((s) => [...s])
      .reduce((x, y) => x + y, 0);
    expect(sum).toBeCloseTo(1, 6);
  });

  it("graspScores are w * H g over the size of their sum, and rank as the raw scores", () => {
    const weights = { a: tensor([1, 2], [1, -2]), b: tensor([1, 2], [3, 0]) };
    const products = { a: tensor([1, 2], [1, 1]), b: tensor([1, 2], [-1, 5]) };
    const scores = graspScores(weights, products);
    expect([...scores.a!, ...scores.b!]).toEqual([1 / 4, -2 / 4, -3 / 4, 0].map(Math.fround));
    expect(() => graspScores(weights, {})).toThrow("no Hessian-gradient product for a");
    expect(() => graspScores({ a: tensor([1, 2], [1, 1]) }, { a: tensor([1, 2], [1, -1]) })).toThrow("sum to 0");
    expect(() => grasp(tensor([2, 2]), { gradient: tensor([4]) })).toThrow(ShapeError);
  });

  it("snipScores refuses missing, zero and infinite sensitivities", () => {
    const a = tensor([1, 2], [1, 2]);
    expect(() => snipScores({ a }, {})).toThrow("no gradient for a");
    expect(() => snipScores({ a }, { a: tensor([1, 2]) })).toThrow(InputError);
    expect(() => snipScores({ a }, { a: tensor([1, 2], [Number.NaN, 1]) })).toThrow(InputError);
  });
});
