/** Trains a small MobileNetV1, removes groups in every way, and fine-tunes each network alike. */
import { createRng, type Tree } from "../../src/core/index.js";
import { take } from "../../src/data/index.js";
import { createEngine } from "../../src/engine/index.js";
import { createModel, inferenceProgram } from "../../src/models/index.js";
import { anyBatch, type BatchProgram } from "../../src/program/index.js";
import type { Mask } from "../../src/sparsity/index.js";
import { accuracyOf, fineTune, type PrunePattern, pruneChannels, pruneProgram, rearrangeChannels } from "../../src/train/index.js";
import type { JobContext } from "../harness/index.js";
import { splitsOf } from "../shared/datasets.js";
import { mobilenetTraining, trainToEnd } from "../shared/training.js";
import { type AccuracyConfig, type Arm, type ArmResult, groupSizes, type Result, type Retained, ratios } from "./config.js";

/** Test pictures: 32 networks are measured per seed. */
const TESTED = 2000;
const arms: readonly Arm[] = ["unstructured", "groups", "groups-rearranged", "groups-of-8", "filters"];

/** Measures one seed. */
export async function measureAccuracy(config: AccuracyConfig, context: JobContext): Promise<Result> {
  const { seed, data, images, width, epochs, tuning, batch, rate } = config;
  const { train, test: all } = await splitsOf(data, context.dataFolder, images);
  const test = take(all, TESTED);
  const model = createModel("mobilenetV1", { inputShape: train.shape, classes: train.classes, width, firstStride: 1 });
  const program: BatchProgram = anyBatch((n) => inferenceProgram(model, n));
  const engine = await createEngine({ threads: context.threads });
  try {
    const { params } = await trainToEnd(engine, mobilenetTraining({ model, train, test, epochs, batch, rate, seed }), context, {
      span: [0, 0.3],
    });
    const percent = (p: typeof params, of = program) => 100 * accuracyOf(engine, of, p, test);
    const found: ArmResult[] = [];
    const retained: Retained[] = [];
    const rng = createRng(seed);
    /** Fine-tunes, every network alike. */
    const tune = async (small: { program: BatchProgram; params: typeof params; masks: Tree<Mask> }) => {
      const run = fineTune({
        engine,
        ...small,
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
      return percent(next.value.params, small.program);
    };
    for (const [i, ratio] of ratios.entries()) {
      const [four, eight] = groupSizes.map((filters) => {
        const moved = rearrangeChannels({
          program,
          params,
          sparsity: ratio,
          filters,
          rng: rng.split(`order ${ratio} of ${filters}`),
          budget: 1500,
        });
        const { before, sorted, after, total } = moved;
        retained.push({ filters, ratio, before: before / total, sorted: sorted / total, after: after / total });
        return moved.params;
      }) as [typeof params, typeof params];
      for (const [k, arm] of arms.entries()) {
        context.progress(0.3 + (0.7 * (i * arms.length + k)) / (arms.length * ratios.length), `${arm} at ${ratio}`);
        const common = { engine, program, method: "magnitude", sparsity: ratio, rng: rng.split(`${arm} ${ratio}`) } as const;
        const pattern: PrunePattern =
          arm === "unstructured"
            ? { kind: "unstructured", scope: "tensor" }
            : { kind: "kernels", filters: arm === "groups-of-8" ? 8 : 4 };
        const start = arm === "groups-rearranged" ? four : arm === "groups-of-8" ? eight : params;
        // Filters: the same share of weights must go, and cutting a share c of all channels leaves (1 - c)^2 of them.
        const small =
          arm === "filters"
            ? { masks: {}, ...pruneChannels({ ...common, params, sparsity: 1 - Math.sqrt(1 - ratio) }) }
            : { program, ...pruneProgram({ ...common, params: start, pattern }) };
        const { program: its, params: weights, masks } = small;
        found.push({ arm, ratio, pruned: percent(weights, its), tuned: await tune({ program: its, params: weights, masks }) });
      }
    }
    const denseTuned = await tune({ program, params, masks: {} });
    return { part: "accuracy", dense: percent(params), denseTuned, arms: found, retained };
  } finally {
    engine.close();
  }
}
