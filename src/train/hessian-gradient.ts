/** Hessian-gradient products: how the gradient's norm changes along each weight. */
import { mapTree, type Tensor, type Tree, tensor } from "../core/index.js";
import type { Engine } from "../engine/index.js";
import { forward, type Model } from "../models/index.js";
import { paramSpecs } from "../nn/index.js";
import { add, crossEntropy, gradients, mul, type Program, stopGradient, sum, trace } from "../program/index.js";

/**
 * H g of the mean cross-entropy, by a gradient of a gradient: d/dw <g(w), stop(g)>.
 *
 * @param temperature divides the logits, above 0; GraSP's official code uses 200
 * @returns program with inputs x, y, key and outputs `hg:<path>`
 */
export const hessianGradientProgram = (model: Model, batch: number, paths: readonly string[], temperature = 1): Program =>
  trace(
    ({ params: p, inputs }) => {
      const { logits } = forward(model, p, inputs["x"]!, true, inputs["key"]!);
      const wrt = paths.map((path) => p[path]!);
      const slope = gradients(crossEntropy(mul(logits, 1 / temperature), inputs["y"]!), wrt);
      const product = slope.map((g) => sum(mul(g, stopGradient(g)))).reduce((a, b) => add(a, b));
      const found = gradients(product, wrt);
      return { outputs: Object.fromEntries(paths.map((path, i) => [`hg:${path}`, found[i]!])) };
    },
    {
      params: paramSpecs(model.module),
      inputs: {
        x: { shape: [batch, ...model.inputShape] },
        y: { shape: [batch], dtype: "i32" },
        key: { shape: [2], dtype: "i32" },
      },
    },
  );

/**
 * H g at given weights on one batch (training mode: batch statistics), by path.
 * @throws InputError, ShapeError when the weights are not the model's
 */
export function hessianGradient(
  engine: Engine,
  model: Model,
  params: Tree<Tensor>,
  batch: { readonly inputs: Float32Array; readonly labels: Int32Array },
  paths: readonly string[],
  temperature = 1,
): Tree<Tensor> {
  const store = engine.params(paramSpecs(model.module), params);
  const plan = engine.compile(hessianGradientProgram(model, batch.labels.length, paths, temperature), store);
  try {
    const out = plan.run({ x: batch.inputs, y: batch.labels, key: [0, 0] });
    return mapTree(Object.fromEntries(paths.map((path) => [path, out[`hg:${path}`]!])), ({ shape, data }) =>
      tensor(shape, (data as Float32Array).slice()),
    );
  } finally {
    plan.close();
    store.close();
  }
}
