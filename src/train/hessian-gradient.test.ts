import { expect, it } from "vitest";
import { createRng, intTensor, mapTree, type Tensor, type Tree, tensor } from "../core/index.js";
import { createEngine } from "../engine/index.js";
import { mlp } from "../models/index.js";
import { batchNorm, conv2d, globalAveragePool, initParams, linear, relu, sequential } from "../nn/index.js";
import { interpret } from "../program/index.js";
import { gradientProgram, hessianGradient, hessianGradientProgram } from "./index.js";

const module = sequential({
  conv: conv2d(1, 4, 3, { stride: 2, padding: 1, bias: false }),
  bn: batchNorm(4),
  relu,
  mean: globalAveragePool,
  fc: linear(4, 3),
});
const small = { name: "small", inputShape: [1, 6, 6], classes: 3, module, options: {} };

it("equals the change of the gradient along the gradient, through convolution and batch normalisation", async () => {
  const rng = createRng(1);
  const paths = ["conv.weight", "fc.weight"];
  const params = initParams(module, rng.split("init"));
  const inputs = Float32Array.from({ length: 5 * 36 }, () => rng.normal());
  const labels = Int32Array.of(0, 1, 2, 0, 1);
  const run = { x: tensor([5, 1, 6, 6], inputs), y: intTensor([5], labels), key: intTensor([2]) };
  const slope = (at: Tree<Tensor>) =>
    interpret(gradientProgram(small, 5, paths), { params: at, inputs: run, double: true }).outputs;
  const g = slope(params);
  const along = (step: number) =>
    slope(
      mapTree(params, (value, path) =>
        paths.includes(path)
          ? ({
              ...value,
              data: Float64Array.from(value.data, (w, i) => w + step * g[`grad:${path}`]!.data[i]!),
            } as unknown as Tensor)
          : value,
      ),
    );
  const [up, down] = [along(1e-5), along(-1e-5)];
  const engine = await createEngine();
  const found = hessianGradient(engine, small, params, { inputs, labels }, paths);
  engine.close();
  for (const path of paths) {
    const size = Math.max(...found[path]!.data.map(Math.abs));
    expect(size).toBeGreaterThan(1e-4);
    found[path]!.data.forEach((value, i) => {
      expect(value).toBeCloseTo((up[`grad:${path}`]!.data[i]! - down[`grad:${path}`]!.data[i]!) / 2e-5, 6);
    });
  }
});

it("a softmax regression has the closed form H g, and the temperature divides the logits", () => {
  // One example x = 1, two classes, w = (0, 0): p = 1/2, g = (p - [1,0]) = (-1/2, 1/2) / T, H = [[1,-1],[-1,1]] / (4 T^2).
  const model = mlp({ inputShape: [1], hidden: [], classes: 2 });
  for (const t of [1, 10]) {
    const out = interpret(hessianGradientProgram(model, 1, ["fc1.weight"], t), {
      params: { "fc1.weight": tensor([2, 1]), "fc1.bias": tensor([2]) },
      inputs: { x: tensor([1, 1], [1]), y: intTensor([1]), key: intTensor([2]) },
      double: true,
    }).outputs["hg:fc1.weight"]!.data;
    expect(out[0]!).toBeCloseTo(-0.25 / t ** 3, 9);
    expect(out[1]!).toBeCloseTo(0.25 / t ** 3, 9);
  }
});
