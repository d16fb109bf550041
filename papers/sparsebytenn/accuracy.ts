/** Trains a small MobileNetV1, removes groups in every way, and fine-tunes each network alike. */
import { createRng } from "../../src/core/index.js";
import { take } from "../../src/data/index.js";
import { createEngine } from "../../src/engine/index.js";
import { createModel, inferenceProgram } from "../../src/models/index.js";
import { cosineRate, sgd } from "../../src/optim/index.js";
import { anyBatch, type BatchProgram } from "../../src/program/index.js";
import { accuracyOf, fineTune, type PrunePattern, pruneChannels, pruneProgram, rearrangeChannels } from "../../src/train/index.js";
import type { JobContext } from "../harness/index.js";
import { splitsOf } from "../shared/datasets.js";
import { trainToEnd } from "../shared/training.js";
import { type AccuracyConfig, type Arm, type ArmResult, type Result, type Retained, ratios } from "./config.js";

/** Test pictures: 25 networks are measured per seed. */
const TESTED = 2000;
const arms: readonly Arm[] = ["unstructured", "groups", "groups-rearranged", "filters"];

/** Measures one seed. */
export async function measureAccuracy(config: AccuracyConfig, context: JobContext): Promise<Result> {
  const { seed, data, images, width, epochs, tuning, batch, rate, filters } = config;
  const { train, test: all } = await splitsOf(data, context.dataFolder, images);
  const test = take(all, TESTED);
  const model = createModel("mobilenetV1", { inputShape: train.shape, classes: train.classes, width, firstStride: 1 });
  const program: BatchProgram = anyBatch((n) => inferenceProgram(model, n));
  const engine = await createEngine({ threads: context.threads });
  try {
    const steps = epochs * Math.floor(train.count / batch);
    const { params } = await trainToEnd(
      engine,
      {
        model,
        train,
        test,
        optimizer: sgd({ momentum: 0.9, nesterov: true, decay: 4e-5 }),
        rate: cosineRate(rate, { steps }),
        epochs,
        batchSize: batch,
        seed,
      },
      context,
      { span: [0, 0.3] },
    );
    const percent = (p: typeof params, of = program) => 100 * accuracyOf(engine, of, p, test);
    const found: ArmResult[] = [];
    const retained: Retained[] = [];
    const rng = createRng(seed);
    for (const [i, ratio] of ratios.entries()) {
      const moved = rearrangeChannels({
        program,
        params,
        sparsity: ratio,
        filters,
        rng: rng.split(`order ${ratio}`),
        budget: 1500,
      });
      retained.push({
        ratio,
        before: moved.before / moved.total,
        sorted: moved.sorted / moved.total,
        after: moved.after / moved.total,
      });
      for (const [k, arm] of arms.entries()) {
        context.progress(0.3 + (0.7 * (i * arms.length + k)) / (arms.length * ratios.length), `${arm} at ${ratio}`);
        const common = { engine, program, method: "magnitude", sparsity: ratio, rng: rng.split(`${arm} ${ratio}`) } as const;
        const pattern: PrunePattern =
          arm === "unstructured" ? { kind: "unstructured", scope: "tensor" } : { kind: "kernels", filters };
        // Filters: the same share of weights must go, and cutting a share c of all channels leaves (1 - c)^2 of them.
        const small =
          arm === "filters"
            ? { masks: {}, ...pruneChannels({ ...common, params, sparsity: 1 - Math.sqrt(1 - ratio) }) }
            : { program, ...pruneProgram({ ...common, params: arm === "groups-rearranged" ? moved.params : params, pattern }) };
        const run = fineTune({
          engine,
          program: small.program,
          params: small.params,
          masks: small.masks,
          train,
          test: take(test, 256),
          epochs: tuning,
          batchSize: batch,
          rate: rate / 5,
          decay: 4e-5,
          seed,
          now: context.now,
        });
        let next = await run.next();
        while (!next.done) next = await run.next();
        found.push({ arm, ratio, pruned: percent(small.params, small.program), tuned: percent(next.value.params, small.program) });
      }
    }
    return { part: "accuracy", dense: percent(params), arms: found, retained };
  } finally {
    engine.close();
  }
}
