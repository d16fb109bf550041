import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRng, InputError, OptionError } from "../../core/index.js";
import {
  bestWinners,
  codeOverlap,
  drawWinners,
  expansivity,
  familiarity,
  selectionDefaults,
  winProbabilities,
} from "./code-selection.js";
import { createHierarchy, receptiveFields } from "./hierarchy.js";
import { createLabelReadout } from "./label-readout.js";
import { createMac } from "./mac.js";
import { createSynapses, permanenceWeight } from "./synapses.js";

describe("code selection", () => {
  it("takes the greatest evidence of each module, then the mean", () => {
    expect(familiarity(Float32Array.of(0.5, 0.25, 1, 0, 0, 0), 3, 2)).toBeCloseTo(0.5, 7);
    expect(familiarity(new Float32Array(4), 2, 2)).toBe(0);
  });

  it("is uniform for novel inputs and nearly certain for familiar ones", () => {
    expect(expansivity(0.2, 8, selectionDefaults)).toBe(1);
    expect(expansivity(1, 8, selectionDefaults)).toBe(801);
    const evidence = Float32Array.of(1, 0, 0, 0, 0, 0, 0, 1);
    const out = new Float32Array(8);
    winProbabilities(evidence, 2, 4, 1, selectionDefaults, out);
    expect([...out]).toEqual(new Array(8).fill(0.25));
    winProbabilities(evidence, 2, 4, expansivity(1, 4, selectionDefaults), selectionDefaults, out);
    expect(out[0]).toBeGreaterThan(0.99);
    expect(out[7]).toBeGreaterThan(0.99);
  });

  it("has probabilities that sum to 1 in each module, and grow with evidence", () => {
    fc.assert(
      fc.property(
        fc.array(fc.float({ min: 0, max: 1, noNaN: true }), { minLength: 12, maxLength: 12 }),
        fc.double({ min: 1, max: 1e4, noNaN: true }),
        (values, eta) => {
          const out = new Float32Array(12);
          winProbabilities(Float32Array.from(values), 3, 4, eta, selectionDefaults, out);
          for (let q = 0; q < 3; q++) {
            const module = [...out.subarray(q * 4, q * 4 + 4)];
            expect(module.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 5);
            for (let i = 0; i < 4; i++)
              for (let j = 0; j < 4; j++)
                if (values[q * 4 + i]! > values[q * 4 + j]!) expect(module[i]!).toBeGreaterThanOrEqual(module[j]!);
          }
        },
      ),
    );
  });

  it("draws winners with their probabilities, and breaks ties of the best by index", () => {
    const rng = createRng(1);
    const counts = [0, 0, 0];
    const out = new Int32Array(1);
    for (let i = 0; i < 6000; i++) {
      drawWinners(Float32Array.of(0.5, 0.3, 0.2), 1, 3, rng, out);
      counts[out[0]!]!++;
    }
    const chi = counts.reduce((sum, c, i) => sum + (c - [3000, 1800, 1200][i]!) ** 2 / [3000, 1800, 1200][i]!, 0);
    expect(chi).toBeLessThan(13.8);
    const best = new Int32Array(2);
    bestWinners(Float32Array.of(0, 0, 0.5, 0.5), 2, 2, best);
    expect([...best]).toEqual([0, 0]);
  });
});

describe("synapses", () => {
  it("decay from 1 to 0, ever falling", () => {
    for (const convexity of [0.1, 1, 10]) {
      expect(permanenceWeight(0, { steps: 10, convexity })).toBeCloseTo(1, 12);
      for (let age = 1; age < 10; age++) {
        expect(permanenceWeight(age, { steps: 10, convexity })).toBeLessThan(permanenceWeight(age - 1, { steps: 10, convexity }));
        expect(permanenceWeight(age, { steps: 10, convexity })).toBeGreaterThan(0);
      }
      expect(permanenceWeight(10, { steps: 10, convexity })).toBe(0);
    }
    // By hand: T = 10, c = 1, tau = 5: 1.1 / 1.2.
    expect(permanenceWeight(5, { steps: 10, convexity: 1 })).toBeCloseTo(1.1 / 1.2, 12);
  });

  it("freeze a cell once its weights are too full", () => {
    const synapses = createSynapses(10, 2, 0.3);
    expect(synapses.connect([0, 1, 2], [0], 1)).toBe(3);
    expect(synapses.frozen()).toBe(0);
    expect(synapses.connect([3], [0], 2)).toBe(1);
    expect(synapses.frozen()).toBe(1);
    expect(synapses.connect([4, 5], [0, 1], 3)).toBe(2);
    expect(synapses.fullness()).toBeCloseTo(6 / 20, 12);
  });

  it("age from their last use, and are renewed by use", () => {
    const synapses = createSynapses(2, 1, 1, { steps: 10, convexity: 1 });
    const read = (step: number) => {
      const out = new Float32Array(1);
      synapses.gather([0], out, step);
      return out[0];
    };
    synapses.connect([0], [0], 0);
    expect(read(5)).toBeCloseTo(1.1 / 1.2, 6);
    expect(synapses.connect([0], [0], 5)).toBe(0);
    expect(read(5)).toBe(1);
    expect(read(15)).toBe(0);
  });
});

describe("a mac", () => {
  it("works the example of two modules by hand", () => {
    const mac = createMac({ inputs: 4, modules: 2, cells: 2, saturation: 1 });
    const first = mac.store([0, 1], createRng(3));
    expect(first.familiarity).toBe(0);
    expect(first.code).toHaveLength(2);
    const again = mac.recognise([0, 1]);
    expect(again.familiarity).toBe(1);
    expect([...again.code!]).toEqual([...first.code!]);
    expect(mac.recognise([0, 2]).familiarity).toBe(0.5);
    expect([...mac.recognise([0, 2]).code!]).toEqual([...first.code!]);
    expect(mac.recognise([2, 3]).familiarity).toBe(0);
    expect([...mac.reconstruct(first.code!)]).toEqual([1, 1, 0, 0]);
  });

  it("recalls every one of the first stored items, whatever the seed", () => {
    for (const seed of [0, 1, 2]) {
      const rng = createRng(seed);
      const mac = createMac({ inputs: 400, modules: 50, cells: 16, saturation: 1 });
      const items = Array.from({ length: 50 }, () => Array.from(rng.permutation(400).subarray(0, 20)));
      const codes = items.map((item) => mac.store(item, rng).code!);
      items.forEach((item, i) => {
        const { code, familiarity: g } = mac.recognise(item);
        expect(g).toBe(1);
        expect(codeOverlap(code!, codes[i]!)).toBeGreaterThanOrEqual(0.95);
        const back = mac.reconstruct(codes[i]!);
        for (const cell of item) expect(back[cell]).toBe(1);
      });
    }
  });

  it("gives similar inputs intersecting codes: overlap rises with similarity, from chance to certainty", () => {
    const rng = createRng(7);
    const base = Array.from(rng.permutation(400).subarray(0, 40));
    const rest = Array.from({ length: 400 }, (_, i) => i).filter((i) => !base.includes(i));
    const means: number[] = [];
    for (const kept of [0, 10, 20, 30, 40]) {
      let sum = 0;
      for (let trial = 0; trial < 12; trial++) {
        const mac = createMac({ inputs: 400, modules: 60, cells: 8 });
        const first = mac.store(base, rng).code!;
        const other = [...base.slice(0, kept), ...Array.from(rng.permutation(rest.length).subarray(0, 40 - kept), (i) => rest[i]!)];
        sum += codeOverlap(mac.store(other, rng).code!, first) / 12;
      }
      means.push(sum);
    }
    expect(Math.abs(means[0]! - 1 / 8)).toBeLessThan(0.05);
    for (let i = 1; i < means.length; i++) expect(means[i]!).toBeGreaterThanOrEqual(means[i - 1]! - 0.03);
    expect(means[4]!).toBeGreaterThan(0.97);
  });

  it("is silent outside its gate and never divides by zero", () => {
    const mac = createMac({ inputs: 10, modules: 3, cells: 4, gate: [2, 4] });
    expect(mac.store([1], createRng(0))).toEqual({ code: undefined, familiarity: 0 });
    expect(mac.recognise([1, 2, 3, 4, 5])).toEqual({ code: undefined, familiarity: 0 });
    expect(mac.store([1, 2], createRng(0)).code).toHaveLength(3);
    const open = createMac({ inputs: 10, modules: 3, cells: 4, gate: [0, 10] });
    expect(open.store([], createRng(0)).familiarity).toBe(0);
  });

  it("keeps evidence in [0, 1], never lowers a weight, repeats with the seed", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 1e9 }),
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 5 }),
        (seed, modules, cells) => {
          const run = () => {
            const rng = createRng(seed);
            const mac = createMac({ inputs: 12, modules, cells, temporal: true });
            let previous: Int32Array | undefined;
            let fullness = 0;
            return Array.from({ length: 20 }, () => {
              const active = Array.from(rng.permutation(12).subarray(0, 1 + rng.below(12)));
              const { code, familiarity: g } = mac.store(active, rng, previous);
              expect(g).toBeGreaterThanOrEqual(0);
              expect(g).toBeLessThanOrEqual(1);
              expect(mac.health().fullness).toBeGreaterThanOrEqual(fullness);
              fullness = mac.health().fullness;
              previous = code;
              for (const k of code!) expect(k >= 0 && k < cells).toBe(true);
              return [...code!];
            });
          };
          expect(run()).toEqual(run());
        },
      ),
      { numRuns: 40 },
    );
  });

  it("recalls a sequence from its first item", () => {
    const rng = createRng(2);
    const mac = createMac({ inputs: 200, modules: 40, cells: 16, temporal: true, saturation: 1 });
    const sequences = Array.from({ length: 4 }, () =>
      Array.from({ length: 6 }, () => Array.from(rng.permutation(200).subarray(0, 15))),
    );
    for (const frames of sequences) {
      let previous: Int32Array | undefined;
      for (const frame of frames) previous = mac.store(frame, rng, previous).code!;
    }
    for (const frames of sequences) {
      let code = mac.recognise(frames[0]!).code!;
      for (let t = 1; t < frames.length; t++) {
        code = mac.predict(code).code!;
        const image = mac.reconstruct(code);
        const guess = [...image.keys()].sort((a, b) => image[b]! - image[a]!).slice(0, 15);
        expect(guess.filter((cell) => frames[t]!.includes(cell)).length).toBeGreaterThanOrEqual(14);
      }
    }
    expect(() => createMac({ inputs: 5, modules: 2, cells: 2 }).predict(Int32Array.of(0, 0))).toThrow(OptionError);
  });

  it("refuses options and inputs outside their ranges", () => {
    const good = { inputs: 10, modules: 2, cells: 2 };
    for (const bad of [
      { cells: 0 },
      { modules: 0 },
      { minFamiliarity: 1 },
      { saturation: 0 },
      { gate: [3, 2] as const },
      { permanence: { steps: 0 } },
      { steepness: 0 },
    ]) {
      expect(() => createMac({ ...good, ...bad })).toThrow(OptionError);
    }
    expect(() => createMac(good).recognise([10])).toThrow(/mac.active\[0\]: expected an input number in \[0, 9\]/);
    expect(() => createMac({ inputs: 1 << 24, modules: 1000, cells: 1000 })).toThrow(OptionError);
  });
});

describe("a hierarchy", () => {
  it("gives each mac the places within its radius", () => {
    const fields = receptiveFields([4, 4], [2, 2], 0.2);
    // The upper left mac stands at (0.25, 0.25), between the four upper left pixels.
    expect([...fields[0]!]).toEqual([0, 1, 4, 5]);
    expect([...fields[3]!]).toEqual([10, 11, 14, 15]);
    expect(receptiveFields([4, 4], [1, 1], 1.5)[0]).toHaveLength(16);
  });

  // Complement codes of sparse images are alike in most pixels: only an almost perfect match may count as familiar.
  const build = (complement: boolean, temporal = false, image: readonly [number, number] = [8, 8]) => {
    const strict = complement ? { steepness: 60, offset: 57, minFamiliarity: 0.9 } : {};
    return createHierarchy({
      image,
      complement,
      temporal,
      levels: [
        { grid: [2, 2], modules: 10, cells: 8, radius: 0.5, saturation: 1, ...strict },
        { grid: [1, 1], modules: 12, cells: 8, radius: 1.5, saturation: 1 },
      ],
    });
  };
  const images = (count: number, seed: number) => {
    const rng = createRng(seed);
    return Array.from({ length: count }, () => Array.from(rng.permutation(64).subarray(0, 10)));
  };

  it.each([false, true])("recalls a stored image from the codes of the top level (complement %s)", (complement) => {
    const net = build(complement);
    const rng = createRng(1);
    const items = images(6, 3);
    for (const item of items) net.store(item, rng);
    for (const item of items) {
      const answer = net.recognise(item);
      expect(answer.familiarity[0]).toBe(1);
      expect(answer.familiarity[1]).toBeGreaterThan(0.95);
      const image = net.reconstruct(answer, 1);
      const guess = [...image.keys()].sort((a, b) => image[b]! - image[a]!).slice(0, 10);
      expect(guess.filter((pixel) => item.includes(pixel)).length).toBeGreaterThanOrEqual(9);
    }
  });

  it("completes an image of which a quarter is missing", () => {
    const net = build(false, false, [14, 14]);
    const rng = createRng(1);
    const draw = createRng(4);
    const items = Array.from({ length: 5 }, () => Array.from(draw.permutation(196).subarray(0, 32)));
    for (const item of items) net.store(item, rng);
    for (const item of items) {
      const image = net.reconstruct(net.recognise(item.slice(0, 24)), 1);
      const guess = [...image.keys()].sort((a, b) => image[b]! - image[a]!).slice(0, 32);
      const missing = item.slice(24);
      expect(missing.filter((pixel) => guess.includes(pixel)).length).toBeGreaterThanOrEqual(7);
    }
  });

  it("plays a sequence of images on from its first", () => {
    const net = build(false, true);
    const rng = createRng(5);
    const frames = images(4, 6);
    let state = net.store(frames[0]!, rng);
    for (const frame of frames.slice(1)) state = net.store(frame, rng, state);
    let now = net.recognise(frames[0]!);
    for (const frame of frames.slice(1)) {
      now = net.predict(now);
      const image = net.reconstruct(now);
      const guess = [...image.keys()].sort((a, b) => image[b]! - image[a]!).slice(0, 10);
      expect(guess.filter((pixel) => frame.includes(pixel)).length).toBeGreaterThanOrEqual(9);
    }
  });

  it("numbers its units without gaps or clashes", () => {
    const net = build(false);
    expect(net.unitCount).toBe(4 * 80 + 96);
    const units = net.units(net.store(images(1, 1)[0]!, createRng(0)));
    expect(units).toHaveLength(4 * 10 + 12);
    expect(new Set(units).size).toBe(units.length);
    expect(Math.max(...units)).toBeLessThan(net.unitCount);
  });

  it("refuses a mac that sees nothing, and pixels outside the image", () => {
    expect(() => createHierarchy({ image: [2, 2], levels: [{ grid: [1, 1], modules: 2, cells: 2, radius: 0.1 }] })).toThrow(
      InputError,
    );
    expect(() => build(false).recognise([64])).toThrow(OptionError);
  });
});

describe("the label readout", () => {
  it("follows the counts, worked by hand", () => {
    const readout = createLabelReadout(3, 2, 0.5);
    readout.learn([0, 1], 0);
    readout.learn([0, 2], 1);
    readout.learn([1], 0);
    // Label 0: items 2; units 0, 1 seen 1, 2 times. Label 1: items 1; units 0, 2 seen once.
    const scores = readout.scores([1]);
    expect(scores[0]).toBeCloseTo(Math.log(2.5) + Math.log(2.5 / 3), 12);
    expect(scores[1]).toBeCloseTo(Math.log(1.5) + Math.log(0.5 / 2), 12);
    expect(readout.classify([1])).toBe(0);
    expect(readout.classify([2])).toBe(1);
    expect(() => readout.learn([3], 0)).toThrow(OptionError);
    expect(() => readout.learn([0], 2)).toThrow(OptionError);
  });
});
