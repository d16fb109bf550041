/** Trains one entry, saves its network, reloads it from disk, and measures everything about it that no clock is needed for. */
import { readFileSync } from "node:fs";
import { mapTree, type Tensor, type Tree } from "../../src/core/index.js";
import { createLoader, type Dataset, type DatasetSplits } from "../../src/data/index.js";
import type { Engine } from "../../src/engine/index.js";
import type { Model } from "../../src/models/index.js";
import { atBatch, withLayouts } from "../../src/program/index.js";
import { createSession, type ModelFile, writeModel } from "../../src/runtime/index.js";
import { type MethodCard, type RunCard, trainingFlops, type Updater, validateRunCard } from "../../src/sparsity/index.js";
import { CSR_DENSITY, type TrainEvent, type Trained, train } from "../../src/train/index.js";
import { layersOfFile, packNetwork, totalsOf, unpackNetwork } from "../network/file.js";
import { methodOptions } from "../recipe/method.js";
import type { PlannedEntry, Recipe } from "../recipe/recipe.js";
import type { RunFolder } from "./folder.js";
import type { EntryResult, LayerResult, RunMachine } from "./results.js";
import { augmentationsOf, modelOfEntry, optimizerOf, rateOf, stepsOf, updaterOf } from "./setting.js";

/** An entry's result without what is measured by the clock when all are trained. */
export type TrainedEntry = Omit<
  EntryResult,
  | "msBatch1"
  | "msBatch64"
  | "msBatch1Threads"
  | "medians"
  | "msBatch64Threads"
  | "speedupBatch1"
  | "speedupBatch64"
  | "speedupBatch1Threads"
  | "speedupBatch64Threads"
  | "speedupSparseLayers"
>;

/** What training an entry needs. */
export interface EntrySetting {
  readonly recipe: Recipe;
  readonly entry: PlannedEntry;
  readonly data: DatasetSplits;
  readonly engine: Engine;
  readonly folder: RunFolder<TrainedEntry>;
  readonly machine: RunMachine;
  readonly now: () => number;
  readonly onEvent: (event: TrainEvent) => void;
}

/** Lets signals, timers and the progress bars have a turn: training itself never waits. */
const breathe = () => new Promise<void>((done) => setImmediate(done));

async function trainIt(
  { recipe, entry, data, engine, folder, now, onEvent }: EntrySetting,
  updater: Updater | undefined,
): Promise<{ trained: Trained; model: Model }> {
  const model = modelOfEntry(recipe, entry, data.train);
  const steps = stepsOf(recipe, data.train);
  const loop = train({
    engine,
    model,
    train: data.train,
    test: data.test,
    optimizer: optimizerOf(recipe, model),
    rate: rateOf(recipe, steps),
    epochs: recipe.train.epochs,
    batchSize: recipe.train.batch,
    seed: recipe.seed,
    updater,
    augment: augmentationsOf(recipe),
    resume: folder.checkpoint(entry.id),
    now,
    reportEvery: 10,
  });
  for (;;) {
    const next = await loop.next();
    if (next.done) return { trained: next.value, model };
    if (next.value.kind === "epoch") folder.saveCheckpoint(entry.id, next.value.checkpoint());
    onEvent(next.value);
    await breathe();
  }
}

/** The greatest logit of each example of a whole data set. @param run logits of a full batch of 64 */
function classesOf(data: Dataset, run: (inputs: Float32Array) => Float32Array): Int32Array {
  const out = new Int32Array(data.count);
  for (const { index, inputs, count } of createLoader(data, { batchSize }).epoch(0)) {
    const logits = run(inputs);
    const classes = logits.length / batchSize;
    for (let i = 0; i < count; i++) {
      let best = 0;
      for (let c = 1; c < classes; c++) if (logits[i * classes + c]! > logits[i * classes + best]!) best = c;
      out[index * batchSize + i] = best;
    }
  }
  return out;
}

const batchSize = 64;

/** Predictions of a model file with every compressed weight run sparse. */
async function predictSparse(engine: Engine, file: ModelFile, data: Dataset): Promise<Int32Array> {
  const session = await createSession(file, { engine, kernels: "sparse" });
  try {
    return classesOf(data, (x) => session.run({ x })["logits"]!.data);
  } finally {
    session.close();
  }
}

/** Predictions of a model's program with dense kernels on the trained weights: sums in the same order, so the same bits. */
function predictDense(engine: Engine, { program }: ModelFile, params: Tree<Tensor>, data: Dataset): Int32Array {
  const dense = withLayouts(atBatch(program, batchSize), {});
  const store = engine.params(
    mapTree(params, ({ shape }) => ({ shape })),
    params,
  );
  try {
    const plan = engine.compile(dense, store, { frozen: true, winograd: false });
    try {
      return classesOf(data, (x) => plan.run({ x })["logits"]!.data);
    } finally {
      plan.close();
    }
  } finally {
    store.close();
  }
}

function layerResults(file: ModelFile): LayerResult[] {
  return layersOfFile(file).map(({ path, shape, params, nonZeros }) => {
    return {
      name: path,
      shape: [...shape],
      params,
      nonZeros,
      sparsity: 1 - nonZeros / params,
      kernel: undefined,
      reason: undefined,
      ms: undefined,
      denseMs: undefined,
    };
  });
}

const optionStep = (options: Readonly<Record<string, unknown>>, ...names: string[]): number | null => {
  for (const name of names) if (typeof options[name] === "number") return options[name];
  return null;
};

/** Theoretical FLOPs of a whole training: between dense and final in proportion to the sparsity of each epoch. */
function trainingFlopsOf(
  curve: Trained["curve"],
  examples: number,
  dense: number,
  final: number,
  sparsity: number,
  dueEvery: number | null,
): number {
  return curve.reduce((sum, point) => {
    const share = sparsity === 0 ? 0 : Math.min(1, point.sparsity / sparsity);
    const forward = dense - (dense - final) * share;
    return sum + examples * trainingFlops(forward, dueEvery === null ? undefined : { forward: dense, every: dueEvery });
  }, 0);
}

function cardOf(
  card: MethodCard,
  setting: EntrySetting,
  facts: {
    trained: Trained;
    flops: number;
    denseFlops: number;
    bytes: number;
    realised: number;
    layers: readonly LayerResult[];
    real: boolean;
    needsGradients: boolean;
  },
): RunCard {
  const { recipe, entry, data, machine } = setting;
  const steps = stepsOf(recipe, data.train);
  const options = methodOptions(entry.method, entry.sparsity, entry.options, steps);
  const every = optionStep(options, "every");
  const examples = Math.floor(data.train.count / recipe.train.batch) * recipe.train.batch;
  const total = trainingFlopsOf(
    facts.trained.curve,
    examples,
    facts.denseFlops,
    facts.flops,
    facts.realised,
    facts.needsGradients ? every : null,
  );
  return validateRunCard({
    ...card,
    targetSparsity: entry.sparsity,
    realisedSparsity: facts.realised,
    perLayer: Object.fromEntries(facts.layers.map(({ name, sparsity }) => [name, sparsity])),
    begin: optionStep(options, "begin", "at"),
    end: optionStep(options, "end", "until"),
    every,
    trainingFlops: total,
    trainingFlopsRelative: total / (3 * facts.denseFlops * examples * recipe.train.epochs),
    inferenceFlops: facts.flops,
    storedBytes: facts.bytes,
    seeds: [recipe.seed],
    data: `${data.train.name} (${data.train.source})`,
    split: `${data.train.count} train, ${data.test.count} test`,
    hardware: machine.cpu,
    threads: machine.threads,
    kernels: facts.real ? "real" : "simulated",
    claim: "not tested",
  });
}

/** Trains, saves, reloads and examines one entry. The accuracy is that of the network as it lies on the disk. */
export async function trainEntry(setting: EntrySetting): Promise<TrainedEntry> {
  const { recipe, entry, data, engine, folder } = setting;
  const updater = updaterOf(entry, stepsOf(recipe, data.train));
  const { trained, model } = await trainIt(setting, updater);
  const packed = packNetwork(model, trained.params, trained.masks, {
    method: entry.method,
    name: entry.name,
    seed: String(recipe.seed),
  });
  const path = folder.saveModel(entry.id, "safetensors", writeModel(packed));
  const bytes = readFileSync(path);
  const reloaded = unpackNetwork(bytes, path);
  const fromDisk = await predictSparse(engine, reloaded, data.test);
  const inMemory = predictDense(engine, packed, trained.params, data.test);
  let right = 0;
  let equal = true;
  for (let i = 0; i < fromDisk.length; i++) {
    if (fromDisk[i] === data.test.labels[i]) right++;
    equal &&= fromDisk[i] === inMemory[i];
  }
  const layers = layerResults(reloaded);
  const prunable = layers.filter(({ name }) => model.module.params[name]!.prunable);
  const sum = (list: readonly LayerResult[], of: (layer: LayerResult) => number) =>
    list.reduce((total, layer) => total + of(layer), 0);
  const totals = totalsOf(reloaded);
  const realised = 1 - sum(prunable, ({ nonZeros }) => nonZeros) / sum(prunable, ({ params }) => params);
  const weights = layersOfFile(reloaded);
  const flops = weights.reduce((total, { nonZeros, uses }) => total + 2 * nonZeros * uses, 0);
  const denseFlops = weights.reduce((total, { params, uses }) => total + 2 * params * uses, 0);
  const real =
    updater?.maskedValues === "zero" && updater.card.axes.path === "sparse-to-sparse" && 1 - entry.sparsity < CSR_DENSITY;
  const facts = {
    trained,
    flops,
    denseFlops,
    bytes: bytes.length,
    realised,
    layers,
    real,
    needsGradients: updater?.needsGradients ?? false,
  };
  return {
    id: entry.id,
    name: entry.name,
    method: entry.method,
    seed: recipe.seed,
    targetSparsity: entry.sparsity,
    realisedSparsity: realised,
    testAccuracy: right / data.test.count,
    params: totals.params,
    nonZeros: totals.nonZeros,
    bytesOnDisk: bytes.length,
    theoreticalFlops: flops,
    denseFlops,
    trainingKernels: updater === undefined ? "dense" : real ? "sparse" : "simulated",
    trainSeconds: trained.curve.reduce((total, { seconds }) => total + seconds, 0),
    reloadedEqual: equal,
    layers,
    curve: trained.curve.map(({ epoch, trainLoss, trainAccuracy, testAccuracy, sparsity, seconds }) => ({
      epoch,
      trainLoss,
      trainAccuracy,
      testAccuracy,
      sparsity,
      seconds,
    })),
    card: updater ? cardOf(updater.card, setting, facts) : null,
  };
}
