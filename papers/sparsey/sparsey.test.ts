/** The short form: the invariants of the memory, and the direction of the main claims on a few images. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import { createRng } from "../../src/core/index.js";
import { checkPaper } from "../harness/index.js";
import { accuracy } from "./accuracy.js";
import { edges, halfSize, type Images, images } from "./images.js";
import { recall } from "./recall.js";
import { paper } from "./run.js";
import { movingDigit, sequences } from "./sequences.js";
import { similarity } from "./similarity.js";
import { storageTimes } from "./times.js";

const dataFolder = process.env["SPARSELAND_DATA"] ?? join(fileURLToPath(new URL("../..", import.meta.url)), "..", "shared", "data");
const now = () => performance.now();
let mnist: { readonly train: Images; readonly test: Images };
beforeAll(async () => {
  mnist = await images("mnist", dataFolder, 700, 150);
});

describe("sparsey, in short", { timeout: 300_000 }, () => {
  it("recalls every one of the first items after one trial, and completes them", () => {
    const [few] = recall(mnist.train, [40], 1);
    expect(few!.exact).toBeGreaterThanOrEqual(0.95);
    expect(few!.distinct).toBe(40);
    expect(few!.completed).toBeGreaterThan(0.9);
    expect(few!.chance).toBeLessThan(0.05);
    expect(few!.willshawExact).toBeGreaterThanOrEqual(0.95);
  });

  it("gives similar inputs intersecting codes, from chance to nearly the same", () => {
    const found = similarity(mnist.train, 60, 1);
    expect(found.pairs).toBeGreaterThan(0.6);
    expect(Math.abs(found.random)).toBeLessThan(0.35);
    expect(found.hashing).toBeGreaterThan(0.1);
    expect(found.curve[0]!.overlap).toBeLessThan(0.1);
    expect(found.curve.at(-1)!.overlap).toBeGreaterThan(found.curve[5]!.overlap);
    expect(found.repeatedByDefault).toBeGreaterThan(0.95);
  });

  it("learns classes in one pass: far better than random codes", async () => {
    const { train, test } = mnist;
    const found = await accuracy(train, test, 1, now, () => {});
    expect(found.oneLevel).toBeGreaterThan(60);
    expect(found.oneLevel - found.randomCodes).toBeGreaterThan(20);
    for (const value of [found.pixels, found.kWinners, found.nearestNeighbour, found.logistic, found.perceptron])
      expect(value).toBeGreaterThan(50);
    expect(found.perceptron).toBeGreaterThan(found.logistic - 5);
  });

  it("stores in a time that does not grow", () => {
    const times = storageTimes(mnist.train, 600, 1, now);
    expect(times).toHaveLength(10);
    // Loose on purpose: machines that run tests are busy. The reproduction measures it.
    expect(times.at(-1)! / times[0]!).toBeLessThan(3);
  });

  it("plays a film on from its first two frames", () => {
    const film = movingDigit(halfSize(mnist.train, 0), createRng(3));
    expect(film).toHaveLength(10);
    expect(film.every((frame) => frame.length === film[0]!.length && frame.every((p) => p >= 0 && p < 400))).toBe(true);
    const [few] = sequences(mnist.train, [4], 1);
    expect(few!.pixels).toBeGreaterThan(few!.chance + 0.3);
  });
});

describe("the parts", () => {
  it("edges are as many as asked for, and in order", () => {
    const item = edges(mnist.train, 0, 60);
    expect(item).toHaveLength(60);
    expect(item.every((p, i) => i === 0 || p > item[i - 1]!)).toBe(true);
  });

  it("the paper is well formed", async () => {
    checkPaper(paper as never, "sparsey");
    const jobs = (await paper.run({ scale: "small", seeds: [0, 1] }).next([])).value!;
    expect(new Set(jobs.map(({ config }) => config.kind))).toEqual(new Set(["codes", "times", "accuracy", "sequences"]));
  });
});
