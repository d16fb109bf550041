/** Trains one entry, saves its network, reloads it from disk, and measures everything about it that no clock is needed for. */
import { readFileSync } from "node:fs";
import { sizeOf, type Tree } from "../../src/core/index.js";
import { createLoader, type Dataset, type DatasetSplits } from "../../src/data/index.js";
import type { Engine } from "../../src/engine/index.js";
import { type LayerInfo, layersOf } from "../../src/models/index.js";
import { type MethodCard, type RunCard, trainingFlops, type Updater, validateRunCard } from "../../src/sparsity/index.js";
import { CSR_DENSITY, type Trained, type TrainEvent, train } from "../../src/train/index.js";
import { compileNetwork } from "../network/compiled.js";
import { decodeNetwork, encodeNetwork, type Network, nonZerosOf } from "../network/model-file.js";
import { methodOptions } from "../recipe/method.js";
import type { PlannedEntry, Recipe } from "../recipe/recipe.js";
import type { RunFolder } from "./folder.js";
import type { EntryResult, LayerResult, RunMachine } from "./results.js";
import { augmentationsOf, modelOfEntry, optimizerOf, rateOf, stepsOf, updaterOf } from "./setting.js";

/** An entry's result without what is measured by the clock when all are trained. */
export type TrainedEntry = Omit<
  EntryResult,
  "msBatch1" | "msBatch64" | "msBatch1Threads" | "msBatch64Threads" | "speedupBatch1" | "speedupBatch64" | "speedupSparseLayers"
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

async function trainIt({ recipe, entry, data, engine, folder, now, onEvent }: EntrySetting, updater: Updater | undefined): Promise<{ trained: Trained; network: Network }> {
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
    if (next.done) {
      const { params, masks } = next.value;
      return { trained: next.value, network: { model, params, masked: Object.keys(masks), notes: { method: entry.method, name: entry.name, seed: String(recipe.seed) } } };
    }
    if (next.value.kind === "epoch") folder.saveCheckpoint(entry.id, next.value.checkpoint());
    onEvent(next.value);
    await breathe();
  }
}

/** Predicted classes of a whole data set. */
export function predict(engine: Engine, network: Network, data: Dataset, sparse: readonly string[]): Int32Array {
  const batch = 64;
  const compiled = compileNetwork(engine, network, batch, { sparse, winograd: false });
  try {
    const out = new Int32Array(data.count);
    const { classes } = network.model;
    for (const { index, inputs, count } of createLoader(data, { batchSize: batch }).epoch(0)) {
      const logits = compiled.run(inputs);
      for (let i = 0; i < count; i++) {
        let best = 0;
        for (let c = 1; c < classes; c++) if (logits[i * classes + c]! > logits[i * classes + best]!) best = c;
        out[index * batch + i] = best;
      }
    }
    return out;
  } finally {
    compiled.close();
  }
}

const weightsOf = (network: Network): LayerInfo[] => layersOf(network.model).filter(({ kind }) => kind === "weight");

function layerResults(network: Network): LayerResult[] {
  return weightsOf(network).map(({ path, shape }) => {
    const params = sizeOf(shape);
    const nonZeros = network.masked.includes(path) ? nonZerosOf(network.params[path]!) : params;
    return { name: path, shape: [...shape], params, nonZeros, sparsity: 1 - nonZeros / params, kernel: undefined, reason: undefined, ms: undefined, denseMs: undefined };
  });
}

const flopsOf = (network: Network, count: (layer: LayerResult) => number): number => {
  const uses: Tree<number> = Object.fromEntries(weightsOf(network).map(({ path, uses }) => [path, uses]));
  return layerResults(network).reduce((sum, layer) => sum + 2 * count(layer) * uses[layer.name]!, 0);
};

const optionStep = (options: Readonly<Record<string, unknown>>, ...names: string[]): number | null => {
  for (const name of names) if (typeof options[name] === "number") return options[name];
  return null;
};

/** Theoretical FLOPs of a whole training: between dense and final in proportion to the sparsity of each epoch. */
function trainingFlopsOf(curve: Trained["curve"], examples: number, dense: number, final: number, sparsity: number, dueEvery: number | null): number {
  return curve.reduce((sum, point) => {
    const share = sparsity === 0 ? 0 : Math.min(1, point.sparsity / sparsity);
    const forward = dense - (dense - final) * share;
    return sum + examples * trainingFlops(forward, dueEvery === null ? undefined : { forward: dense, every: dueEvery });
  }, 0);
}

function cardOf(card: MethodCard, setting: EntrySetting, facts: { trained: Trained; flops: number; denseFlops: number; bytes: number; realised: number; layers: readonly LayerResult[]; real: boolean; needsGradients: boolean }): RunCard {
  const { recipe, entry, data, machine } = setting;
  const steps = stepsOf(recipe, data.train);
  const options = methodOptions(entry.method, entry.sparsity, entry.options, steps);
  const every = optionStep(options, "every");
  const examples = Math.floor(data.train.count / recipe.train.batch) * recipe.train.batch;
  const total = trainingFlopsOf(facts.trained.curve, examples, facts.denseFlops, facts.flops, facts.realised, facts.needsGradients ? every : null);
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
  const { trained, network } = await trainIt(setting, updater);
  const path = folder.saveModel(entry.id, "safetensors", encodeNetwork(network));
  const bytes = readFileSync(path);
  const reloaded = decodeNetwork(bytes, path);
  const fromDisk = predict(engine, reloaded, data.test, reloaded.masked);
  const inMemory = predict(engine, network, data.test, []);
  let right = 0;
  let equal = true;
  for (let i = 0; i < fromDisk.length; i++) {
    if (fromDisk[i] === data.test.labels[i]) right++;
    equal &&= fromDisk[i] === inMemory[i];
  }
  const layers = layerResults(reloaded);
  const all = Object.entries(reloaded.model.module.params).filter(([, { kind }]) => kind !== "statistic");
  const prunable = layers.filter(({ name }) => reloaded.model.module.params[name]!.prunable);
  const sum = (list: readonly LayerResult[], of: (layer: LayerResult) => number) => list.reduce((total, layer) => total + of(layer), 0);
  const params = all.reduce((total, [, { shape }]) => total + sizeOf(shape), 0);
  const realised = 1 - sum(prunable, ({ nonZeros }) => nonZeros) / sum(prunable, (layer) => layer.params);
  const flops = flopsOf(reloaded, ({ nonZeros }) => nonZeros);
  const denseFlops = flopsOf(reloaded, (layer) => layer.params);
  const real = updater?.maskedValues === "zero" && updater.card.axes.path === "sparse-to-sparse" && 1 - entry.sparsity < CSR_DENSITY;
  const facts = { trained, flops, denseFlops, bytes: bytes.length, realised, layers, real, needsGradients: updater?.needsGradients ?? false };
  return {
    id: entry.id,
    name: entry.name,
    method: entry.method,
    seed: recipe.seed,
    targetSparsity: entry.sparsity,
    realisedSparsity: realised,
    testAccuracy: right / data.test.count,
    params,
    nonZeros: params - sum(layers, (layer) => layer.params - layer.nonZeros),
    bytesOnDisk: bytes.length,
    theoreticalFlops: flops,
    denseFlops,
    trainingKernels: updater === undefined ? "dense" : real ? "sparse" : "simulated",
    trainSeconds: trained.curve.reduce((total, { seconds }) => total + seconds, 0),
    reloadedEqual: equal,
    layers,
    curve: trained.curve.map(({ epoch, trainLoss, trainAccuracy, testAccuracy, sparsity, seconds }) => ({ epoch, trainLoss, trainAccuracy, testAccuracy, sparsity, seconds })),
    card: updater ? cardOf(updater.card, setting, facts) : null,
  };
}
