/** One prune from start to finish: model in, smaller model out, and what it cost. */
import { createRng, InputError, type Tensor, type Tree } from "../../src/core/index.js";
import { type DatasetSplits, horizontalFlip, padCrop } from "../../src/data/index.js";
import type { Engine } from "../../src/engine/index.js";
import { gradualMagnitude } from "../../src/methods/index.js";
import { type BatchProgram, describeChannels } from "../../src/program/index.js";
import { countKept, type Mask, type Updater } from "../../src/sparsity/index.js";
import {
  type Calibration,
  type CurvePoint,
  type CutUnit,
  type PrunedLayer,
  pruneChannels,
  pruneProgram,
  type Quantised,
  quantise,
  rearrangeChannels,
  reestimateBatchNorm,
} from "../../src/train/index.js";
import type { Source } from "../network/source.js";
import type { TaskData } from "./data.js";
import type { Score } from "./examples.js";
import { optionsOf, type PruneFlags, type PrunePlan } from "./options.js";
import { tune } from "./tuning.js";

/** One step of the account: what was done, and the accuracy after it (null without data). */
export interface Stage {
  readonly stage: string;
  readonly accuracy: number | null;
  /** Of the outputs from those of the network as given, relative; null where accuracy says more, or without data. */
  readonly deviation: number | null;
  readonly seconds: number;
}

/** A pruned network with its account. */
export interface Pruned {
  readonly program: BatchProgram;
  readonly params: Tree<Tensor>;
  readonly masks: Tree<Mask>;
  readonly stages: readonly Stage[];
  readonly layers: readonly PrunedLayer[];
  /** What was cut, with --pattern channels. */
  readonly groups: readonly CutUnit[];
  /** Every channel group and why it hangs together, with --pattern channels. */
  readonly channels: string | null;
  /** Retained sum of |w| of kernel groups before and after rearrangement, as shares of the whole. */
  readonly rearranged: { readonly before: number; readonly sorted: number; readonly after: number } | null;
  /** The fine-tuning, epoch by epoch. */
  readonly curve: readonly CurvePoint[];
  /** With --quantise: where each weight's scale lies, and what stayed f32 and why. */
  readonly int8: Pick<Quantised, "scales" | "notes"> | null;
}

/** What the steps use of the world. */
export interface PruneContext {
  readonly engine: Engine;
  readonly data: TaskData | undefined;
  readonly seed: number;
  /** The output folder: holds the checkpoint of a fine-tuning that is under way. */
  readonly folder: string;
  readonly now: () => number;
  readonly progress: (done: number, total: number, words: string) => void;
  readonly log: (line: string) => void;
}

const calibrationBatch = 32;

/** "accuracy 91.65 %", "outputs deviate by 3.2 %". */
const scoreText = ({ accuracy, deviation }: Score): string =>
  [
    ...(accuracy === null ? [] : [`accuracy ${(100 * accuracy).toFixed(2)} %`]),
    ...(deviation === null ? [] : [`outputs deviate by ${(100 * deviation).toFixed(1)} %`]),
  ].join(", ") || "no data, accuracy not measured";

/** @throws InputError, OptionError from any step */
export async function pruneSource(source: Source, plan: PrunePlan, flags: PruneFlags, context: PruneContext): Promise<Pruned> {
  const { engine, data, seed, folder, now, progress, log } = context;
  const splits = data?.splits;
  if (flags.finetune > 0 && !splits)
    throw new InputError("--finetune: needs examples with labels, for a model of one input and one output [count, classes]");
  const rng = createRng(seed);
  const stages: Stage[] = [];
  let { program, params } = source;
  let since = now();
  const stage = async (name: string, seconds = (now() - since) / 1000) => {
    const score = data ? await data.score(engine, program, params) : { accuracy: null, deviation: null };
    stages.push({ stage: name, ...score, seconds });
    log(`${name}: ${scoreText(score)} (${seconds.toFixed(1)} s)`);
    since = now();
  };
  await stage("as given");

  const { sparsity, method, repair } = plan;
  let rearranged: Pruned["rearranged"] = null;
  if (flags.rearrange && plan.pattern.kind !== "channels") {
    const filters = plan.pattern.kind === "kernels" ? plan.pattern.filters : plan.pattern.kind === "block" ? plan.pattern.rows : 1;
    const found = rearrangeChannels({ ...plan, program, params, sparsity, filters, rng: rng.split("rearrange") });
    params = found.params;
    rearranged = { before: found.before / found.total, sorted: found.sorted / found.total, after: found.after / found.total };
    await stage("channels rearranged");
  }
  const needs = method === "wanda" || repair !== "none";
  const calibration: Calibration | undefined =
    needs && data
      ? data.calibration(
          program,
          flags.calibrate,
          rng.split("calibration"),
          Math.min(calibrationBatch, flags.calibrate, data.count),
        )
      : undefined;
  const common = { engine, program, params, calibration, rng: rng.split("prune"), progress };
  let masks: Tree<Mask> = {};
  let layers: readonly PrunedLayer[] = [];
  let groups: readonly CutUnit[] = [];
  let channels: string | null = null;
  let updater: Updater | undefined;
  let curve: readonly CurvePoint[] = [];
  if (plan.pattern.kind === "channels") {
    const cut = pruneChannels({
      ...common,
      exclude: plan.exclude,
      sparsity,
      method: method as "magnitude" | "random" | "wanda",
      repair: repair as "none" | "least-squares",
    });
    ({ program, params, groups } = cut);
    channels = describeChannels(cut.graph);
  } else {
    const pruned = pruneProgram({ ...common, ...plan, pattern: plan.pattern });
    ({ masks, layers } = pruned);
    if (flags.gradual) updater = gradual(plan, layers, flags, splits!);
    else params = pruned.params;
  }
  if (!flags.gradual) await stage(`pruned (${method}${repair === "none" ? "" : `, ${repair} repair`})`);
  if (flags.reestimate && data && !flags.gradual) {
    const batch = Math.min(128, Math.max(2, Math.floor(Math.min(flags.calibrate, data.count) / 2)));
    const found = reestimateBatchNorm(
      engine,
      program,
      params,
      data.calibration(program, Math.max(flags.calibrate, 2 * batch), rng.split("batch norm"), batch),
      plan.pattern.kind === "channels" ? undefined : common.params,
    );
    if (found.count > 0) {
      params = found.params;
      await stage(`batch norm re-estimated (${found.count} layers)`);
    } else log("batch norm: the model has none to re-estimate (folded, or never there)");
  }
  if (flags.finetune > 0 && splits) {
    const square = splits.train.shape.length === 3 && flags.data === "cifar10";
    const tuned = await tune(
      {
        engine,
        program,
        params,
        ...(updater ? { updater } : { masks }),
        train: splits.train,
        test: splits.test,
        epochs: flags.finetune,
        rate: flags.rate,
        batchSize: Math.min(128, splits.train.count),
        augment: square ? [padCrop(4), horizontalFlip()] : [],
        seed,
        now,
      },
      optionsOf(flags),
      { folder, progress, log },
    );
    ({ params, masks, curve } = tuned);
    await stage(
      `fine-tuned (${flags.finetune} epochs)`,
      curve.reduce((sum, point) => sum + point.seconds, 0),
    );
  }
  let int8: Pruned["int8"] = null;
  if (flags.quantise !== undefined && data) {
    const chosen = data.calibration(
      program,
      flags.calibrate,
      rng.split("ranges"),
      Math.min(calibrationBatch, flags.calibrate, data.count),
    );
    const made = quantise({
      engine,
      program,
      params,
      calibration: chosen,
      progress: (done, total) => progress(done, total, "ranges"),
    });
    await engine.enableInt8();
    ({ program, params } = made);
    int8 = { scales: made.scales, notes: made.notes };
    await stage("quantised (int8)");
  }
  const finished = layers.map((layer) => {
    const mask = masks[layer.path];
    const kept = mask ? countKept(mask) : layer.weights;
    return { ...layer, kept, sparsity: 1 - kept / layer.weights, note: flags.gradual && mask ? "gradual magnitude" : layer.note };
  });
  return { program, params, masks, stages, layers: finished, groups, channels, rearranged, curve, int8 };
}

/** Gradual magnitude pruning over the first half of the fine-tuning, to the sparsity that was asked for. */
function gradual(plan: PrunePlan, layers: readonly PrunedLayer[], flags: PruneFlags, data: DatasetSplits): Updater {
  const batch = Math.min(128, data.train.count);
  const steps = flags.finetune * Math.max(1, Math.floor(data.train.count / batch));
  const end = Math.max(2, Math.floor(steps / 2));
  return gradualMagnitude({
    sparsity: plan.sparsity,
    begin: 1,
    end,
    every: Math.max(1, Math.floor(end / 20)),
    distribution: plan.distribution,
    ...(plan.pattern.kind === "kernels" || plan.pattern.kind === "channels" ? {} : { pattern: plan.pattern }),
    exclude: layers.filter(({ kept, weights, kind }) => kept === weights && kind !== "depthwise").map(({ path }) => path),
  });
}
