import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRng, InputError, OptionError } from "../core/index.js";
import { scoresOfSize } from "./testing/arbitraries.js";
import { topK, topKAmong } from "./top-k.js";

/** The definition: sort by score descending, then index ascending. */
function bruteForce(scores: Float32Array, k: number): Uint8Array {
  const order = [...scores.keys()].sort((a, b) => scores[b]! - scores[a]! || a - b);
  const out = new Uint8Array(scores.length);
  for (const i of order.slice(0, k)) out[i] = 1;
  return out;
}

describe("topK", () => {
  it("equals a full sort with ties to the lowest flat index", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 40 }).chain((n) => fc.tuple(scoresOfSize(n), fc.integer({ min: 0, max: n }))),
        ([scores, k]) => {
          expect(topK(scores, k)).toEqual(bruteForce(scores, k));
        },
      ),
      { numRuns: 500 },
    );
  });

  it("equals a full sort on 5000 random scores, for small, middle and large k", () => {
    const rng = createRng(3);
    const scores = Float32Array.from({ length: 5000 }, () => rng.normal() * 10 ** (rng.below(40) - 20));
    for (const k of [1, 7, 2500, 4999, 5000]) expect(topK(scores, k)).toEqual(bruteForce(scores, k));
  });

  it("treats -0 as 0 and ranks infinities as numbers", () => {
    expect([...topK(Float32Array.of(-0, 0, -0), 2)]).toEqual([1, 1, 0]);
    expect([...topK(Float32Array.of(Number.NEGATIVE_INFINITY, 3, Number.POSITIVE_INFINITY, -1e-45), 2)]).toEqual([0, 1, 1, 0]);
    expect([...topK(Float32Array.of(1e-45, 0, -1e-45), 1)]).toEqual([1, 0, 0]);
  });

  it("works on a view that does not start at its buffer's beginning", () => {
    const backing = Float32Array.of(100, 1, 3, 2, 100);
    expect([...topK(backing.subarray(1, 4), 1)]).toEqual([0, 1, 0]);
  });

  it("refuses NaN by index, and k out of range", () => {
    expect(() => topK(Float32Array.of(1, Number.NaN), 1)).toThrow(InputError);
    expect(() => topK(Float32Array.of(1, Number.NaN), 1)).toThrow("score 1 is NaN");
    expect(() => topK(Float32Array.of(1), 2)).toThrow(OptionError);
    expect(() => topK(Float32Array.of(1), -1)).toThrow(OptionError);
  });

  it("among candidates looks at nothing else", () => {
    expect([...topKAmong(Float32Array.of(Number.NaN, 1, 9, 5, 5), 2, Int32Array.of(1, 3, 4))]).toEqual([3, 4]);
    expect([...topKAmong(Float32Array.of(9, 5, 5), 1, Int32Array.of(1, 2))]).toEqual([1]);
  });
});
