/**
 * The training loop: joins a model, an optimiser and a method. An async generator: it yields what happened, does no I/O, and
 * whoever drives it stores checkpoints, shows progress, or stops.
 */
import { createRng, InputError, mapTree, OptionError, type Rng, requireInteger, type Tensor, type Tree } from "../core/index.js";
import { type Augmentation, createLoader, type Dataset } from "../data/index.js";
import type { Engine } from "../engine/index.js";
import { countParams, type Model } from "../models/index.js";
import { initParams } from "../nn/index.js";
import type { Optimizer, RateSchedule } from "../optim/index.js";
import { applyMask, countKept, type Mask, type ParamInfo, type Updater } from "../sparsity/index.js";
import { type Checkpoint, type CurvePoint, readCheckpoint, writeCheckpoint } from "./checkpoint.js";
import { createHolder, type Holder, type Snapshot, type StorageChoice } from "./holder.js";

/** What to train, on what, how. */
export interface TrainOptions {
  readonly engine: Engine;
  readonly model: Model;
  readonly train: Dataset;
  readonly test: Dataset;
  readonly optimizer: Optimizer;
  /** Learning rate by step. */
  readonly rate: RateSchedule;
  /** At least 1. */
  readonly epochs: number;
  /** Examples in a batch, at least 1; the last incomplete batch of an epoch is dropped. */
  readonly batchSize: number;
  /** Decides everything random: first weights, masks, order of examples, augmentation. */
  readonly seed: number;
  /** The method; none trains dense. */
  readonly updater?: Updater | undefined;
  /** How masked weights are held; default `auto`. */
  readonly storage?: StorageChoice;
  readonly augment?: readonly Augmentation[];
  /** First values instead of the model's own (fine-tuning). */
  readonly initial?: Tree<Tensor>;
  /** A checkpoint of this same run to go on from. */
  readonly resume?: Uint8Array | undefined;
  /** What else makes this run what it is (the weights it begins from, the bytes of its data): a checkpoint with another label is refused. */
  readonly label?: string | undefined;
  /** Milliseconds from a monotonic clock, for the curve's seconds. */
  readonly now: () => number;
  /** Steps between `step` events, at least 1; default 20. */
  readonly reportEvery?: number;
}

/** What the loop tells. */
export type TrainEvent =
  | {
      readonly kind: "step";
      readonly epoch: number;
      readonly step: number;
      readonly steps: number;
      readonly loss: number;
      readonly sparsity: number;
    }
  | { readonly kind: "epoch"; readonly point: CurvePoint; readonly checkpoint: () => Uint8Array };

/** What training ends with. */
export interface Trained {
  /** Params of the model (no slots); pruned weights are exactly zero. */
  readonly params: Tree<Tensor>;
  readonly masks: Tree<Mask>;
  readonly curve: readonly CurvePoint[];
  readonly accuracy: number;
}

const KINDS: Readonly<Record<string, ParamInfo["kind"]>> = {
  linear: "linear",
  conv: "conv",
  depthwise: "depthwise",
  embedding: "embedding",
  recurrent: "recurrent",
  attention: "linear",
};

/** What methods may know of a model's params. */
export function paramInfos(model: Model): Tree<ParamInfo> {
  return mapTree(model.module.params, (def): ParamInfo => {
    const kind =
      def.kind === "weight" ? (KINDS[def.role] ?? "other") : def.kind === "bias" ? "bias" : def.kind === "norm" ? "norm" : "other";
    return { shape: def.shape, prunable: def.prunable && def.kind === "weight", kind };
  });
}

/** Share of zeros among masked weights. */
export function sparsityOf(masks: Tree<Mask>): number {
  let kept = 0;
  let all = 0;
  for (const mask of Object.values(masks)) {
    kept += countKept(mask);
    all += mask.data.length;
  }
  return all === 0 ? 0 : 1 - kept / all;
}

/**
 * Trains.
 *
 *     for await (const event of train(options)) if (event.kind === "epoch") console.log(event.point.testAccuracy);
 *
 * @yields a `step` event every `reportEvery` steps, an `epoch` event after each epoch
 * @returns final params and masks
 * @throws OptionError for options out of range; InputError when the loss is no longer finite, or a checkpoint belongs to another run
 */
export async function* train(options: TrainOptions): AsyncGenerator<TrainEvent, Trained> {
  const { engine, model, optimizer, rate, updater, now } = options;
  const epochs = requireInteger("train.epochs", options.epochs, 1);
  const reportEvery = requireInteger("train.reportEvery", options.reportEvery ?? 20, 1);
  requireFit(options);
  const rng = createRng(options.seed);
  const loader = createLoader(options.train, {
    batchSize: options.batchSize,
    rng: rng.split("data"),
    remainder: "drop",
    augment: options.augment ?? [],
  });
  const steps = epochs * loader.batchesPerEpoch;
  const infos = paramInfos(model);
  const stored = updater?.maskedValues === "stored";
  const identity = JSON.stringify([
    model.name,
    model.options,
    optimizer.name,
    options.seed,
    epochs,
    options.batchSize,
    updater?.name ?? "dense",
    // Options of functions do not show: what they make of this run does.
    [0, steps >> 1, steps].map((step) => [rate(step), updater?.targetSparsity(step) ?? 0]),
    options.storage ?? "auto",
    options.train.count,
    ...(options.label === undefined ? [] : [options.label]),
  ]);
  const common = {
    engine,
    model,
    optimizer,
    batchSize: options.batchSize,
    storage: options.storage ?? "auto",
    stored,
    hooks: updater,
    single: updater?.rewire !== undefined,
  };

  let resumed: Checkpoint | undefined;
  let holder: Holder;
  let state: unknown;
  if (options.resume) {
    resumed = readCheckpoint(options.resume, identity);
    holder = createHolder(common, resumed.snapshot);
    state = resumed.methodState ?? undefined;
  } else {
    const begun = await begin(options, rng, infos, loader.epoch(0).next().value!, steps);
    holder = createHolder(common, begun.snapshot);
    state = begun.state;
  }
  const curve: CurvePoint[] = [...(resumed?.curve ?? [])];
  const keys = rng.split("keys").state().key | 0;
  try {
    for (let epoch = resumed?.epoch ?? 0; epoch < epochs; epoch++) {
      let step = epoch * loader.batchesPerEpoch;
      let lossSum = 0;
      let rightSum = 0;
      let busy = 0;
      for (const batch of loader.epoch(epoch)) {
        const start = now();
        if (updater?.isDue(step)) state = applyUpdate(updater, holder, { step, infos, state, rng: rng.split("method") }, batch);
        const { loss, accuracy } = holder.step(batch, optimizer.feed(step, rate(step)), [keys, step]);
        busy += now() - start;
        if (!Number.isFinite(loss))
          throw new InputError(`train: the loss is ${loss} at step ${step}; lower the learning rate or look at the data`);
        lossSum += loss;
        rightSum += accuracy;
        step++;
        if (step % reportEvery === 0) yield { kind: "step", epoch, step, steps, loss, sparsity: sparsityOf(holder.masks) };
      }
      const test = holder.evaluate(options.test);
      const point: CurvePoint = {
        epoch: epoch + 1,
        trainLoss: lossSum / loader.batchesPerEpoch,
        trainAccuracy: rightSum / loader.batchesPerEpoch,
        testAccuracy: test.accuracy,
        testLoss: test.loss,
        sparsity: sparsityOf(holder.masks),
        learningRate: rate(step - 1),
        seconds: busy / 1000,
      };
      curve.push(point);
      const held = { epoch: epoch + 1, methodState: state ?? null, curve: [...curve], identity };
      yield { kind: "epoch", point, checkpoint: () => writeCheckpoint({ ...held, snapshot: holder.snapshot() }) };
    }
    const params = holder.weights();
    const masked = mapTree(params, (value, path) => (holder.masks[path] ? applyMask(value, holder.masks[path]!) : value));
    return { params: masked, masks: holder.masks, curve, accuracy: curve.at(-1)!.testAccuracy };
  } finally {
    holder.close();
  }
}

/** Runs a method's update at a due step. @returns its new state */
function applyUpdate(
  updater: Updater,
  holder: Holder,
  { step, infos, state, rng }: { step: number; infos: Tree<ParamInfo>; state: unknown; rng: Rng },
  batch: { inputs: Float32Array; labels: Int32Array },
): unknown {
  if (updater.rewire && holder.storage === "csr") {
    for (const path of Object.keys(holder.masks)) {
      const { rowPtr, columns, values } = holder.live(path);
      const shape = holder.masks[path]!.shape;
      const csr = { rows: shape[0]!, cols: shape.slice(1).reduce((a, b) => a * b, 1), rowPtr, columns };
      const next = updater.rewire({ step, path, csr, values, rng });
      holder.setLive(path, { rowPtr: next.csr.rowPtr, columns: next.csr.columns, values: next.values });
    }
    return state;
  }
  const grads = updater.needsGradients ? holder.gradients(batch, Object.keys(holder.masks)) : undefined;
  const updated = updater.update({
    step,
    params: holder.weights(),
    infos,
    masks: holder.masks,
    state,
    rng,
    ...(grads ? { grads } : {}),
  });
  holder.remask(updated, updater.maskedValues === "stored");
  return updated.state;
}

/** First weights, and the method's first masks. */
async function begin(
  options: TrainOptions,
  rng: Rng,
  infos: Tree<ParamInfo>,
  batch: { inputs: Float32Array; labels: Int32Array },
  steps: number,
): Promise<{ snapshot: Snapshot; state: unknown }> {
  const { model, updater } = options;
  const params = { ...initParams(model.module, rng.split("init")), ...options.initial };
  if (!updater) return { snapshot: { values: params, masks: {} }, state: undefined };
  const gradients = () => {
    const { engine, optimizer, batchSize } = options;
    const probe = createHolder(
      { engine, model, optimizer, batchSize, storage: "masked", stored: false },
      { values: params, masks: {} },
    );
    try {
      return probe.gradients(
        batch,
        Object.keys(infos).filter((path) => infos[path]!.prunable),
      );
    } finally {
      probe.close();
    }
  };
  const { masks, state } = await updater.init({ params, infos, rng: rng.split("masks"), gradients, steps });
  const values = mapTree(params, (value, path) =>
    masks[path] && updater.maskedValues === "zero" ? applyMask(value, masks[path]!) : value,
  );
  return { snapshot: { values, masks }, state };
}

/** Bytes that an engine's memory can ever hold. */
const MOST_BYTES = 2 ** 32;

/**
 * Checks that a model fits the data, and the memory. Nothing is allocated.
 * @throws InputError when inputs have another shape, or the weights alone are more than an engine can hold; OptionError when the data
 *   have more classes
 */
export function requireFit({ model, train: data, test }: Pick<TrainOptions, "model" | "train" | "test">): void {
  const bytes = 4 * countParams(model, () => true);
  if (bytes >= MOST_BYTES)
    throw new InputError(
      `train: out of memory: the weights of ${model.name} take ${(bytes / 2 ** 30).toFixed(1)} GiB, an engine holds less than 4 GiB; use a smaller width or fewer layers`,
    );

  for (const set of [data, test]) {
    if (set.shape.join() !== model.inputShape.join()) {
      throw new InputError(
        `train: the model ${model.name} takes examples of [${model.inputShape}], the dataset ${set.name} has [${set.shape}]; set the model's inputShape`,
      );
    }
    if (set.classes > model.classes)
      throw new OptionError(`${model.name}.classes`, `at least the ${set.classes} classes of ${set.name}`, model.classes);
  }
}
