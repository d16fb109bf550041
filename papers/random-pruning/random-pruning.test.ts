/** The short form: the invariants of random masks, and the direction of the main claims on little data. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { createRng, filterTree, tensor } from "../../src/core/index.js";
import { createEngine } from "../../src/engine/index.js";
import { countParams, mlp } from "../../src/models/index.js";
import { initParams } from "../../src/nn/index.js";
import { countKept } from "../../src/sparsity/index.js";
import { checkPaper } from "../harness/index.js";
import { slope } from "./claims.js";
import type { Config, Masking } from "./config.js";
import { layoutOf, networkOf, smallTwin } from "./network.js";
import { paper } from "./run.js";
import { graspMasks, synflowMasks } from "./scored.js";

const dataFolder = process.env["SPARSELAND_DATA"] ?? join(fileURLToPath(new URL("../..", import.meta.url)), "..", "shared", "data");
const context = { threads: 1, dataFolder, now: () => performance.now(), progress: () => {} };

const shared: Omit<Config, "masking" | "density"> = {
  network: { family: "plain", width: 8, depth: 4 },
  seed: 1,
  data: "fashion-mnist",
  images: 2000,
  epochs: 3,
  batch: 64,
  rate: 0.1,
  schedule: "one-cycle",
  robustness: false,
};
const measured = (masking: Masking, density: number, more: Partial<Config> = {}) =>
  paper.measure({ ...shared, masking, density, ...more }, context);

describe("random pruning, in short", () => {
  it("every static mask has its exact budget and stays; ratios carry counts, not positions", { timeout: 300_000 }, async () => {
    const results = new Map<Masking, Awaited<ReturnType<typeof measured>>>();
    for (const masking of [
      "uniform",
      "er",
      "erk",
      "snip-ratio",
      "snip-mask",
      "grasp-ratio",
      "grasp-mask",
      "synflow-mask",
      "magnitude-init",
    ] as const) {
      const result = await measured(masking, 0.1, { images: 512, epochs: 1 });
      expect([masking, result.budgetError, result.fixed, result.outside]).toEqual([masking, 0, true, 0]);
      results.set(masking, result);
    }
    expect(results.get("snip-ratio")!.densities).toEqual(results.get("snip-mask")!.densities);
    expect(results.get("grasp-ratio")!.densities).toEqual(results.get("grasp-mask")!.densities);
    expect(results.get("snip-ratio")!.nll).not.toBe(results.get("snip-mask")!.nll);
    expect(results.get("erk")!.theoreticalFlops).toBeGreaterThan(results.get("uniform")!.theoreticalFlops);
    for (const density of Object.values(results.get("uniform")!.densities)) expect(Math.abs(density - 0.1)).toBeLessThan(0.01);
  });

  it("the accuracy falls with the density, and robustness is measured within its ranges", { timeout: 300_000 }, async () => {
    const dense = await measured("dense", 1, { robustness: true });
    const half = await measured("erk", 0.5, { robustness: true });
    const little = await measured("erk", 0.03);
    expect(dense.accuracy).toBeGreaterThan(50);
    expect(half.accuracy).toBeGreaterThan(little.accuracy);
    expect(dense.accuracy).toBeGreaterThan(little.accuracy);
    for (const { ood, fgsm, ece, nll, accuracy } of [dense, half]) {
      expect(ood).toBeGreaterThan(0);
      expect(ood).toBeLessThanOrEqual(100);
      expect(fgsm).toBeLessThan(accuracy);
      expect(ece).toBeGreaterThan(0);
      expect(nll).toBeGreaterThan(0);
    }
    expect([little.ood, little.fgsm]).toEqual([-1, -1]);
  });

  it("the full scale refuses a part of CIFAR-10, or says where to put it", async () => {
    const full: Partial<Config> = { data: "cifar10", network: { family: "resnet", width: 8, depth: 20 } };
    const folder = join(fileURLToPath(new URL(".", import.meta.url)), "nothing-here");
    await expect(
      paper.measure({ ...shared, masking: "erk", density: 0.1, ...full }, { ...context, dataFolder: folder }),
    ).rejects.toThrow();
  });
});

describe("the parts", () => {
  it("the paper is well formed, and its jobs carry every baseline", async () => {
    checkPaper(paper as never, "random-pruning");
    for (const scale of ["small", "full"] as const) {
      const jobs = (await paper.run({ scale, seeds: [0, 1] }).next([])).value!;
      expect(new Set(jobs.map(({ id }) => id)).size).toBe(jobs.length);
      const maskings = new Set(jobs.map(({ config }) => config.masking));
      for (const masking of [
        "dense",
        "small-dense",
        "uniform",
        "er",
        "erk",
        "snip-ratio",
        "grasp-ratio",
        "snip-mask",
        "magnitude-init",
        "magnitude-trained",
        "set",
        "rigl",
      ])
        expect(maskings).toContain(masking);
      expect(jobs.filter(({ config }) => config.robustness).map(({ config }) => config.masking)).toEqual([
        "dense",
        "erk",
        "dense",
        "erk",
      ]);
    }
  });

  it("deals convolutions out to stages, each of which begins with a stride of 2", () => {
    expect(layoutOf(3).map(({ stage }) => stage)).toEqual([0, 1]);
    expect(layoutOf(5).map(({ stage }) => stage)).toEqual([0, 0, 1, 2]);
    expect(layoutOf(8).map(({ stage, stride }) => `${stage}/${stride}`)).toEqual(["0/2", "0/1", "0/1", "1/2", "1/1", "2/2", "2/1"]);
  });

  it("twins have the parameters within 2 %", () => {
    const network = { family: "plain", width: 16, depth: 4 } as const;
    for (const target of [3200, 1900]) {
      const params = countParams(smallTwin(network, target, [1, 28, 28], 10));
      expect(Math.abs(params / target - 1)).toBeLessThanOrEqual(0.02);
    }
  });

  it("slope is that of least squares", () => expect(slope([1, 2, 3], [5, 3, 1])).toBeCloseTo(-2, 12));

  it("GraSP keeps the greatest w (H g) of a case worked by hand", async () => {
    // One example x = (1, 2), two classes, w = 0 but for small values: the scores are checked against the closed form of softmax regression.
    const engine = await createEngine();
    const model = mlp({ inputShape: [2], hidden: [], classes: 2 });
    const params = { "fc1.weight": tensor([2, 2], [0.3, -0.2, 0.1, 0.4]), "fc1.bias": tensor([2]) };
    const batch = { inputs: Float32Array.of(1, 2), labels: Int32Array.of(0) };
    const masks = graspMasks(engine, model, params, batch, 0.5);
    engine.close();
    // z = (-0.1, 0.9) / 200; p = softmax(z); g_cj = (p_c - y_c) x_j / T; (H g)_cj = x_j / T^2 * p_c (u_c - sum_k p_k u_k), u_c = (p_c - y_c) |x|^2 / T.
    const p0 = 1 / (1 + Math.exp(1 / 200));
    const p = [p0, 1 - p0];
    const u = [(p[0]! - 1) * 5, p[1]! * 5];
    const centre = p[0]! * u[0]! + p[1]! * u[1]!;
    const scores = [0, 1].flatMap((c) =>
      [1, 2].map((x, j) => params["fc1.weight"].data[2 * c + j]! * x * p[c]! * (u[c]! - centre)),
    );
    const best = [...scores.keys()].sort((a, b) => scores[b]! - scores[a]!).slice(0, 2);
    expect([...masks["fc1.weight"]!.data].flatMap((kept, i) => (kept ? [i] : [])).sort()).toEqual(best.sort());
  });

  it("SynFlow needs no data, keeps the exact budget, and lets no layer collapse at 1 % density", async () => {
    const engine = await createEngine();
    const model = networkOf({ family: "plain", width: 8, depth: 4 }, [1, 28, 28], 10);
    const params = initParams(model.module, createRng(4));
    const masks = synflowMasks(engine, model, params, 0.99);
    engine.close();
    const total = Object.values(filterTree(masks, () => true)).reduce((n, { data }) => n + data.length, 0);
    const kept = Object.values(masks).map(countKept);
    expect(kept.reduce((a, b) => a + b, 0)).toBe(Math.round(0.01 * total));
    for (const count of kept) expect(count).toBeGreaterThan(0);
  });
});
