/** Training steps large enough that every kind of domain is cut: for tests of threads and of orders. */
import { type AnyTensor, createRng, type Tree, tensor } from "../../core/index.js";
import {
  adamStep,
  add,
  batchNorm,
  conv2d,
  crossEntropy,
  exp,
  gradients,
  linear,
  matmul,
  maxPool2d,
  mean,
  mul,
  type ParamSpec,
  type Program,
  relu,
  sgdStep,
  softmax,
  tanh,
  trace,
  type Value,
} from "../../program/index.js";
import { randomLabels, randomTensor } from "./agree.js";
import { type Kind, type TestWeight, testWeight } from "./sparse.js";

/** A program with everything that a run needs. */
export interface Case {
  readonly program: Program;
  readonly specs: Tree<ParamSpec>;
  readonly values: Tree<AnyTensor>;
  readonly inputs: Tree<AnyTensor>;
}

/** Layers of 260 features over 70 samples: products, strips and flat pieces are all cut. */
export function mlpCase(kind: Kind): Case {
  const rng = createRng(1).split(kind);
  const sizes = [130, 260, 260, 12];
  const weights: TestWeight[] = sizes.slice(1).map((to, i) => testWeight([to, sizes[i]!], kind, rng, { density: 0.1, scale: 0.1 }));
  const specs: Record<string, ParamSpec> = {};
  const values: Record<string, AnyTensor> = {};
  weights.forEach(({ spec, value }, i) => {
    specs[`w${i}`] = spec;
    values[`w${i}`] = value;
    specs[`b${i}`] = { shape: [sizes[i + 1]!] };
    for (const slot of ["m", "v"])
      specs[`w${i}:${slot}`] = { shape: spec.shape, ...(kind === "dense" ? {} : { pattern: `w${i}` }) };
  });
  const program = trace(
    ({ params: p, inputs }) => {
      const h = relu(linear(inputs["x"]!, p["w0"]!, p["b0"]!));
      const y = linear(tanh(linear(add(h, exp(mul(h, -0.5))), p["w1"]!, p["b1"]!)), p["w2"]!, p["b2"]!);
      const loss = crossEntropy(y, inputs["y"]!);
      const found = gradients(loss, [p["w0"]!, p["w1"]!, p["w2"]!, inputs["x"]!]);
      const updates: Record<string, Value> = {};
      [0, 1].forEach((i) => {
        const s = adamStep(
          { w: p[`w${i}`]!, g: found[i]!, m: p[`w${i}:m`]!, v: p[`w${i}:v`]!, lr: inputs["lr"]!, corrections: inputs["c"]! },
          {},
        );
        Object.assign(updates, { [`w${i}`]: s.w, [`w${i}:m`]: s.m, [`w${i}:v`]: s.v });
      });
      const s = sgdStep({ w: p["w2"]!, g: found[2]!, m: p["w2:m"]!, lr: inputs["lr"]! }, { momentum: 0.9 });
      Object.assign(updates, { w2: s.w, "w2:m": s.m! });
      return { outputs: { loss, y, dx: found[3]!, gram: softmax(matmul(h, h, { transposeB: true }), -1) }, updates };
    },
    { params: specs, inputs: { x: { shape: [70, 130] }, y: { shape: [70], dtype: "i32" }, lr: { shape: [] }, c: { shape: [2] } } },
  );
  const inputs = {
    x: randomTensor([70, 130], rng),
    y: randomLabels(70, 12, rng),
    lr: tensor([], [0.01]),
    c: tensor([2], [10, 100]),
  };
  return { program, specs, values, inputs };
}

/** Convolutions on 10 groups of images, Winograd among them, batch norm, pooling. */
export function convCase(kind: Kind, n: number): Case {
  const rng = createRng(2).split(kind);
  const weights = {
    a: testWeight([16, 3, 3, 3], "dense", rng, { scale: 0.2 }),
    b: testWeight([16, 16, 3, 3], kind, rng, { density: 0.2, scale: 0.1 }),
    c: testWeight([24, 16, 3, 3], kind, rng, { density: 0.2, scale: 0.1 }),
    d: testWeight([24, 1, 3, 3], "dense", rng),
  };
  const specs: Record<string, ParamSpec> = { g: { shape: [16] }, s: { shape: [16] } };
  for (const [path, { spec }] of Object.entries(weights)) specs[path] = spec;
  const program = trace(
    ({ params: p, inputs }) => {
      const x = relu(conv2d(inputs["x"]!, p["a"]!, { padding: 1 }));
      const h = relu(add(batchNorm(conv2d(x, p["b"]!, { padding: 1 }), p["g"]!, p["s"]!).y, x));
      const y = maxPool2d(relu(conv2d(h, p["c"]!, { stride: 2, padding: 1 })), { kernel: 2 });
      const loss = mean(mul(mean(conv2d(y, p["d"]!, { padding: 1, groups: 24 }), [2, 3]), inputs["t"]!));
      const paths = Object.keys(specs);
      const found = gradients(
        loss,
        paths.map((path) => p[path]!),
      );
      return { outputs: { loss, y, ...Object.fromEntries(paths.map((path, i) => [`d${path}`, found[i]!])) } };
    },
    { params: specs, inputs: { x: { shape: [n, 3, 13, 10] }, t: { shape: [n, 24] } } },
  );
  const values: Record<string, AnyTensor> = { g: tensor([16], new Float32Array(16).fill(1)), s: tensor([16]) };
  for (const [path, { value }] of Object.entries(weights)) values[path] = value;
  return { program, specs, values, inputs: { x: randomTensor([n, 3, 13, 10], rng), t: randomTensor([n, 24], rng) } };
}
