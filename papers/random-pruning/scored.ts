/** Masks that are scored at initialisation: SNIP, GraSP, SynFlow. */
import { filterTree, mapTree, type Tensor, type Tree, tensor } from "../../src/core/index.js";
import type { Engine } from "../../src/engine/index.js";
import { forward, type Model } from "../../src/models/index.js";
import { paramSpecs } from "../../src/nn/index.js";
import { abs, constant, gradients, sum, trace } from "../../src/program/index.js";
import {
  applyMask,
  fullMask,
  graspScores,
  keepCount,
  type Mask,
  prunableOf,
  selectGlobal,
  snip,
} from "../../src/sparsity/index.js";
import { hessianGradient, paramInfos } from "../../src/train/index.js";

/** Logits are divided by this for GraSP, as in the official code. */
const TEMPERATURE = 200;
const ROUNDS = 100;

const select = (infos: Tree<{ readonly shape: readonly number[] }>, scores: Tree<Float32Array>, sparsity: number): Tree<Mask> => {
  const total = Object.values(scores).reduce((n, score) => n + score.length, 0);
  return selectGlobal(
    mapTree(infos, ({ shape }, path) => ({ shape, score: scores[path]! })),
    keepCount(total, sparsity),
  );
};

/**
 * GraSP: the weights of greatest w (H g) over the whole network, at least one of each tensor.
 *
 * Wang et al. 2020, arXiv:2002.07376, algorithm 1, on one batch.
 */
export function graspMasks(
  engine: Engine,
  model: Model,
  params: Tree<Tensor>,
  batch: { inputs: Float32Array; labels: Int32Array },
  sparsity: number,
): Tree<Mask> {
  const infos = prunableOf("grasp", paramInfos(model));
  const weights = filterTree(params, (_, path) => path in infos);
  return select(
    infos,
    graspScores(weights, hessianGradient(engine, model, params, batch, Object.keys(infos), TEMPERATURE)),
    sparsity,
  );
}

/**
 * SynFlow: 100 rounds of pruning by |w dR/dw|, R the sum of the outputs for an input of ones with every weight replaced by its size;
 * density d^(t / 100) after round t. No data. At least one weight of each tensor stays.
 *
 * Tanaka et al. 2020, arXiv:2006.05467, algorithm 1.
 */
export function synflowMasks(engine: Engine, model: Model, params: Tree<Tensor>, sparsity: number): Tree<Mask> {
  const infos = prunableOf("synflow", paramInfos(model));
  const paths = Object.keys(infos);
  const program = trace(
    ({ params: p }) => {
      const sizes = mapTree(p, (value, path) => (model.module.params[path]!.kind === "statistic" ? value : abs(value)));
      const ones = constant(Object.values(p)[0]!.graph, [1, ...model.inputShape], 1);
      const flow = sum(forward(model, sizes, ones, false).logits);
      const found = gradients(
        flow,
        paths.map((path) => p[path]!),
      );
      return { outputs: Object.fromEntries(paths.map((path, i) => [path, found[i]!])) };
    },
    { params: paramSpecs(model.module) },
  );
  const store = engine.params(paramSpecs(model.module), params);
  const plan = engine.compile(program, store);
  let masks: Tree<Mask> = mapTree(infos, ({ shape }) => fullMask(shape));
  try {
    for (let round = 1; round <= ROUNDS; round++) {
      const weights = mapTree(masks, (mask, path) => applyMask(params[path]!, mask));
      for (const path of paths) store.set(path, weights[path]!);
      const out = plan.run();
      const scores = mapTree(weights, (weight, path) => {
        const score = snip(weight, { gradient: tensor(weight.shape, out[path]!.data as Float32Array) });
        // A pruned weight stays pruned, also where a live one has the score 0.
        return score.map((s, i) => (masks[path]!.data[i] ? s : Number.NEGATIVE_INFINITY));
      });
      masks = select(infos, scores, 1 - (1 - sparsity) ** (round / ROUNDS));
    }
  } finally {
    plan.close();
    store.close();
  }
  return masks;
}
