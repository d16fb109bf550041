import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRng } from "../core/index.js";
import { horizontalFlip, padCrop } from "./augment.js";
import { type Dataset, fingerprint, identity, makeDataset, measureNormalisation, split, subset, take } from "./dataset.js";
import { type Batch, createLoader } from "./loader.js";
import { prefetch, prefetchEpoch } from "./prefetch.js";

/** `count` examples [1, 2, 3] whose every value is the example's number; labels cycle through 3 classes. */
function counting(count: number, parts: Partial<Dataset> = {}): Dataset {
  return makeDataset({
    name: "counting",
    shape: [1, 2, 3],
    classes: 3,
    inputs: Float32Array.from({ length: count * 6 }, (_, i) => Math.floor(i / 6)),
    labels: Int32Array.from({ length: count }, (_, i) => i % 3),
    normalisation: identity,
    source: "test",
    ...parts,
  });
}

const copy = (batch: Batch) => ({
  ...batch,
  inputs: batch.inputs.slice(),
  labels: batch.labels.slice(),
  examples: batch.examples.slice(),
});

describe("datasets", () => {
  it.each([
    [{ labels: Int32Array.of(0, 3) }, /counting: example 1 has the label 3, expected 0 to 2/],
    [{ labels: Int32Array.of(-1, 0) }, /example 0 has the label -1/],
    [{ inputs: Float32Array.of(1, 2, 3, 4, 5, 6, 7, Number.NaN, 9, 10, 11, 12) }, /example 1 holds NaN at position 1/],
    [{ inputs: new Float32Array(11) }, /11 input values for 2 labels/],
    [{ labels: new Int32Array(0), inputs: new Float32Array(0) }, /holds no example/],
    [{ normalisation: { scale: 1, mean: [0], std: [0] } }, /normalisation/],
    [{ classNames: ["a"] }, /1 class names for 3 classes/],
  ])("refuses bad data %#", (parts, message) => {
    expect(() => counting(2, parts)).toThrow(message);
  });

  it("takes, selects and fingerprints", () => {
    const dataset = counting(5);
    expect(take(dataset, 2).labels).toEqual(Int32Array.of(0, 1));
    expect(subset(dataset, [4, 0]).inputs).toEqual(Float32Array.of(4, 4, 4, 4, 4, 4, 0, 0, 0, 0, 0, 0));
    expect(() => subset(dataset, [5])).toThrow(/subset.indices\[0\]/);
    expect(fingerprint(dataset)).toBe(fingerprint(counting(5)));
    expect(fingerprint(take(dataset, 4))).not.toBe(fingerprint(dataset));
    expect(fingerprint(subset(dataset, [1, 0, 2, 3, 4]))).not.toBe(fingerprint(dataset));
  });

  it("splits into disjoint parts with the share of each class", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 10, max: 60 }),
        fc.double({ min: 0.2, max: 0.8, noNaN: true }),
        fc.integer(),
        (count, fraction, seed) => {
          const dataset = counting(count);
          const [a, b] = split(dataset, fraction, createRng(seed));
          const numbers = [...a.inputs, ...b.inputs].filter((_, i) => i % 6 === 0).sort((x, y) => x - y);
          expect(numbers).toEqual(Array.from({ length: count }, (_, i) => i));
          for (let c = 0; c < 3; c++) {
            const total = dataset.labels.filter((label) => label === c).length;
            expect(b.labels.filter((label) => label === c).length).toBe(Math.round(total * fraction));
          }
        },
      ),
    );
    expect(() => split(counting(9), 1, createRng(1))).toThrow(/split.fraction/);
  });

  it("measures mean and deviation per channel", () => {
    const dataset = makeDataset({
      name: "m",
      shape: [2, 1, 2],
      classes: 1,
      inputs: Uint8Array.of(0, 2, 10, 10, 4, 2, 10, 30),
      labels: new Int32Array(2),
      normalisation: identity,
      source: "",
    });
    const { mean, std } = measureNormalisation(dataset, 1);
    expect(mean).toEqual([2, 15]);
    expect(std[0]).toBeCloseTo(Math.sqrt(2), 12);
    expect(std[1]).toBeCloseTo(Math.sqrt(75), 12);
  });
});

describe("loader", () => {
  it("visits every example once an epoch, in an order of its own", () => {
    const loader = createLoader(counting(10), { batchSize: 5, rng: createRng(1) });
    const order = (epoch: number) => [...loader.epoch(epoch)].flatMap((batch) => [...batch.examples.slice()]);
    const orders = [0, 1].map((epoch) => {
      const seen: number[] = [];
      for (const batch of loader.epoch(epoch)) {
        seen.push(...batch.examples);
        batch.examples.forEach((example, slot) => {
          expect(batch.labels[slot]).toBe(example % 3);
          expect(batch.inputs.subarray(slot * 6, slot * 6 + 6)).toEqual(new Float32Array(6).fill(example));
        });
      }
      return seen;
    });
    for (const seen of orders) expect([...seen].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(orders[0]).not.toEqual(orders[1]);
    expect(order(0)).toHaveLength(10);
  });

  it("resumes at any (epoch, batch) with the batches of an unbroken run, augmentations included", () => {
    const options = { batchSize: 3, augment: [horizontalFlip(), padCrop(1)] };
    const ramp = counting(10, { inputs: Float32Array.from({ length: 60 }, (_, i) => i) });
    const whole = createLoader(ramp, { ...options, rng: createRng(5) });
    const all = [0, 1].map((epoch) => Array.from(whole.epoch(epoch), copy));
    for (const [epoch, from] of [
      [0, 2],
      [1, 0],
      [1, 3],
    ] as const) {
      const fresh = createLoader(ramp, { ...options, rng: createRng(5) });
      expect(Array.from(fresh.epoch(epoch, from), copy)).toEqual(all[epoch]!.slice(from));
    }
    const other = createLoader(ramp, { ...options, rng: createRng(6) });
    expect(Array.from(other.epoch(0), copy)).not.toEqual(all[0]);
  });

  it("drops or pads the remainder", () => {
    const dropped = createLoader(counting(7), { batchSize: 3, remainder: "drop" });
    expect([dropped.batchesPerEpoch, Array.from(dropped.epoch(0), (batch) => batch.count)]).toEqual([2, [3, 3]]);
    const padded = createLoader(counting(7), { batchSize: 3 });
    const batches = Array.from(padded.epoch(0), copy);
    expect(batches.map((batch) => batch.count)).toEqual([3, 3, 1]);
    expect(batches[2]!.examples).toEqual(Int32Array.of(6, 0, 1));
    expect(() => createLoader(counting(2), { batchSize: 3, remainder: "drop" })).toThrow(/loader.batchSize/);
  });

  it("normalises bytes per channel", () => {
    const dataset = makeDataset({
      name: "n",
      shape: [2, 1, 2],
      classes: 1,
      inputs: Uint8Array.of(0, 255, 51, 102),
      labels: new Int32Array(1),
      normalisation: { scale: 1 / 255, mean: [0.5, 0], std: [0.5, 0.1] },
      source: "",
    });
    const [batch] = createLoader(dataset, { batchSize: 1 }).epoch(0);
    [-1, 1, 2, 4].forEach((value, i) => {
      expect(batch!.inputs[i]).toBeCloseTo(value, 6);
    });
  });

  it("uses its buffers again and allocates no others", () => {
    const loader = createLoader(counting(8), { batchSize: 2, buffers: 2 });
    const buffers = Array.from(loader.epoch(0), (batch) => batch.inputs);
    expect(new Set(buffers).size).toBe(2);
    expect(buffers[2]).toBe(buffers[0]);
  });

  it("refuses options that cannot work", () => {
    expect(() => createLoader(counting(4), { batchSize: 0 })).toThrow(/loader.batchSize: expected an integer of at least 1, got 0/);
    expect(() => createLoader(counting(4), { batchSize: 2, augment: [padCrop()] })).toThrow(/loader.rng/);
    const table = counting(4, { shape: [6] });
    expect(() => createLoader(table, { batchSize: 2, rng: createRng(1), augment: [padCrop()] })).toThrow(
      /\[channels, height, width\]/,
    );
    expect(() => prefetchEpoch(createLoader(counting(4), { batchSize: 2 }), 0, 1)).toThrow(/loader.buffers: expected at least 2/);
  });
});

describe("augmentations", () => {
  it("flips each row of each channel", () => {
    const image = Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12);
    horizontalFlip(1)(image, [2, 2, 3], createRng(1));
    expect(image).toEqual(Float32Array.of(3, 2, 1, 6, 5, 4, 9, 8, 7, 12, 11, 10));
    horizontalFlip(0)(image, [2, 2, 3], createRng(1));
    expect(image[0]).toBe(3);
  });

  it("crops as padding and cutting by hand does, for every offset", () => {
    const seen = new Set<string>();
    for (let seed = 0; seed < 300; seed++) {
      const image = Float32Array.from({ length: 24 }, (_, i) => i + 1);
      padCrop(2)(image, [2, 3, 4], createRng(seed));
      const rng = createRng(seed);
      const [dy, dx] = [rng.below(5) - 2, rng.below(5) - 2];
      seen.add(`${dy},${dx}`);
      const expected = Float32Array.from({ length: 24 }, (_, i) => {
        const [c, y, x] = [Math.floor(i / 12), (Math.floor(i / 4) % 3) + dy, (i % 4) + dx];
        return y >= 0 && y < 3 && x >= 0 && x < 4 ? c * 12 + y * 4 + x + 1 : 0;
      });
      expect(image).toEqual(expected);
    }
    expect(seen.size).toBe(25);
  });
});

describe("prefetch", () => {
  it("keeps order, asks ahead, and closes its source", async () => {
    const asked: number[] = [];
    let closed = false;
    async function* source() {
      try {
        for (let i = 0; i < 6; i++) {
          asked.push(i);
          yield i;
        }
      } finally {
        closed = true;
      }
    }
    const seen: number[] = [];
    for await (const item of prefetch(source(), 2)) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      expect(asked.length).toBeGreaterThanOrEqual(Math.min(6, item + 2));
      expect(asked.length).toBeLessThanOrEqual(item + 3);
      seen.push(item);
    }
    expect(seen).toEqual([0, 1, 2, 3, 4, 5]);
    for await (const _ of prefetch(source(), 3)) break;
    expect(closed).toBe(true);
  });

  it("throws where the item would have come", async () => {
    function* source() {
      yield 1;
      throw new Error("broken source");
    }
    const seen: number[] = [];
    await expect(async () => {
      for await (const item of prefetch(source(), 4)) seen.push(item);
    }).rejects.toThrow("broken source");
    expect(seen).toEqual([1]);
  });

  it("gives valid batches while buffers turn", async () => {
    const options = { batchSize: 2, rng: createRng(3), buffers: 3 };
    const plain = Array.from(createLoader(counting(20), options).epoch(0), copy);
    const ahead: Batch[] = [];
    for await (const batch of prefetchEpoch(createLoader(counting(20), options), 0, 2)) {
      await Promise.resolve();
      ahead.push(copy(batch));
    }
    expect(ahead).toEqual(plain);
  });
});
