import { describe, expect, it } from "vitest";
import { createRng, mapTree, tensor } from "../core/index.js";
import { createEngine } from "../engine/index.js";
import { convnet, inferenceProgram, mlp, resnet } from "../models/index.js";
import { initParams } from "../nn/index.js";

import { layerTimes } from "./layer-times.js";

/** A clock that moves one millisecond each time it is read: times become numbers of kernel calls. */
const counting = () => {
  let t = 0;
  return () => t++;
};

describe.each([
  ["mlp", mlp({ inputShape: [20], hidden: [16, 8], classes: 3 })],
  ["convnet", convnet({ inputShape: [1, 12, 12], channels: [8, 8], classes: 3 })],
  ["resnet", resnet({ depth: 8, inputShape: [3, 8, 8] })],
])("layer times of a %s", (_, model) => {
  it.each([1, 4])("find every weight in the plan of batch %i, and give no call to two of them", async (batch) => {
    const engine = await createEngine({ threads: 1 });
    const program = inferenceProgram(model, batch);
    const params = initParams(model.module, createRng(1));
    const store = engine.params(
      mapTree(params, ({ shape }) => ({ shape })),
      params,
    );
    const plan = engine.compile(program, store, { frozen: true });
    const size = program.values[program.inputs["x"]!]!.shape;
    plan.set({ x: tensor(size) });
    const times = layerTimes(plan, counting(), 2);
    expect(Object.keys(times).sort()).toEqual(
      Object.keys(model.module.params)
        .filter((path) => model.module.params[path]!.kind === "weight")
        .sort(),
    );
    const calls = plan.profile(counting()).reduce((sum, row) => sum + row.calls, 0);
    const own = Object.values(times).reduce((a, b) => a + b, 0);
    expect(Math.min(...Object.values(times))).toBeGreaterThan(0);
    expect(own).toBeLessThanOrEqual(calls);
    plan.close();
    store.close();
    engine.close();
  });
});
