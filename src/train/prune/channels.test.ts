/** Structured cuts of whole networks: cut = masked, bit for bit; rearrangement keeps the function. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createRng, type Tensor, type Tree, tensor } from "../../core/index.js";
import { createEngine, type Engine } from "../../engine/index.js";
import type { ModelOptions } from "../../models/index.js";
import { anyBatch, atBatch, channelGraph, cutChannels, cutParams, linear, maskChannels, trace } from "../../program/index.js";
import { calibrationOf } from "./calibration.js";
import { pruneChannels, rearrangeChannels } from "./index.js";
import { expectClose, network, outputs, pictures, small } from "./testing/networks.js";

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine();
});
afterAll(() => engine.close());

describe("structured cuts of whole networks", () => {
  it.each([
    ["mlp", { inputShape: [12], hidden: [10, 8], classes: 3, batchNorm: true }],
    ["convnet", small],
    ["resnet20", { inputShape: [3, 8, 8], width: 0.25 }],
    ["mobilenetV1", { inputShape: [3, 8, 8], width: 0.125, classes: 5 }],
    ["mobilenetV2", { inputShape: [3, 8, 8], width: 0.1, classes: 5, firstStride: 1 }],
  ] as [string, ModelOptions][])(
    "%s: the cut network computes what the masked one does, bit for bit",
    (name, options) => {
      const { program, params } = network(name, options);
      const cut = pruneChannels({ engine, program, params, method: "magnitude", sparsity: 0.5, rng: createRng(1) });
      expect(cut.removed.length).toBeGreaterThan(0);
      const count = (tree: Tree<Tensor>) => Object.values(tree).reduce((n, { data }) => n + data.length, 0);
      expect(count(cut.params)).toBeLessThan(0.6 * count(params));
      for (const batch of [1, 2]) {
        expect(Array.from(outputs(atBatch(cut.program, batch), cut.params))).toEqual(
          Array.from(outputs(atBatch(program, batch), maskChannels(params, cut.removed))),
        );
      }
    },
    30_000,
  );
  it("the padding shortcuts of ResNet-20 tie its stages", () => {
    const { groups } = channelGraph(network("resnet20", {}).program.one);
    const stem = groups.find(({ name }) => name === "conv1.weight")!;
    expect(stem.units).toHaveLength(16);
    const rows = stem.units[3]!.members.filter(({ axis, path }) => axis === 0 && path.endsWith("conv2.weight"));
    expect(rows.find(({ path }) => path === "layer1.0.conv2.weight")?.indices).toEqual([3]);
    expect(rows.find(({ path }) => path === "layer2.0.conv2.weight")?.indices).toEqual([3 + 8]);
    expect(rows.find(({ path }) => path === "layer3.2.conv2.weight")?.indices).toEqual([3 + 8 + 16]);
    expect(stem.why.some((why) => why.startsWith("pad shifts positions"))).toBe(true);
  });
  it("readers of cut channels are fitted: nearer to the dense outputs than without", () => {
    const { program, params } = network("convnet", small);
    const calibration = calibrationOf(program, pictures([1, 8, 8], 96), 96, createRng(2), 32);
    const error = (repair: "none" | "least-squares") => {
      const cut = pruneChannels({
        engine,
        program,
        params,
        method: "wanda",
        repair,
        sparsity: 0.4,
        calibration,
        rng: createRng(1),
      });
      const [a, b] = [outputs(atBatch(program, 4), params), outputs(atBatch(cut.program, 4), cut.params)];
      return a.reduce((sum, v, i) => sum + (v - b[i]!) ** 2, 0);
    };
    expect(error("least-squares")).toBeLessThan(0.8 * error("none"));
  });
  it("an excluded layer keeps its channels; a network without channels is refused with the reason", () => {
    const { program, params } = network("convnet", small);
    const { groups } = pruneChannels({
      engine,
      program,
      params,
      method: "random",
      sparsity: 0.5,
      exclude: ["conv1.weight"],
      rng: createRng(1),
    });
    expect(groups.map(({ group, units, kept }) => [group, units, kept])).toEqual([
      ["conv1.weight", 6, 6],
      ["conv2.weight", 8, 4],
      ["conv3.weight", 8, 4],
    ]);
    const one = anyBatch((n) =>
      trace(({ params: p, inputs }) => ({ outputs: { y: linear(inputs["x"]!, p["w"]!) } }), {
        inputs: { x: { shape: [n, 3] } },
        params: { w: { shape: [2, 3] } },
      }),
    );
    expect(() =>
      pruneChannels({ engine, program: one, params: { w: tensor([2, 3]) }, method: "magnitude", sparsity: 0.5, rng: createRng(1) }),
    ).toThrow(
      'no channel of this network can be cut: w, axis 0: the output "y" is promised to the caller; w, axis 1: the input "x"',
    );
    expect(() => cutChannels(program.one, channelGraph(program.one).groups[0]!.units)).toThrow("nothing would be left");
    const all = cutParams(params, cutChannels(program.one, []));
    for (const path of Object.keys(params)) expect(Array.from(all[path]!.data)).toEqual(Array.from(params[path]!.data));
  });
});

describe("rearrangement", () => {
  it("keeps the function and never keeps less", () => {
    const { program, params } = network("resnet20", { inputShape: [3, 8, 8], width: 0.5 });
    const found = rearrangeChannels({ program, params, sparsity: 0.5, filters: 4, rng: createRng(1), budget: 300 });
    expect(found.after).toBeGreaterThan(found.before * 1.005);
    expect(found.after).toBeGreaterThanOrEqual(found.sorted * 0.999);
    const [a, b] = [outputs(program.one, params), outputs(program.one, found.params)];
    expectClose(b, a, 3);
  });
});
