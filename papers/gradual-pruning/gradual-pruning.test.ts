/** The short form: the invariants of the method, and the direction of the main claim on little data. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { createRng, mapTree, tensor } from "../../src/core/index.js";
import { createEngine } from "../../src/engine/index.js";
import { gradualMagnitude, staticRandom } from "../../src/methods/index.js";
import { countParams } from "../../src/models/index.js";
import { adam } from "../../src/optim/index.js";
import { countKept, isNested, type ParamInfo, validateCard } from "../../src/sparsity/index.js";
import { checkPaper } from "../harness/index.js";
import { denseAtBytes } from "./claims.js";
import { type Arm, type ImageConfig, spanOf } from "./config.js";
import { equalPair, largeMlp, smallMlp } from "./equal-size.js";
import { nonZerosAt, roundsTo } from "./images.js";
import { randomOnSchedule } from "./random-schedule.js";
import { paper } from "./run.js";
import { bitsPerCharacter, networkOf, smallSizes, textNonZeros, textTrainingProgram, trainText } from "./text.js";
import { readText, windows } from "./text-data.js";

const dataFolder = process.env["SPARSELAND_DATA"] ?? join(fileURLToPath(new URL("../..", import.meta.url)), "..", "shared", "data");
const context = { threads: 1, dataFolder, now: () => performance.now(), progress: () => {} };

const image: Omit<ImageConfig, "arm" | "sparsity"> = {
  part: "images",
  seed: 3,
  data: "fashion-mnist",
  images: 2000,
  epochs: 4,
  batch: 128,
  rate: 0.1,
  every: 7,
};
const measured = async (arm: Arm, sparsity: number) => paper.measure({ ...image, arm, sparsity } as ImageConfig, context);

describe("pictures, in short", () => {
  it("follow equation 1 exactly, leave nothing outside the mask, and beat random pruning on the same schedule at 90 %", {
    timeout: 300_000,
  }, async () => {
    const gradual = await measured("gradual", 0.9);
    const frozen = await measured("gradual-frozen", 0.9);
    const random = await measured("random-schedule", 0.9);
    const small = await measured("small-dense", 0.9);
    for (const { scheduleError, outside, nonZeros } of [gradual, frozen, random]) {
      expect([scheduleError, outside]).toEqual([0, 0]);
      expect(nonZeros).toBe(nonZerosAt(largeMlp(), 0.9));
    }
    expect(frozen.returned).toBe(0);
    expect(random.returned).toBe(0);
    expect(Math.abs(small.params / gradual.nonZeros - 1)).toBeLessThan(0.02);
    expect(gradual.metric).toBeGreaterThan(random.metric);
    expect(gradual.metric).toBeGreaterThan(65);
  });

  it("at 95 % the large sparse network beats the small dense one of equal non-zeros, given the small scale's data and epochs", {
    timeout: 300_000,
  }, async () => {
    const own = { ...image, seed: 0, images: 20_000, epochs: 10, every: 20, sparsity: 0.95 };
    const [sparse, small] = [
      await paper.measure({ ...own, arm: "gradual" }, context),
      await paper.measure({ ...own, arm: "small-dense" }, context),
    ];
    expect(sparse.metric).toBeGreaterThan(small.metric + 1);
  });

  it("one-shot and iterative pruning reach the target too", { timeout: 300_000 }, async () => {
    for (const arm of ["one-shot", "iterative"] as const) {
      const { nonZeros, outside, metric } = await measured(arm, 0.75);
      expect([nonZeros, outside]).toEqual([nonZerosAt(largeMlp(), 0.75), 0]);
      expect(metric).toBeGreaterThan(65);
    }
  });

  it("half of the weights with 32-bit indices take more bytes than all of them without", () => {
    const { params, nonZeros } = { params: countParams(largeMlp()), nonZeros: nonZerosAt(largeMlp(), 0.5) };
    expect(8 * (nonZeros - 410) + 4 * 410).toBeGreaterThan(4 * params - 4 * 410);
  });

  it("the full scale says what it needs", async () => {
    const full = { ...image, data: "imagenet", arm: "gradual", sparsity: 0.5 } as ImageConfig;
    await expect(paper.measure(full, { ...context, dataFolder: "/nowhere" })).rejects.toThrow(
      "/nowhere/imagenet/train/<class>/*.jpg",
    );
  });
});

describe("the parts", () => {
  it("the paper is well formed, and its jobs of both scales carry every baseline", async () => {
    checkPaper(paper as never, "gradual-pruning");
    for (const scale of ["small", "full"] as const) {
      const jobs = (await paper.run({ scale, seeds: [0, 1, 2, 3] }).next([])).value!;
      expect(new Set(jobs.map(({ id }) => id)).size).toBe(jobs.length);
      const arms = new Set(jobs.map(({ config }) => config.arm));
      for (const arm of ["dense", "gradual", "small-dense", "one-shot", "iterative", "linear", "random-schedule", "static-random"])
        expect(arms).toContain(arm);
    }
  });

  it("twins have the non-zeros within 2 %", () => {
    for (const sparsity of [0.5, 0.75, 0.9, 0.95]) {
      const target = nonZerosAt(largeMlp(), sparsity);
      expect(Math.abs(countParams(smallMlp(target)) / target - 1)).toBeLessThanOrEqual(0.02);
      const sizes = { characters: 65, embedding: 128, hidden: 128 };
      const text = smallSizes(sizes, sparsity);
      const params = Object.values(networkOf(text)).reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
      expect(Math.abs(params / textNonZeros(sizes, sparsity) - 1)).toBeLessThanOrEqual(0.02);
    }
    expect(equalPair(12, (a, b) => a * b, 3)).toEqual([6, 2]);
    expect(() => equalPair(7.5, (a, b) => 10 * a * b, 1)).toThrow("within 2 %");
  });

  it("iterative rounds prune a fifth of the rest each, to the target exactly", () => {
    expect(roundsTo(0.5).map((s) => Number(s.toFixed(4)))).toEqual([0.2, 0.36, 0.488, 0.5]);
    expect(roundsTo(0.1)).toEqual([0.1]);
  });

  it("reads the dense curve between its points, in the logarithm of bytes", () => {
    const curve = [
      { bytes: 100, metric: 80 },
      { bytes: 10_000, metric: 90 },
    ];
    expect(denseAtBytes(curve, 1000)).toBeCloseTo(85, 12);
    expect([denseAtBytes(curve, 10), denseAtBytes(curve, 1e6)]).toEqual([80, 90]);
  });

  it("random positions on the schedule keep its counts and are nested, and every seed draws others", async () => {
    const infos = { w: { shape: [20, 30], prunable: true, kind: "linear" as const } };
    const run = async (seed: number) => {
      const updater = randomOnSchedule({ sparsity: 0.8, begin: 10, end: 40, every: 10 });
      expect(validateCard(updater.card).name).toBe("random-schedule");
      const params = { w: tensor([20, 30]) };
      let { masks, state } = await updater.init({ params, infos, rng: createRng(seed) });
      for (const step of [10, 20, 30, 40]) {
        expect(updater.isDue(step)).toBe(true);
        const next = updater.update({ step, params, infos, masks, state, rng: createRng(0) });
        expect(isNested(next.masks["w"]!, masks["w"]!)).toBe(true);
        expect(countKept(next.masks["w"]!)).toBe(Math.round(600 * (1 - updater.targetSparsity(step))));
        ({ masks } = next);
        state = next.state;
      }
      return [...masks["w"]!.data].join("");
    };
    expect(await run(1)).toBe(await run(1));
    expect(await run(1)).not.toBe(await run(2));
  });
});

describe("text, in short", () => {
  const text = readText("the cat sat on the mat; the dog sat on the log. ".repeat(750));
  const sizes = { characters: text.characters.length, embedding: 16, hidden: 16 };

  it("windows walk each stream without a gap", () => {
    const read = windows(
      Int32Array.from({ length: 21 }, (_, i) => i),
      2,
      3,
    );
    expect(read.count).toBe(3);
    expect([...read.at(1).x]).toEqual([3, 13, 4, 14, 5, 15]);
    expect([...read.at(1).y]).toEqual([4, 14, 5, 15, 6, 16]);
    expect(() => windows(new Int32Array(5), 4, 8)).toThrow("too few");
  });

  it("a GRU learns under the schedule, keeps its counts, and needs fewer bits than characters without order", {
    timeout: 300_000,
  }, async () => {
    const engine = await createEngine();
    const options = { steps: 150, streams: 8, window: 12, rate: 0.02, seed: 1 };
    const { begin, end } = spanOf(options.steps);
    const updater = gradualMagnitude({ sparsity: 0.6, begin, end, every: 10 });
    const { params, masks } = trainText(engine, text, sizes, { ...options, updater });
    for (const [path, mask] of Object.entries(masks)) {
      expect(countKept(mask)).toBe(Math.round(0.4 * mask.data.length));
      expect(params[path]!.data.every((w, i) => mask.data[i] === 1 || w === 0)).toBe(true);
    }
    expect(bitsPerCharacter(engine, sizes, params, text.test)).toBeLessThan(2);
    const untrained = mapTree(networkOf(sizes), ({ shape }) => tensor(shape));
    expect(bitsPerCharacter(engine, sizes, untrained, text.test)).toBeCloseTo(Math.log2(sizes.characters), 4);
    engine.close();
  });

  it("a pruned weight gets no gradient: its stored value stays, and its optimiser slots stay 0", async () => {
    const engine = await createEngine();
    const forward = { sizes, streams: 2, window: 3, masked: ["gru.weight_hh"] };
    const optimizer = adam({});
    const { program, specs } = textTrainingProgram(forward, optimizer);
    const rng = createRng(5);
    const infos = { "gru.weight_hh": { shape: [48, 16], prunable: true, kind: "recurrent" } as ParamInfo };
    const { masks } = await staticRandom({ sparsity: 0.5 }).init({ params: {}, infos, rng });
    const mask = masks["gru.weight_hh"]!;
    const initial = mapTree(networkOf(sizes), ({ shape, init }, path) => tensor(shape, init(rng.split(path))));
    const store = engine.params(specs, initial);
    store.view("gru.weight_hh:mask").set(mask.data);
    const plan = engine.compile(program, store);
    for (let step = 0; step < 3; step++)
      plan.run({ ...windows(text.train, 2, 3).at(step), h: new Float32Array(32), ...optimizer.feed(step, 0.01) });
    const [before, after, slot] = [
      initial["gru.weight_hh"]!.data,
      store.get("gru.weight_hh").data,
      store.get("gru.weight_hh:v").data,
    ];
    let moved = 0;
    mask.data.forEach((kept, i) => {
      if (kept) moved += after[i] === before[i] ? 0 : 1;
      else expect([after[i], slot[i]]).toEqual([before[i], 0]);
    });
    expect(moved).toBeGreaterThan(0.9 * countKept(mask));
    plan.close();
    store.close();
    engine.close();
  });
});
