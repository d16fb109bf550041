/** The short form: the packing and its laws, the choice of clusters, and the networks on little data. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRng, mapTree, type Tensor, type Tree, tensor } from "../../src/core/index.js";
import { createModel, inferenceProgram } from "../../src/models/index.js";
import { initParams } from "../../src/nn/index.js";
import { foldBatchNorm } from "../../src/program/index.js";
import { checkPaper } from "../harness/index.js";
import { crossover, denseAtAccuracy, denseAtTime } from "./claims.js";
import { clustersOf } from "./clusters.js";
import { randomBlocks } from "./kernels.js";
import { network, pointwise, scheduleOf } from "./networks.js";
import { chooseRows, increments, occupancyOf, pack, packedBytes, unpack } from "./packing.js";
import { denseByChannel, denseByPixel, gatherByPixel, scalarProduct, sparseProduct } from "./products.js";
import { paper } from "./run.js";

const dataFolder = process.env["SPARSELAND_DATA"] ?? join(fileURLToPath(new URL("../..", import.meta.url)), "..", "shared", "data");
const hasData = existsSync(join(dataFolder, "cifar10"));
const context = { threads: 1, dataFolder, now: () => performance.now(), progress: () => {} };

/** A layer with whole rows and whole channels of zeros now and then. */
const layers = fc
  .record({
    outputs: fc.integer({ min: 1, max: 9 }),
    inputs: fc.integer({ min: 1, max: 6 }),
    pixels: fc.integer({ min: 1, max: 21 }),
    rows: fc.constantFrom(undefined, 1 as const, 2 as const, 4 as const),
    seed: fc.nat(),
    density: fc.constantFrom(0, 0.1, 0.5, 1),
  })
  .map(({ outputs, inputs, pixels, rows, seed, density }) => {
    const rng = createRng(seed);
    const value = () => Math.fround(rng.normal());
    const weight = Float32Array.from({ length: outputs * inputs }, () => (rng.uniform() < density ? value() : 0));
    const bias = Float32Array.from({ length: outputs }, value);
    return { outputs, inputs, pixels, rows, weight, bias, x: Float32Array.from({ length: inputs * pixels }, value) };
  });

describe("packing (algorithm A)", () => {
  it("unpacks to what was packed; differences sum to 0, counts to the blocks; bytes as stated", () => {
    fc.assert(
      fc.property(layers, ({ weight, bias, outputs, inputs, rows }) => {
        const packed = pack(weight, outputs, inputs, bias, rows);
        const back = unpack(packed);
        expect([...back.weight]).toEqual([...weight].map((w) => w + 0));
        expect([...back.bias]).toEqual([...bias]);
        const { channelDiff, nnzPerBlock } = packed;
        expect(channelDiff.reduce((a, b) => a + b, 0)).toBe(0);
        expect(nnzPerBlock.reduce((a, b) => a + b, 0)).toBe(channelDiff.length);
        expect(nnzPerBlock.length).toBe(Math.floor(outputs / packed.rows) + (outputs % packed.rows));
        expect(packedBytes(packed)).toBe(8 * channelDiff.length + 4 * nnzPerBlock.length + 4 * packed.values.length);
      }),
    );
  });

  it("takes blocks of 4 from 90 % fill on, blocks of 2 likewise, else single weights", () => {
    // One group of 4 rows by 10 inputs: 36 of 40 is exactly 3.6 a block.
    const filled = (zeros: readonly number[]) => {
      const weight = new Float32Array(40).fill(1);
      for (const at of zeros) weight[at] = 0;
      return weight;
    };
    expect(occupancyOf(filled([0, 1, 2, 3]), 4, 10)).toEqual({ nnz4: 36, blocks4: 10, nnz2: 36, blocks2: 20 });
    expect(chooseRows(occupancyOf(filled([0, 1, 2, 3]), 4, 10))).toBe(4);
    expect(chooseRows(occupancyOf(filled([0, 1, 2, 3, 4]), 4, 10))).toBe(1);
    // Rows 0 and 1 are zero: fours are half full, pairs are full.
    expect(chooseRows(occupancyOf(filled(Array.from({ length: 20 }, (_, i) => i)), 4, 10))).toBe(2);
    expect(chooseRows(occupancyOf(randomBlocks(64, 96, 1, 0.9, createRng(1)).data, 64, 96))).toBe(1);
    expect(chooseRows(occupancyOf(randomBlocks(64, 96, 2, 0.9, createRng(1)).data, 64, 96))).toBe(2);
    expect(chooseRows(occupancyOf(randomBlocks(64, 96, 4, 0.9, createRng(1)).data, 64, 96))).toBe(4);
  });

  it("a layer of zeros has blocks of 4 and no steps; three rows over 4 are singles; other input is refused", () => {
    const empty = pack(new Float32Array(8 * 3), 8, 3);
    expect([empty.rows, empty.channelDiff.length, empty.firstChannel]).toEqual([4, 0, 0]);
    const seven = pack(new Float32Array(7 * 2).fill(1), 7, 2);
    expect([seven.rows, [...seven.nnzPerBlock]]).toEqual([4, [2, 2, 2, 2]]);
    expect(() => pack(Float32Array.of(1, Number.NaN), 1, 2)).toThrow("flat index 1 is NaN");
    expect(() => pack(Float32Array.of(1), 1, 2)).toThrow("pack");
    const wide = pack(
      Float32Array.from({ length: 1000 }, (_, i) => Number(i === 0 || i === 999)),
      1,
      1000,
    );
    expect([...increments(wide, 500_000)]).toEqual([4 * 999 * 500_000, -4 * 999 * 500_000]);
    expect(() => increments(wide, 600_000)).toThrow("leaves int32");
  });
});

describe("the product (algorithm B)", () => {
  it("equals the scalar loop bit for bit, for any strip, block size and bounds", () => {
    fc.assert(
      fc.property(layers, fc.constantFrom(1, 4, 8, 16, 32), fc.boolean(), (layer, strip, clamped) => {
        const { weight, bias, outputs, inputs, pixels, rows, x } = layer;
        const bounds = clamped ? { min: 0, max: 0.5 } : undefined;
        const [y, truth] = [new Float32Array(outputs * pixels), new Float32Array(outputs * pixels)];
        sparseProduct(pack(weight, outputs, inputs, bias, rows), x, y, pixels, strip, bounds);
        scalarProduct(weight, bias, x, truth, pixels, bounds);
        for (let i = 0; i < y.length; i++) expect(y[i] === truth[i]).toBe(true);
      }),
    );
  });

  it("its rivals compute the same", () => {
    const [outputs, inputs, pixels] = [8, 5, 37];
    const rng = createRng(2);
    const weight = Float32Array.from({ length: outputs * inputs }, () => (rng.uniform() < 0.5 ? rng.normal() : 0));
    const x = Float32Array.from({ length: inputs * pixels }, () => rng.normal());
    const byPixel = Float32Array.from({ length: x.length }, (_, i) => x[(i % inputs) * pixels + Math.floor(i / inputs)]!);
    const truth = new Float32Array(outputs * pixels);
    scalarProduct(weight, new Float32Array(outputs), x, truth, pixels);
    const y = new Float32Array(truth.length);
    denseByChannel(weight, x, y, outputs, pixels);
    expect(y).toEqual(truth);
    const turned = Float32Array.from({ length: truth.length }, (_, i) => truth[(i % outputs) * pixels + Math.floor(i / outputs)]!);
    denseByPixel(weight, byPixel, y, outputs, pixels);
    expect(y).toEqual(turned);
    const live = [...weight.keys()].filter((i) => weight[i] !== 0);
    const rowPtr = Int32Array.from({ length: outputs + 1 }, (_, o) => live.filter((i) => i < o * inputs).length);
    const rows = { rowPtr, columns: Int32Array.from(live, (i) => i % inputs), values: Float32Array.from(live, (i) => weight[i]!) };
    gatherByPixel(rows, byPixel, y, inputs, pixels);
    expect(y).toEqual(turned);
  });
});

describe("clusters (algorithm C)", () => {
  /** A network with batch norm folded whose 1x1 layers have this share of zeros. */
  const folded = (name: string, zeros: number) => {
    const model = createModel(name, name === "resnet20" ? {} : { width: 0.25, inputShape: [3, 64, 64], classes: 10 });
    const { program, params } = foldBatchNorm(inferenceProgram(model, 1), initParams(model.module, createRng(1)));
    const thin: Tree<Tensor> = mapTree(params, (value, path) => {
      const { shape } = value;
      if (shape.length !== 4 || shape[2] !== 1 || model.module.params[path]?.role !== "conv") return value;
      const none = Math.floor(zeros * value.data.length);
      return tensor(
        shape,
        value.data.map((w, i) => (i < none ? 0 : w || 1)),
      );
    });
    return clustersOf(program, thin);
  };

  it.each(["mobilenetV1", "mobilenetV2"])("%s runs channel-major from stem to mean, above two thirds of zeros only", (name) => {
    const [below, above] = [folded(name, 2 / 3), folded(name, 0.68)];
    expect(above).toHaveLength(1);
    expect(above[0]!.operations.length).toBeGreaterThan(50);
    expect([below[0]!.pays, above[0]!.pays]).toEqual([false, true]);
  });

  it("a ResNet has 3x3 layers and is left dense", () => expect(folded("resnet20", 0.9)).toEqual([]));
});

describe("the networks", () => {
  it("prune the 1x1 layers alone, from 7 to 70 % of training", () => {
    const model = network(0.5);
    expect(pointwise(model)).toHaveLength(13);
    expect(scheduleOf(1000)).toEqual({ begin: 70, end: 700, every: 20 });
  });

  it.skipIf(!hasData)(
    "reach their sparsity exactly (skipped without the data folder)",
    async () => {
      const config = {
        part: "network",
        seed: 1,
        width: 0.25,
        sparsity: 0.9,
        images: 640,
        epochs: 1,
        batch: 32,
        rate: 0.05,
      } as const;
      const gradual = await paper.measure({ ...config, arm: "gradual" }, context);
      const random = await paper.measure({ ...config, arm: "random" }, context);
      if (gradual.part !== "network" || random.part !== "network") throw new Error("not a network");
      expect(gradual.sparsity).toBeCloseTo(0.9, 3);
      expect([random.sparsity, random.nonZeros]).toEqual([gradual.sparsity, gradual.nonZeros]);
      expect(gradual.accuracy).toBeGreaterThan(5);
    },
    120_000,
  );
});

describe("the judge", () => {
  it("reads a crossing and the dense curve", () => {
    const curve = [0, 0.5, 0.8].map((sparsity, i) => ({ sparsity, speedup: [0.5, 0.8, 1.4][i]! }));
    expect(crossover(curve)).toBeCloseTo(0.6, 9);
    expect([crossover(curve.slice(0, 2)), crossover(curve.slice(2))]).toEqual([1, 0.8]);
    const dense = [
      { ms: 1, accuracy: 60 },
      { ms: 4, accuracy: 70 },
    ];
    expect([0.5, 2, 8].map((ms) => denseAtTime(dense, ms))).toEqual([60, 65, 70]);
    expect([50, 65, 80].map((accuracy) => denseAtAccuracy(dense, accuracy))).toEqual([1, 2, 4]);
  });

  it("is a paper of the right form", () => checkPaper(paper, "fast-sparse-convnets"));
});
