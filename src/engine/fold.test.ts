import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createRng, type Tensor } from "../core/index.js";
import { mobilenetV1, resnet } from "../models/index.js";
import { initParams, type Module, paramSpecs } from "../nn/index.js";
import { anyBatch, atBatch, foldBatchNorm, type Program, trace } from "../program/index.js";
import { createEngine, type Engine } from "./index.js";
import { threadOf } from "./place.js";

const traced = (module: Module, shape: readonly number[], batch: number): Program =>
  trace(
    ({ params, inputs }) => ({
      outputs: { y: module.apply(params, inputs["x"]!, { training: false, update: () => {}, reserve: () => 0 }) },
    }),
    { inputs: { x: { shape: [batch, ...shape] } }, params: paramSpecs(module) },
  );

describe("threadOf", () => {
  it("names the thread to which the dispatcher deals a part", () => {
    for (let parts = 1; parts <= 8; parts++) {
      for (let threads = 1; threads <= 12; threads++) {
        for (let part = 0; part < parts; part++) {
          const thread = Array.from({ length: threads }, (_, t) => t).find(
            (t) => part >= Math.floor((parts * t) / threads) && part < Math.floor((parts * (t + 1)) / threads),
          );
          expect(threadOf(part, parts, threads)).toBe(thread);
        }
      }
    }
  });
});

describe.each([1, 2])("batches of frozen networks on %i thread(s)", (threads) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await createEngine({ threads });
  });
  afterAll(() => engine.close());

  it.each([
    ["a residual network, four images to a pixel", resnet({ depth: 8 }).module, [3, 32, 32]],
    ["a network of depthwise layers, one image to a pixel", mobilenetV1({ width: 0.25 }).module, [3, 64, 64]],
  ] as const)("%s: each picture as alone, in memory that does not grow with the batch", (_, module, shape) => {
    const rng = createRng(5);
    const params: Record<string, Tensor> = { ...initParams(module, rng) };
    const folded = foldBatchNorm(traced(module, shape, 1), params);
    const program = anyBatch((batch) => foldBatchNorm(traced(module, shape, batch), params).program);
    const store = engine.params(
      Object.fromEntries(Object.entries(folded.params).map(([path, { shape }]) => [path, { shape, layout: { kind: "dense" } }])),
      folded.params,
    );
    const size = shape[0] * shape[1] * shape[2];
    const x = Float32Array.from({ length: 32 * size }, () => rng.normal());
    const run = (batch: number) => {
      const plan = engine.compile(atBatch(program, batch), store, { frozen: true });
      const y = plan.run({ x: x.subarray(0, batch * size) })["y"]!.data.slice() as Float32Array;
      const { bytes } = plan;
      plan.close();
      return { y, bytes };
    };
    const [many, more] = [run(16), run(32)];
    const alone = run(1).y;
    for (const [i, v] of alone.entries()) expect(many.y[i]).toBeCloseTo(v, 4);
    expect(more.y.slice(0, many.y.length)).toEqual(many.y);
    const ends = 16 * (size + alone.length) * 4;
    expect(more.bytes - many.bytes).toBeLessThan(1.5 * ends);
    store.close();
  });
});
