import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRng, InputError, OptionError, ShapeError, tensor } from "../core/index.js";
import { dropLeast, dropLeastPerSign } from "./drop.js";
import { dropAndGrow } from "./drop-and-grow.js";
import { gradientGrower, growers, randomGrower } from "./growers/index.js";
import { countKept, maskOf, minus } from "./masks.js";
import { masks } from "./testing/arbitraries.js";

describe("drop", () => {
  it("takes the least magnitudes, the highest index first among equals", () => {
    expect([...dropLeast(Float32Array.of(3, -1, 2, 1), 0.5)]).toEqual([1, 3]);
    expect([...dropLeast(Float32Array.of(1, -1, 1, 1), 0.5)]).toEqual([2, 3]);
    expect([...dropLeast(Float32Array.of(3, 1, 2), 0.5)]).toEqual([1]); // floor(1.5)
    expect([...dropLeast(Float32Array.of(), 0.5)]).toEqual([]);
    expect(() => dropLeast(Float32Array.of(1), 1.1)).toThrow(OptionError);
    expect(() => dropLeast(Float32Array.of(Number.NaN, 1), 0.5)).toThrow(InputError);
  });
  it("per sign takes the fraction of each sign, zeros first", () => {
    // positive (with zero): 0 at 2, 0.1 at 0, 5 at 4, 6 at 5 -> two go; negative: -9 at 1, -0.2 at 3 -> one goes
    expect([...dropLeastPerSign(Float32Array.of(0.1, -9, 0, -0.2, 5, 6), 0.5)]).toEqual([0, 2, 3]);
  });
});

describe("growers", () => {
  it.each(Object.keys(growers))("%s returns exactly count distinct candidates, ascending, by seed", (name) => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.nat(99), { minLength: 1, maxLength: 30 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.integer(),
        (list, share, seed) => {
          const candidates = Int32Array.from(list).sort();
          const count = Math.round(share * candidates.length);
          const gradient = Float32Array.from({ length: 100 }, (_, i) => ((i * 37) % 11) - 5);
          const grow = () => growers[name]!({ candidates, count, gradient, rng: createRng(seed) });
          const grown = [...grow()];
          expect(grown).toHaveLength(count);
          expect(grown).toEqual([...new Set(grown)].sort((a, b) => a - b));
          expect(grown.every((i) => list.includes(i))).toBe(true);
          expect([...grow()]).toEqual(grown);
        },
      ),
    );
  });
  it("gradient takes the greatest magnitude and refuses to do without", () => {
    const gradient = Float32Array.of(9, -3, 1, 2, -8);
    expect([...gradientGrower({ candidates: Int32Array.of(1, 2, 4), count: 2, gradient, rng: createRng(1) })]).toEqual([1, 4]);
    expect(() => gradientGrower({ candidates: Int32Array.of(1), count: 1, rng: createRng(1) })).toThrow("no dense gradient");
  });
  it("random picks every candidate equally often", () => {
    const counts = new Float64Array(6);
    const rng = createRng(4);
    for (let n = 0; n < 6000; n++)
      for (const i of randomGrower({ candidates: Int32Array.of(0, 1, 2, 3, 4, 5), count: 2, rng })) counts[i]!++;
    expect(counts.reduce((s, c) => s + (c - 2000) ** 2 / 2000, 0)).toBeLessThan(20.5); // 5 degrees of freedom, p = 0.001
  });
});

describe("dropAndGrow", () => {
  const mask = maskOf([1, 6], [1, 1, 1, 0, 0, 0]);
  const weight = tensor([1, 6], [3, -1, 2, 0, 0, 0]);

  it("matches a hand-worked RigL update", () => {
    const gradient = tensor([1, 6], [0, 0, 0, 1, -4, 2]);
    const { mask: next, born } = dropAndGrow({ mask, weight, gradient, fraction: 0.34, grow: gradientGrower, rng: createRng(1) });
    expect([...next.data]).toEqual([1, 0, 1, 0, 1, 0]);
    expect([...born.data]).toEqual([0, 0, 0, 0, 1, 0]);
  });

  it("may grow back what it dropped only with regrow, and such a weight is not born", () => {
    const gradient = tensor([1, 6], [0, 9, 0, 1, -4, 2]);
    const options = { mask, weight, gradient, fraction: 0.34, grow: gradientGrower, rng: createRng(1) };
    expect([...dropAndGrow({ ...options, regrow: true }).mask.data]).toEqual([1, 1, 1, 0, 0, 0]);
    expect(countKept(dropAndGrow({ ...options, regrow: true }).born)).toBe(0);
    expect([...dropAndGrow(options).mask.data]).toEqual([1, 0, 1, 0, 1, 0]);
  });

  it("keeps the count, leaves inputs alone, and born = new minus old, for any mask and fraction", () => {
    fc.assert(
      fc.property(
        masks,
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.boolean(),
        fc.boolean(),
        fc.integer(),
        (m, fraction, regrow, perSign, seed) => {
          const rng = createRng(seed);
          const w = tensor(
            m.shape,
            m.data.map(() => 0),
          );
          for (let i = 0; i < w.data.length; i++) w.data[i] = rng.normal();
          const before = m.data.slice();
          const next = dropAndGrow({
            mask: m,
            weight: w,
            fraction,
            regrow,
            drop: perSign ? dropLeastPerSign : dropLeast,
            grow: randomGrower,
            rng,
          });
          expect(countKept(next.mask)).toBe(countKept(m));
          expect(next.born).toEqual(minus(next.mask, m));
          expect(m.data).toEqual(before);
        },
      ),
    );
  });

  it("refuses shapes that do not fit", () => {
    expect(() => dropAndGrow({ mask, weight: tensor([6]), fraction: 0.5, grow: randomGrower, rng: createRng(1) })).toThrow(
      ShapeError,
    );
  });
});
