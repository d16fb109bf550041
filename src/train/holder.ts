/**
 * Weights, masks and slots of a run in the engine, with the plans that use them. Masked weights are held dense (with a mask) while
 * they are dense enough for dense kernels to be faster, and as live values only once they are sparse enough.
 */
import { InputError, mapTree, type Tensor, type Tree, tensor } from "../core/index.js";
import { createLoader, type Dataset } from "../data/index.js";
import { blockRows, type Engine, type Live, liveUnder, type ParamStore, type Plan } from "../engine/index.js";
import type { Model } from "../models/index.js";
import type { Optimizer } from "../optim/index.js";
import { countKept, type Mask, maskOfCsr, type Updated } from "../sparsity/index.js";
import {
  elementsOf,
  evaluationProgram,
  gradientProgram,
  maskPath,
  type ProgramSpec,
  type Storage,
  trainingProgram,
  trainingSpecs,
} from "./programs.js";

/**
 * Density under which live-value kernels train faster than dense ones: measured break-even of a ResNet-20 step against dense
 * Winograd at 69 % sparsity.
 */
export const CSR_DENSITY = 0.31;

/** Everything that a run must remember of its numbers. */
export interface Snapshot {
  /** Params and slots, dense; zero at dead positions. */
  readonly values: Tree<Tensor>;
  readonly masks: Tree<Mask>;
}

/** Accuracy and mean loss over a dataset. */
export interface Evaluation {
  /** In [0, 1]. */
  readonly accuracy: number;
  readonly loss: number;
  readonly examples: number;
}

const EVALUATION_BATCH = 256;

/** What holds the numbers of one run. */
export interface Holder {
  readonly storage: Storage;
  readonly masks: Tree<Mask>;
  /** Rows of the blocks in which csr storage holds each masked weight: 1, 2 or 4. */
  readonly blocks: Tree<1 | 2 | 4>;
  /** One optimiser step on a batch. */
  step(
    batch: { inputs: Float32Array; labels: Int32Array },
    feed: Tree<Tensor>,
    key: readonly [number, number],
  ): { loss: number; accuracy: number };
  /** Dense gradients at the current (masked) weights. */
  gradients(batch: { inputs: Float32Array; labels: Int32Array }, paths: readonly string[]): Tree<Tensor>;
  /** Weights as methods see them, dense. */
  weights(): Tree<Tensor>;
  /** Takes new masks: clears slots of born and pruned weights, zeroes pruned weights unless their values are stored. */
  remask(updated: Updated<unknown>, stored: boolean): void;
  /** Live positions and values of a csr weight held in single entries. */
  live(path: string): Live;
  /** Replaces the live positions of a csr weight; slots follow. */
  setLive(path: string, live: Live): void;
  evaluate(dataset: Dataset): Evaluation;
  snapshot(): Snapshot;
  /** Bytes of weights and slots in memory, and of the step's activations. */
  bytes(): { params: number; activations: number };
  close(): void;
}

/** How masked weights are to be held: `auto` takes csr below CSR_DENSITY. */
export type StorageChoice = Storage | "auto";

function chooseStorage({ storage: choice, stored, hooks }: HolderOptions, masks: Tree<Mask>): Storage {
  const dense = stored || hooks?.forwardParams !== undefined || hooks?.gradients !== undefined;
  if (choice !== "auto") {
    if (choice === "csr" && dense)
      throw new InputError(
        `train: a method that ${stored ? "keeps the values of pruned weights" : "changes gradients or the forward weights"} needs storage: masked`,
      );
    return choice;
  }
  let kept = 0;
  let all = 0;
  for (const mask of Object.values(masks)) {
    kept += countKept(mask);
    all += mask.data.length;
  }
  return !dense && all > 0 && kept / all < CSR_DENSITY ? "csr" : "masked";
}

/** What a holder is made of. */
export interface HolderOptions {
  readonly engine: Engine;
  readonly model: Model;
  readonly optimizer: Optimizer;
  readonly batchSize: number;
  readonly storage: StorageChoice;
  /** Whether the method keeps the values of pruned weights. */
  readonly stored: boolean;
  /** What the method does to the forward weights and to the gradients: needs masked storage. */
  readonly hooks?: ProgramSpec["hooks"];
  /** Whether csr storage keeps single entries even where a mask is made of blocks: for methods that rewire them. */
  readonly single?: boolean;
}

/**
 * @param start values and masks to begin with; slots that are missing begin at zero
 * @throws InputError when the storage does not suit the method
 */
export function createHolder(options: HolderOptions, start: Snapshot): Holder {
  const { engine, model, optimizer, batchSize } = options;
  let masks = start.masks;
  let storage: Storage;
  let store: ParamStore;
  let plan: Plan;
  let evaluation: Plan | undefined;
  let probe: { store: ParamStore; plan: Plan; paths: readonly string[] } | undefined;
  let loader: { dataset: Dataset; loader: ReturnType<typeof createLoader> } | undefined;

  const spec = (batch: number): ProgramSpec => {
    const live: Record<string, number> = {};
    for (const [path, mask] of Object.entries(masks))
      live[path] = storage === "csr" ? Math.max(1, countKept(mask)) : elementsOf(model, path);
    return { model, batch, live, storage, blocks: blocksOf(masks), hooks: options.hooks };
  };

  /** Rows of each mask's blocks: of the masks alone, so that a resumed run holds its weights as the unbroken one. */
  const blocksOf = (of: Tree<Mask>): Tree<1 | 2 | 4> =>
    mapTree(of, (mask) => (storage === "csr" && !options.single && countKept(mask) > 0 ? blockRows(mask) : 1));

  function fill(path: string, value: Tensor): void {
    const pattern = store.patternOf(path);
    if (pattern === undefined) {
      store.set(path, value);
      return;
    }
    const live = liveUnder(masks[pattern]!, value.data, store.topologies[pattern]!.block);
    if (pattern === path) store.setLive(path, live);
    else store.view(path).set(live.values);
  }

  function build(from: Snapshot): void {
    masks = from.masks;
    storage = chooseStorage(options, masks);
    const own = spec(batchSize);
    const specs = trainingSpecs(own, optimizer);
    store = engine.params(specs);
    try {
      const order = Object.keys(specs).sort((a, b) => Number(store.patternOf(b) === b) - Number(store.patternOf(a) === a));
      for (const path of order) if (from.values[path]) fill(path, from.values[path]!);
      if (storage === "masked") for (const [path, mask] of Object.entries(masks)) store.view(maskPath(path)).set(mask.data);
      plan = engine.compile(trainingProgram(own, optimizer), store);
    } catch (error) {
      store.close();
      throw error;
    }
  }

  function drop(): void {
    evaluation?.close();
    evaluation = undefined;
    plan.close();
    store.close();
  }

  const values = (): Tree<Tensor> =>
    Object.fromEntries(
      Object.keys(store.specs)
        .filter((path) => !path.endsWith(":mask"))
        .map((path) => [path, store.get(path)]),
    );
  const weights = (): Tree<Tensor> => Object.fromEntries(Object.keys(model.module.params).map((path) => [path, store.get(path)]));
  const slotsOf = (path: string): string[] =>
    Object.keys(store.specs).filter((other) => other.startsWith(`${path}:`) && other !== maskPath(path));

  /** Rebuilds the plans when the masks have left the storage or its capacity. */
  function settle(): void {
    const wanted = chooseStorage(options, masks);
    if (wanted === storage) return;
    const now = { values: values(), masks };
    drop();
    build(now);
  }

  build(start);

  return {
    get storage() {
      return storage;
    },
    get masks() {
      return masks;
    },
    get blocks() {
      return mapTree(masks, (_, path) => store.topologies[path]?.block ?? 1);
    },
    step(batch, feed, key) {
      const out = plan.run({ x: batch.inputs, y: batch.labels, key, ...feed });
      return { loss: out["loss"]!.data[0]!, accuracy: out["accuracy"]!.data[0]! };
    },
    gradients(batch, paths) {
      if (!probe || probe.paths.join() !== paths.join()) {
        probe?.plan.close();
        probe?.store.close();
        const program = gradientProgram(model, batchSize, paths, spec(batchSize));
        const own = engine.params(
          Object.fromEntries(Object.entries(program.params).map(([path, p]) => [path, program.values[p.value]!])),
        );
        probe = { store: own, plan: engine.compile(program, own), paths };
      }
      for (const path of Object.keys(probe.store.specs)) {
        const value = store.get(path);
        const mask = options.hooks?.forwardParams ? undefined : masks[path];
        if (mask && storage === "masked") for (let i = 0; i < mask.data.length; i++) if (!mask.data[i]) value.data[i] = 0;
        probe.store.set(path, value);
      }
      const out = probe.plan.run({ x: batch.inputs, y: batch.labels, key: [0, 0] });
      return Object.fromEntries(paths.map((path) => [path, tensor(out[`grad:${path}`]!.shape, out[`grad:${path}`]!.data.slice())]));
    },
    weights,
    remask({ masks: next, born }, stored) {
      if (storage === "csr") {
        const kept = Object.fromEntries(Object.keys(next).map((path) => [path, store.get(path)]));
        const blocks = blocksOf(next);
        const { topologies } = store;
        const misfit = Object.entries(next).some(
          ([path, mask]) => countKept(mask) > topologies[path]!.capacity || blocks[path] !== topologies[path]!.block,
        );
        if (misfit) {
          const now = { values: values(), masks: next };
          for (const [path, mask] of Object.entries(born)) clear(now.values[path]!, mask, 1);
          drop();
          build(now);
          return;
        }
        for (const [path, mask] of Object.entries(next)) {
          const value = kept[path]!;
          if (born[path]) clear(value, born[path]!, 1);
          store.setLive(path, liveUnder(mask, value.data, topologies[path]!.block));
        }
        masks = next;
        return settle();
      }
      for (const [path, mask] of Object.entries(next)) {
        store.view(maskPath(path)).set(mask.data);
        const weight = store.view(path);
        const fresh = born[path];
        for (let i = 0; i < mask.data.length; i++) if (!stored && (!mask.data[i] || fresh?.data[i])) weight[i] = 0;
        for (const slot of slotsOf(path)) {
          const view = store.view(slot);
          for (let i = 0; i < view.length; i++) if (!mask.data[i] || fresh?.data[i]) view[i] = 0;
        }
      }
      masks = next;
      settle();
    },
    live: (path) => store.live(path),
    setLive(path, live) {
      store.setLive(path, live);
      const { rows, columns } = store.topologies[path]!;
      masks = {
        ...masks,
        [path]: maskOfCsr({ rows, cols: columns, rowPtr: live.rowPtr, columns: live.columns }, masks[path]!.shape),
      };
    },
    evaluate(dataset) {
      evaluation ??= engine.compile(evaluationProgram(spec(EVALUATION_BATCH)), store, { frozen: true });
      evaluation.refresh();
      if (loader?.dataset !== dataset) loader = { dataset, loader: createLoader(dataset, { batchSize: EVALUATION_BATCH }) };
      let right = 0;
      let loss = 0;
      for (const batch of loader.loader.epoch(0)) {
        const out = evaluation.run({ x: batch.inputs, y: batch.labels });
        for (let i = 0; i < batch.count; i++) {
          if (out["predictions"]!.data[i] === batch.labels[i]) right++;
          loss += out["losses"]!.data[i]!;
        }
      }
      return { accuracy: right / dataset.count, loss: loss / dataset.count, examples: dataset.count };
    },
    snapshot: () => ({ values: values(), masks }),
    bytes: () => ({ params: store.bytes, activations: plan.bytes }),
    close() {
      probe?.plan.close();
      probe?.store.close();
      drop();
    },
  };
}

/** Zeroes a tensor where the mask has `at`. */
function clear(value: Tensor, mask: Mask, at: 0 | 1): void {
  for (let i = 0; i < mask.data.length; i++) if (mask.data[i] === at) value.data[i] = 0;
}
