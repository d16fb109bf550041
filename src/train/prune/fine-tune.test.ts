/** Fine-tuning of pruned programs through the training loop. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createRng } from "../../core/index.js";
import { createEngine, type Engine } from "../../engine/index.js";
import { accuracyOf, fineTune, modelOfProgram, pruneProgram } from "./index.js";
import { expectZeros, network, pictures, small } from "./testing/networks.js";

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine();
});
afterAll(() => engine.close());

describe("fine-tuning", () => {
  it("trains a program under its masks, updates statistics, and gains accuracy", async () => {
    const train = pictures([1, 8, 8], 256);
    const { program, params } = network("convnet", small);
    const pruned = pruneProgram({ engine, program, params, method: "magnitude", sparsity: 0.5, rng: createRng(1) });
    const run = fineTune({
      engine,
      program,
      params: pruned.params,
      masks: pruned.masks,
      train,
      test: train,
      epochs: 10,
      batchSize: 32,
      rate: 0.05,
      seed: 1,
      now: () => 0,
    });
    let next = await run.next();
    while (!next.done) next = await run.next();
    const { params: tuned, accuracy } = next.value;
    expect(accuracy).toBeGreaterThan(accuracyOf(engine, program, pruned.params, train) + 0.3);
    expect(accuracyOf(engine, program, tuned, train)).toBeCloseTo(accuracy, 6);
    for (const [path, mask] of Object.entries(pruned.masks)) expectZeros(tuned[path]!.data, mask);
    expect(Array.from(tuned["bn1.running_mean"]!.data)).not.toEqual(Array.from(params["bn1.running_mean"]!.data));
  });
  it("refuses programs that are no classifiers", () => {
    const { program } = network("convnet", small);
    expect(() => modelOfProgram({ ...program, one: { ...program.one, outputs: { a: 0, b: 1 } } })).toThrow(
      "expected one input and one output",
    );
  });
});
