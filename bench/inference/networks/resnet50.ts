/** ResNet-50's shape: bottlenecks of 1x1, 3x3, 1x1 with projections where the shape changes. He et al. 2016, table 1. */
import type { Model } from "../../../src/models/index.js";
import {
  batchNorm,
  compose,
  conv2d,
  globalAveragePool,
  linear,
  type Module,
  maxPool2d,
  relu,
  sequential,
} from "../../../src/nn/index.js";
import { add, relu as rectify } from "../../../src/program/index.js";

/** Inner channels, blocks and stride of each stage; the stage's output has four times as many channels. */
const STAGES: readonly (readonly [number, number, number])[] = [
  [64, 3, 1],
  [128, 4, 2],
  [256, 6, 2],
  [512, 3, 2],
];
const EXPANSION = 4;

const unit = (from: number, to: number, kernel: number, stride = 1): Module =>
  sequential({ conv: conv2d(from, to, kernel, { stride, padding: (kernel - 1) / 2, bias: false }), bn: batchNorm(to) });

/** Stride on the 3x3, as torchvision's. */
function bottleneck(from: number, inner: number, stride: number): Module {
  const to = inner * EXPANSION;
  const children: Record<string, Module> = { a: unit(from, inner, 1), b: unit(inner, inner, 3, stride), c: unit(inner, to, 1) };
  const projects = from !== to || stride !== 1;
  if (projects) children["shortcut"] = unit(from, to, 1, stride);
  return compose(children, (run, x) => {
    const inside = run("c", rectify(run("b", rectify(run("a", x)))));
    return rectify(add(inside, projects ? run("shortcut", x) : x));
  });
}

/** Pictures [3, 224, 224] to 1000 classes: 25.6 million params. */
export function resnet50(): Model {
  const children: Record<string, Module> = {
    stem: sequential({ unit: unit(3, 64, 7, 2), relu, pool: maxPool2d({ kernel: 3, stride: 2, padding: 1 }) }),
  };
  let from = 64;
  STAGES.forEach(([inner, blocks, stride], stage) => {
    for (let i = 0; i < blocks; i++) {
      children[`stage${stage + 1}_${i}`] = bottleneck(from, inner, i === 0 ? stride : 1);
      from = inner * EXPANSION;
    }
  });
  children["mean"] = globalAveragePool;
  children["fc"] = linear(from, 1000);
  return { name: "resnet50", inputShape: [3, 224, 224], classes: 1000, module: sequential(children), options: {} };
}
