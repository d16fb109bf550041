/** Contract of penalties: gradient against finite differences, prox against a grid search, and hand-worked values. */
import { describe, expect, it } from "vitest";
import { createRng, OptionError, ShapeError, tensor } from "../../core/index.js";
import { groupLasso, l1, l2, penalties } from "./index.js";

describe.each(Object.entries(penalties))("penalty %s", (_, make) => {
  const rng = createRng(5);
  const weight = tensor(
    [3, 4],
    Array.from({ length: 12 }, () => rng.normal()),
  );

  it("has the gradient of its value (central differences)", () => {
    const penalty = make(0.7);
    const gradient = penalty.gradient(weight);
    for (let i = 0; i < 12; i++) {
      const at = (h: number) =>
        penalty.value(
          tensor(
            [3, 4],
            weight.data.map((w, j) => (j === i ? w + h : w)),
          ),
        );
      expect(gradient[i]).toBeCloseTo((at(2 ** -8) - at(-(2 ** -8))) / 2 ** -7, 3);
    }
  });

  it("has a prox that no nearby point beats, and leaves its input", () => {
    const penalty = make(0.7);
    const before = weight.data.slice();
    const objective = (v: Float32Array) =>
      0.5 * penalty.value(tensor([3, 4], v)) + v.reduce((s, x, i) => s + (x - weight.data[i]!) ** 2 / 2, 0);
    const best = penalty.prox(weight, 0.5);
    for (let trial = 0; trial < 200; trial++) {
      const near = best.map((x) => x + 0.05 * rng.normal());
      expect(objective(best)).toBeLessThanOrEqual(objective(near) + 1e-6);
    }
    expect(weight.data).toEqual(before);
  });

  it("is nothing at strength 0 and refuses negative ones", () => {
    expect(make(0).value(weight)).toBe(0);
    expect(make(0).prox(weight, 1)).toEqual(weight.data);
    expect(() => make(-1)).toThrow(OptionError);
  });
});

it("soft thresholding, shrinking and channel zeroing by hand", () => {
  const w = tensor([2, 2], [3, -4, 0.3, 0.4]);
  expect([...l1(1).prox(w, 0.5)].map((v) => Math.round(v * 1e6) / 1e6 + 0)).toEqual([2.5, -3.5, 0, 0]);
  expect([...l2(1).prox(w, 1)]).toEqual([1.5, -2, 0.3, 0.4].map((v, i) => (i < 2 ? v : Math.fround(Math.fround(v) / 2))));
  expect(groupLasso(1).value(w)).toBeCloseTo(Math.SQRT2 * 5.5, 5);
  const cut = groupLasso(1).prox(w, 1 / Math.SQRT2); // shrinks each norm by 1
  expect(cut[0]).toBeCloseTo(3 * 0.8, 6);
  expect([cut[2], cut[3]]).toEqual([0, 0]);
  expect(() => groupLasso(1, 1).value(tensor([3]))).toThrow(ShapeError);
});
