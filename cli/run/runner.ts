/** Runs a recipe: trains every entry (or goes on where an earlier process stopped), times them all, writes results and report. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { thisMachine } from "../../papers/harness/index.js";
import { createRng } from "../../src/core/index.js";
import { type DatasetSplits, fingerprint } from "../../src/data/index.js";
import { createEngine } from "../../src/engine/index.js";
import { initParams } from "../../src/nn/index.js";
import { paramInfos, requireFit, type TrainEvent } from "../../src/train/index.js";
import { unpackNetwork } from "../network/file.js";
import { type PlannedEntry, plannedEntries, type Recipe } from "../recipe/recipe.js";
import { reportPage } from "../report/page.js";
import { openRunFolder } from "./folder.js";
import { measureEntry } from "./measure.js";
import { checkResults, type EntryResult, type RunMachine, type RunResults } from "./results.js";
import { dataOf, modelOfEntry, stepsOf, updaterOf } from "./setting.js";
import { type TrainedEntry, trainEntry } from "./train-entry.js";

/** How to run. */
export interface RunOptions {
  /** With its quick overrides in place where asked for. */
  readonly recipe: Recipe;
  readonly quick: boolean;
  /** The run folder. */
  readonly folder: string;
  readonly threads: number;
  /** Start over when the folder belongs to another recipe. */
  readonly force: boolean;
  readonly version: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly now: () => number;
  readonly onProgress: (progress: RunProgress) => void;
}

/** What is going on. */
export type RunProgress =
  | { readonly kind: "data"; readonly train: number; readonly test: number; readonly source: string }
  | { readonly kind: "resumed"; readonly finished: readonly TrainedEntry[]; readonly of: number }
  | {
      readonly kind: "entry";
      readonly entry: PlannedEntry;
      readonly resumedAt: boolean;
      readonly done: number;
      readonly of: number;
    }
  | { readonly kind: "event"; readonly entry: PlannedEntry; readonly event: TrainEvent }
  | { readonly kind: "trained"; readonly result: TrainedEntry; readonly done: number; readonly of: number }
  | { readonly kind: "timing"; readonly name: string; readonly done: number; readonly of: number };

/** Builds the model and lets the method draw its first masks. @throws InputError when they refuse */
async function rehearse(recipe: Recipe, entry: PlannedEntry, { train, test }: DatasetSplits): Promise<void> {
  const model = modelOfEntry(recipe, entry, train);
  requireFit({ model, train, test });
  const steps = stepsOf(recipe, train);
  const rng = createRng(recipe.seed);
  const params = initParams(model.module, rng);
  // Weights serve as gradients: only whether the method accepts its options is asked here.
  await updaterOf(entry, steps)?.init({ params, infos: paramInfos(model), rng, gradients: () => params, steps });
}

/**
 * Runs a recipe to its end.
 *
 * @returns the results as written to `results.json`
 * @throws InputError when the recipe, the data or the folder do not fit
 */
export async function runRecipe(options: RunOptions): Promise<RunResults> {
  const { recipe, quick, threads, force, version, env, now, onProgress } = options;
  const entries = plannedEntries(recipe);
  const data = await dataOf(recipe, env);
  onProgress({ kind: "data", train: data.train.count, test: data.test.count, source: data.train.source });
  // All that can be wrong with models and methods is found before anything is trained or written.
  for (const entry of entries) await rehearse(recipe, entry, data);
  const machine: RunMachine = { ...thisMachine(), threads };
  const content = { recipe, version, data: [fingerprint(data.train), fingerprint(data.test)] };
  const folder = openRunFolder<TrainedEntry>(options.folder, { content, quick, recipe: stringify(recipe) }, force);
  const all = await createEngine({ threads });
  try {
    if (folder.resumed) onProgress({ kind: "resumed", finished: [...folder.finished.values()], of: entries.length });
    for (const entry of entries) {
      if (folder.finished.has(entry.id)) continue;
      const done = folder.finished.size;
      onProgress({ kind: "entry", entry, resumedAt: folder.checkpoint(entry.id) !== undefined, done, of: entries.length });
      const onEvent = (event: TrainEvent) => onProgress({ kind: "event", entry, event });
      const result = await trainEntry({ recipe, entry, data, engine: all, folder, machine, now, onEvent });
      folder.finish(entry.id, result);
      onProgress({ kind: "trained", result, done: folder.finished.size, of: entries.length });
    }
    const one = threads === 1 ? all : await createEngine({ threads: 1 });
    const measured: EntryResult[] = [];
    try {
      const network = (entry: PlannedEntry) => {
        const path = join(folder.path, "models", `${entry.id}.safetensors`);
        return unpackNetwork(readFileSync(path), path);
      };
      const denseEntry = entries.find(({ method }) => method === "dense");
      const dense = denseEntry && network(denseEntry);
      for (const [i, entry] of entries.entries()) {
        onProgress({ kind: "timing", name: entry.name, done: i, of: entries.length });
        const loaded = network(entry);
        measured.push(
          await measureEntry(folder.finished.get(entry.id)!, loaded, dense ?? loaded, { one, all }, recipe.measure.runs, now),
        );
        await new Promise<void>((done) => setImmediate(done));
      }
    } finally {
      if (one !== all) one.close();
    }
    const results = checkResults({ format: 1, sparseland: version, machine, seed: recipe.seed, recipe, quick, entries: measured });
    folder.write("results.json", `${JSON.stringify(results, null, 2)}\n`);
    folder.write("report.html", reportPage([{ name: recipe.name, results }]));
    return results;
  } catch (error) {
    folder.abandon();
    throw error;
  } finally {
    all.close();
    folder.close();
  }
}
