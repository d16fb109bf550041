/**
 * A regression whose true weights are sparse, and the smallest trainer that follows the updater's contract: the ground on which
 * every method must beat the random static mask. Linear: y = A x1 + B x2 + c, mean squared error, plain TypeScript.
 */
import { createRng, mapTree, type Rng, type Tensor, type Tree, tensor } from "../../core/index.js";
import { applyMasks, type Mask, type ParamInfo, type Updater } from "../index.js";

const OUT = 4;
const INPUTS: Tree<number> = { "a.weight": 60, "b.weight": 40 };

/** Parameters of the regression: two prunable matrices of different width, and a bias. */
export const plantedInfos: Tree<ParamInfo> = {
  "a.weight": { shape: [OUT, 60], prunable: true, kind: "linear" },
  "b.weight": { shape: [OUT, 40], prunable: true, kind: "linear" },
  bias: { shape: [OUT], prunable: false, kind: "bias" },
};

/** The rules that the trainer can use. */
export type Rule = "sgd" | "momentum" | "adam";

interface Batch {
  readonly x: Tree<Float32Array>;
  readonly y: Float32Array;
  readonly size: number;
}

function plant(rng: Rng): Tree<Tensor> {
  return mapTree(plantedInfos, ({ shape, prunable }) => {
    const w = tensor(shape);
    for (let i = 0; i < w.data.length; i++)
      if (!prunable || rng.uniform() < 0.1) w.data[i] = rng.normal() + Math.sign(rng.uniform() - 0.5);
    return w;
  });
}

function forward(params: Tree<Tensor>, { x, size }: Batch): Float32Array {
  const y = new Float32Array(size * OUT);
  for (let n = 0; n < size; n++) {
    for (let o = 0; o < OUT; o++) {
      let s = params.bias!.data[o]!;
      for (const [path, width] of Object.entries(INPUTS)) {
        const [w, v] = [params[path]!.data, x[path]!];
        for (let i = 0; i < width; i++) s += w[o * width + i]! * v[n * width + i]!;
      }
      y[n * OUT + o] = s;
    }
  }
  return y;
}

function sample(truth: Tree<Tensor>, size: number, rng: Rng): Batch {
  const x = mapTree(INPUTS, (width) => Float32Array.from({ length: size * width }, () => rng.normal()));
  const clean = { x, y: new Float32Array(0), size };
  return { x, size, y: forward(truth, clean).map((v) => v + 0.05 * rng.normal()) };
}

function lossAndGrads(params: Tree<Tensor>, batch: Batch): { loss: number; grads: Tree<Tensor> } {
  const error = forward(params, batch).map((v, i) => v - batch.y[i]!);
  const grads = mapTree(plantedInfos, ({ shape }) => tensor(shape));
  for (let n = 0; n < batch.size; n++) {
    for (let o = 0; o < OUT; o++) {
      const e = error[n * OUT + o]! / batch.size;
      grads.bias!.data[o]! += e;
      for (const [path, width] of Object.entries(INPUTS)) {
        const [g, v] = [grads[path]!.data, batch.x[path]!];
        for (let i = 0; i < width; i++) g[o * width + i]! += e * v[n * width + i]!;
      }
    }
  }
  return { loss: error.reduce((a, e) => a + e * e, 0) / error.length, grads };
}

/** What a run leaves behind, and what it looked like at each step. */
export interface PlantedRun {
  readonly testLoss: number;
  readonly params: Tree<Tensor>;
  readonly history: readonly { step: number; due: boolean; before: Tree<Mask>; masks: Tree<Mask>; born: Tree<Mask> | undefined }[];
}

/** Trains the regression under an updater, exactly as the contract in `Updater` says. */
export async function trainPlanted(updater: Updater, options: { seed: number; rule?: Rule; steps?: number }): Promise<PlantedRun> {
  const { seed, rule = "sgd", steps = 160 } = options;
  const rng = createRng(seed);
  const truth = plant(rng.split("truth"));
  const batches = rng.split("batches");
  const initial = rng.split("init");
  const params = mapTree(plantedInfos, ({ shape, prunable }) => {
    const w = tensor(shape);
    if (prunable) for (let i = 0; i < w.data.length; i++) w.data[i] = 0.1 * initial.normal();
    return w;
  });
  const slots = mapTree(plantedInfos, ({ shape }) => ({ m: tensor(shape).data, v: tensor(shape).data }));
  const calibration = sample(truth, 64, rng.split("calibration"));
  const stored = updater.maskedValues === "stored";
  const started = await updater.init({
    params,
    infos: plantedInfos,
    rng: rng.split("masks"),
    gradients: () => lossAndGrads(params, calibration).grads,
    steps,
  });
  let masks = started.masks;
  let state = started.state;
  const history: PlantedRun["history"][number][] = [];
  const zero = () => {
    for (const [path, mask] of Object.entries(masks))
      for (let i = 0; i < mask.data.length; i++) if (mask.data[i] === 0) params[path]!.data[i] = 0;
  };
  if (!stored) zero();
  for (let step = 0; step < steps; step++) {
    const batch = sample(truth, 24, batches);
    const { grads } = lossAndGrads(applyMasks(params, masks), batch);
    const due = updater.isDue(step);
    const before = masks;
    let born: Tree<Mask> | undefined;
    if (due) {
      const next = updater.update({
        step,
        params,
        infos: plantedInfos,
        ...(updater.needsGradients ? { grads } : {}),
        masks,
        state,
        rng: rng.split("updates"),
      });
      masks = next.masks;
      state = next.state;
      born = next.born;
      for (const [path, { data }] of Object.entries(born)) {
        for (let i = 0; i < data.length; i++) {
          if (data[i] === 0) continue;
          slots[path]!.m[i] = 0;
          slots[path]!.v[i] = 0;
          if (!stored) params[path]!.data[i] = 0;
        }
      }
    }
    for (const [path, { data }] of Object.entries(params)) {
      const { m, v } = slots[path]!;
      for (let i = 0; i < data.length; i++) {
        if (masks[path]?.data[i] === 0) continue;
        const g = grads[path]!.data[i]!;
        if (rule === "sgd") data[i]! -= 0.05 * g;
        else if (rule === "momentum") data[i]! -= 0.02 * (m[i] = 0.8 * m[i]! + g);
        else {
          m[i] = 0.9 * m[i]! + 0.1 * g;
          v[i] = 0.99 * v[i]! + 0.01 * g * g;
          data[i]! -= (0.05 * (m[i]! / (1 - 0.9 ** (step + 1)))) / (Math.sqrt(v[i]! / (1 - 0.99 ** (step + 1))) + 1e-8);
        }
      }
    }
    if (!stored) zero();
    history.push({ step, due, before, masks, born });
  }
  const final = applyMasks(params, masks);
  return { testLoss: lossAndGrads(final, sample(truth, 200, rng.split("test"))).loss, params: final, history };
}
