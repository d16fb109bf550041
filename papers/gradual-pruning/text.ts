/** A GRU that predicts the next character: trains one arm and measures bits per character. */
import { createRng, mapTree, sizeOf, type Tensor, type Tree, tensor } from "../../src/core/index.js";
import { createEngine, type Engine, type ParamStore, type Plan } from "../../src/engine/index.js";
import { gradualMagnitude, oneShotMagnitude, staticRandom } from "../../src/methods/index.js";
import { gruCell, linear, type ParamDef, prefixed, within } from "../../src/nn/index.js";
import { adam, clipByNorm, cosineRate, type Optimizer, slotPath, warmUp } from "../../src/optim/index.js";
import {
  crossEntropy,
  gather,
  gradients,
  mul,
  type ParamSpec,
  type Program,
  linear as product,
  reshape,
  scan,
  trace,
  type Value,
} from "../../src/program/index.js";
import { applyMask, countKept, type Mask, type ParamInfo, type Updater } from "../../src/sparsity/index.js";
import type { JobContext } from "../harness/index.js";
import { storageOf } from "../shared/cost.js";
import { type Result, spanOf, type TextConfig } from "./config.js";
import { equalPair } from "./equal-size.js";
import { type Text, tinyShakespeare, windows } from "./text-data.js";

/** Sizes of a character network. */
export interface Sizes {
  readonly characters: number;
  readonly embedding: number;
  readonly hidden: number;
}

/** Params: embed.weight [characters, embedding], gru.*, out.weight and out.bias. */
export function networkOf({ characters, embedding, hidden }: Sizes): Tree<ParamDef> {
  const table: ParamDef = {
    shape: [characters, embedding],
    kind: "weight",
    role: "embedding",
    prunable: true,
    init: (rng) => Float32Array.from({ length: characters * embedding }, () => rng.normal()),
  };
  return {
    "embed.weight": table,
    ...prefixed(gruCell(embedding, hidden).params, "gru"),
    ...prefixed(linear(hidden, characters).params, "out"),
  };
}

const weightsOf = (defs: Tree<ParamDef>): string[] => Object.keys(defs).filter((path) => defs[path]!.kind === "weight");
const paramsIn = (sizes: Sizes): number => Object.values(networkOf(sizes)).reduce((sum, { shape }) => sum + sizeOf(shape), 0);

/** What the program takes: x and y i32 [window * streams], time first; h [streams, hidden]. */
interface Forward {
  readonly sizes: Sizes;
  readonly streams: number;
  readonly window: number;
  /** Paths multiplied by `<path>:mask`. */
  readonly masked: readonly string[];
}

const maskOfPath = (path: string) => `${path}:mask`;

function specsOf({ sizes, masked }: Forward): Tree<ParamSpec> {
  const specs: Record<string, ParamSpec> = mapTree(networkOf(sizes), ({ shape }) => ({ shape }));
  for (const path of masked) specs[maskOfPath(path)] = { shape: specs[path]!.shape };
  return specs;
}

/** Mean loss in nats and the state after the window. */
function lossOf({ sizes, streams, window, masked }: Forward, params: Tree<Value>, inputs: Tree<Value>): { loss: Value; h: Value } {
  const p = mapTree(networkOf(sizes), (_, path) =>
    masked.includes(path) ? mul(params[path]!, params[maskOfPath(path)]!) : params[path]!,
  );
  const cell = gruCell(sizes.embedding, sizes.hidden);
  const own = within(p, "gru");
  const e = reshape(gather(p["embed.weight"]!, inputs["x"]!), [window, streams, sizes.embedding]);
  const { carry, ys } = scan(
    (state: Tree<Value>, at) => {
      const next = cell.step(own, at["e"]!, state);
      return { carry: next, y: { h: next["h"]! } };
    },
    { h: inputs["h"]! } as Tree<Value>,
    { e },
  );
  const logits = product(reshape(ys["h"]!, [window * streams, sizes.hidden]), p["out.weight"]!, p["out.bias"]);
  return { loss: crossEntropy(logits, inputs["y"]!), h: carry["h"]! };
}

const inputsOf = ({ sizes, streams, window }: Forward) => ({
  x: { shape: [window * streams], dtype: "i32" as const },
  y: { shape: [window * streams], dtype: "i32" as const },
  h: { shape: [streams, sizes.hidden] },
});

/** One step of truncated backpropagation through time. */
export function textTrainingProgram(forward: Forward, optimizer: Optimizer): { program: Program; specs: Tree<ParamSpec> } {
  const own = specsOf(forward);
  const trained = mapTree(networkOf(forward.sizes), ({ shape }): ParamSpec => ({ shape }));
  const specs = { ...own, ...optimizer.slots(trained) };
  const paths = Object.keys(trained);
  const program = trace(
    ({ params, inputs }) => {
      const { loss, h } = lossOf(forward, params, inputs);
      const found = gradients(
        loss,
        paths.map((path) => params[path]!),
      );
      const { grads } = clipByNorm(Object.fromEntries(paths.map((path, i) => [path, found[i]!])), 1);
      const updates = optimizer.update({ params: mapTree(trained, (_, path) => params[path]!), grads, slots: params, inputs });
      return { outputs: { loss, next: h }, updates };
    },
    { params: specs, inputs: { ...inputsOf(forward), ...optimizer.inputs } },
  );
  return { program, specs };
}

/** Bits per character of a text, read in 64 streams from a zero state that is carried along. */
export function bitsPerCharacter(engine: Engine, sizes: Sizes, params: Tree<Tensor>, ids: Int32Array): number {
  const forward: Forward = { sizes, streams: 64, window: 50, masked: [] };
  const store = engine.params(specsOf(forward), params);
  const program = trace(
    ({ params: p, inputs }) => {
      const { loss, h } = lossOf(forward, p, inputs);
      return { outputs: { loss, next: h } };
    },
    { params: specsOf(forward), inputs: inputsOf(forward) },
  );
  const plan = engine.compile(program, store);
  const read = windows(ids, forward.streams, forward.window);
  let h = new Float32Array(forward.streams * sizes.hidden);
  let sum = 0;
  for (let i = 0; i < read.count; i++) {
    const out = plan.run({ ...read.at(i), h });
    sum += out["loss"]!.data[0]!;
    h = Float32Array.from(out["next"]!.data);
  }
  plan.close();
  store.close();
  return sum / read.count / Math.LN2;
}

/** Puts new masks into the store: optimiser slots of pruned and of returned weights start from zero. */
function putMasks(store: ParamStore, masks: Tree<Mask>, born: Tree<Mask>, stored: boolean): void {
  for (const [path, mask] of Object.entries(masks)) {
    store.view(maskOfPath(path)).set(mask.data);
    for (const held of [...(stored ? [] : [path]), slotPath(path, "m"), slotPath(path, "v")]) {
      const view = store.view(held);
      for (let i = 0; i < view.length; i++) if (!mask.data[i] || born[path]?.data[i]) view[i] = 0;
    }
  }
}

/** Trains on a text. @returns dense weights, zero outside the masks, and the masks */
export function trainText(
  engine: Engine,
  text: Text,
  sizes: Sizes,
  {
    updater,
    steps,
    streams,
    window,
    rate,
    seed,
  }: { updater: Updater | undefined; steps: number; streams: number; window: number; rate: number; seed: number },
  watch: (step: number, loss: number) => void = () => {},
): { params: Tree<Tensor>; masks: Tree<Mask>; returned: number } {
  const defs = networkOf(sizes);
  const rng = createRng(seed);
  const infos = mapTree(
    defs,
    ({ shape, kind }): ParamInfo => ({ shape, prunable: kind === "weight", kind: kind === "weight" ? "recurrent" : "bias" }),
  );
  const initial = mapTree(defs, ({ shape, init }, path) => tensor(shape, init(rng.split("init").split(path))));
  const started = updater?.init({ params: initial, infos, rng: rng.split("masks"), steps }) as
    | { masks: Tree<Mask>; state?: unknown }
    | undefined;
  let masks = started?.masks ?? {};
  let state = started?.state;
  const optimizer = adam({});
  const masked = updater ? weightsOf(defs) : [];
  const { program, specs } = textTrainingProgram({ sizes, streams, window, masked }, optimizer);
  const store = engine.params(specs, initial);
  const stored = updater?.maskedValues === "stored";
  putMasks(store, masks, {}, stored);
  const plan: Plan = engine.compile(program, store);
  const curve = warmUp(Math.max(1, Math.round(0.02 * steps)), cosineRate(rate, { steps, final: 0.05 * rate }));
  const read = windows(text.train, streams, window);
  let h = new Float32Array(streams * sizes.hidden);
  let returned = 0;
  // Each seed begins somewhere else in the streams.
  const first = rng.split("data").below(read.count);
  for (let step = 0; step < steps; step++) {
    if (updater?.isDue(step)) {
      const params = mapTree(defs, (_, path) => store.get(path));
      const updated = updater.update({ step, params, infos, masks, state, rng: rng.split("method") });
      ({ masks, state } = { masks: updated.masks, state: updated.state });
      for (const mask of Object.values(updated.born)) returned += countKept(mask);
      putMasks(store, masks, updated.born, stored);
    }
    const out = plan.run({ ...read.at(first + step), h, ...optimizer.feed(step, curve(step)) });
    h = (first + step + 1) % read.count === 0 ? new Float32Array(h.length) : Float32Array.from(out["next"]!.data);
    watch(step, out["loss"]!.data[0]!);
  }
  const params = mapTree(defs, (_, path) => (masks[path] ? applyMask(store.get(path), masks[path]!) : store.get(path)));
  plan.close();
  store.close();
  return { params, masks, returned };
}

/** Non-zeros of the large network at a uniform sparsity of its weights. */
export function textNonZeros(sizes: Sizes, sparsity: number): number {
  const defs = networkOf(sizes);
  const kept = weightsOf(defs).reduce((sum, path) => sum + Math.round((1 - sparsity) * sizeOf(defs[path]!.shape)), 0);
  return kept + Object.values(defs).reduce((sum, { kind, shape }) => sum + (kind === "weight" ? 0 : sizeOf(shape)), 0);
}

/** The dense network with as many parameters, embedding and state of nearly one size. */
export function smallSizes(sizes: Sizes, sparsity: number): Sizes {
  const [embedding, hidden] = equalPair(
    textNonZeros(sizes, sparsity),
    (e, h) => paramsIn({ ...sizes, embedding: e, hidden: h }),
    1,
  );
  return { ...sizes, embedding, hidden };
}

/** Trains one arm from its seed and measures it. */
export async function measureText(config: TextConfig, { threads, dataFolder, progress }: JobContext): Promise<Result> {
  const { arm, sparsity, seed, hidden, steps, streams, window, rate, every } = config;
  const text = await tinyShakespeare(dataFolder);
  const large: Sizes = { characters: text.characters.length, embedding: hidden, hidden };
  const sizes = arm === "small-dense" ? smallSizes(large, sparsity) : large;
  const { begin, end } = spanOf(steps);
  const updaters: Readonly<Record<typeof arm, () => Updater | undefined>> = {
    dense: () => undefined,
    "small-dense": () => undefined,
    gradual: () => gradualMagnitude({ sparsity, begin, end, every }),
    "one-shot": () => oneShotMagnitude({ sparsity, at: end }),
    "static-random": () => staticRandom({ sparsity, distribution: "uniform" }),
  };
  const engine = await createEngine({ threads });
  try {
    const { params, masks, returned } = trainText(
      engine,
      text,
      sizes,
      { updater: updaters[arm](), steps, streams, window, rate, seed },
      (step, loss) => {
        if (step % 20 === 0) progress(step / steps, `step ${step} of ${steps}, ${(loss / Math.LN2).toFixed(2)} bits`);
      },
    );
    let outside = 0;
    for (const [path, mask] of Object.entries(masks))
      mask.data.forEach((kept, i) => {
        if (!kept && params[path]!.data[i] !== 0) outside++;
      });
    const metric = bitsPerCharacter(engine, sizes, params, text.test);
    return {
      metric,
      ...storageOf(
        mapTree(params, ({ shape }) => shape),
        masks,
      ),
      theoreticalFlops: 0,
      scheduleError: -1,
      returned,
      outside,
    };
  } finally {
    engine.close();
  }
}
