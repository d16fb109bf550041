/** Training steps large enough that every kind of domain is cut: for tests of threads and of orders. */
import { type AnyTensor, createRng, type Tree, tensor } from "../../core/index.js";
import {
  adamStep,
  add,
  avgPool2d,
  batchNorm,
  concat,
  conv2d,
  crossEntropy,
  exp,
  gradients,
  layerNorm,
  linear,
  matmul,
  maxPool2d,
  mean,
  mul,
  type ParamSpec,
  type Program,
  relu,
  reshape,
  sgdStep,
  sigmoid,
  sliceAxis,
  softmax,
  tanh,
  trace,
  transpose,
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

/**
 * A convnet for inference, with every kind of step on planes: 3x3 with stride 1 and 2, 1x1, grouped and depthwise convolutions, residuals,
 * pools, elementwise work, means, a classifier.
 * @param size height of the image; its width is 3 more
 */
export function imageCase(kind: Kind, size: number, n: number): Case {
  const rng = createRng(4).split(kind).split(String(size));
  const convs: Readonly<Record<string, readonly [number, number, number, Kind]>> = {
    stem: [24, 3, 3, "dense"],
    same: [24, 24, 3, kind],
    down: [48, 24, 3, kind],
    short: [48, 24, 1, kind],
    point: [96, 48, 1, kind],
    back: [48, 96, 1, kind],
    grouped: [48, 12, 3, "dense"],
  };
  const specs: Record<string, ParamSpec> = {};
  const values: Record<string, AnyTensor> = {};
  const param = (path: string, { spec, value }: TestWeight): void => {
    specs[path] = spec;
    values[path] = value;
  };
  for (const [path, [o, c, k, held]] of Object.entries(convs)) {
    param(path, testWeight([o, c, k, k], held, rng.split(path), { density: 0.3, scale: 0.2 }));
    param(`${path}.bias`, testWeight([o], "dense", rng.split(`${path}.bias`)));
  }
  for (const [path, c] of Object.entries({ deep: 96, deeper: 96, late: 48 }))
    param(path, testWeight([c, 1, 3, 3], "dense", rng.split(path)));
  param("class", testWeight([40, 48], kind, rng.split("class")));
  param("class.bias", testWeight([40], "dense", rng.split("class.bias")));
  const program = trace(
    ({ params: p, inputs }) => {
      const conv = (x: Value, path: string, options: Parameters<typeof conv2d>[2] = {}) =>
        add(conv2d(x, p[path]!, options), reshape(p[`${path}.bias`]!, [1, -1, 1, 1]));
      const depthwise = (x: Value, path: string, stride: number, c: number) =>
        relu(conv2d(x, p[path]!, { stride, padding: 1, groups: c }));
      const a = relu(conv(inputs["x"]!, "stem", { padding: 1 }));
      const b = relu(add(conv(a, "same", { padding: 1 }), a));
      const c = relu(add(conv(b, "down", { stride: 2, padding: 1 }), conv(b, "short", { stride: 2 })));
      const d = relu(conv(c, "point"));
      const e = add(conv(depthwise(depthwise(d, "deep", 1, 96), "deeper", 1, 96), "back"), c);
      const f = add(
        maxPool2d(e, { kernel: 3, stride: 2, padding: 1 }),
        avgPool2d(mul(tanh(e), 0.5), { kernel: 3, stride: 2, padding: 1 }),
      );
      const g = depthwise(conv(f, "grouped", { padding: 1, groups: 4 }), "late", 2, 48);
      return { outputs: { y: linear(mean(g, [2, 3]), p["class"]!, p["class.bias"]!), e } };
    },
    { params: specs, inputs: { x: { shape: [n, 3, size, size + 3] } } },
  );
  return { program, specs, values, inputs: { x: randomTensor([n, 3, size, size + 3], rng) } };
}

/**
 * Inference without images: one row through products of every size, and a block of attention over `m` positions.
 * @param m positions; products with fewer than 56 go another way than longer ones
 */
export function sequenceCase(kind: Kind, m: number): Case {
  const rng = createRng(5).split(kind).split(String(m));
  const [d, heads] = [96, 4];
  const specs: Record<string, ParamSpec> = { gamma: { shape: [d] }, beta: { shape: [d] } };
  const values: Record<string, AnyTensor> = { gamma: randomTensor([d], rng), beta: randomTensor([d], rng) };
  const shapes = {
    q: [d, d],
    k: [d, d],
    v: [d, d],
    up: [2 * d, d],
    down: [d, 2 * d],
    one: [300, 260],
    two: [200, 300],
    three: [10, 200],
  };
  for (const [path, shape] of Object.entries(shapes)) {
    const { spec, value } = testWeight(shape, path === "three" ? "dense" : kind, rng.split(path), { density: 0.3, scale: 0.2 });
    specs[path] = spec;
    values[path] = value;
    specs[`${path}.bias`] = { shape: [shape[0]!] };
    values[`${path}.bias`] = randomTensor([shape[0]!], rng);
  }
  const program = trace(
    ({ params: p, inputs }) => {
      const product = (x: Value, path: string) => linear(x, p[path]!, p[`${path}.bias`]!);
      const h = layerNorm(inputs["x"]!, p["gamma"]!, p["beta"]!);
      const split = (path: string) => transpose(reshape(product(h, path), [m, heads, d / heads]), [1, 0, 2]);
      const scores = softmax(mul(matmul(split("q"), split("k"), { transposeB: true }), 0.2), -1);
      const mixed = reshape(transpose(matmul(scores, split("v")), [1, 0, 2]), [m, d]);
      const wide = add(tanh(product(add(mixed, inputs["x"]!), "up")), reshape(p["up.bias"]!, [1, 2 * d]));
      const row = product(tanh(relu(product(inputs["row"]!, "one"))), "two");
      return { outputs: { y: product(wide, "down"), z: product(row, "three") } };
    },
    { params: specs, inputs: { x: { shape: [m, d] }, row: { shape: [1, 260] } } },
  );
  return { program, specs, values, inputs: { x: randomTensor([m, d], rng), row: randomTensor([1, 260], rng) } };
}

/**
 * Steps of an LSTM cell of 256 units, whose gates are slices of one product; the states side by side go on into another product.
 * @param skewed the first quarter of each gate's rows has most of the weights
 */
export function recurrentCase(kind: Kind, skewed: boolean): Case {
  const rng = createRng(9).split(kind);
  const [steps, hidden, inputs] = [3, 256, 40];
  const density = (row: number) => (!skewed ? 0.1 : row % hidden < hidden / 4 ? 0.3 : 0.03);
  const { spec, value } = testWeight([4 * hidden, hidden], kind, rng, { density, scale: 0.3 });
  const shapes = { wx: [4 * hidden, inputs], bx: [4 * hidden], bh: [4 * hidden], wl: [20, steps * hidden], bl: [20] };
  const specs: Record<string, ParamSpec> = { wh: spec };
  const values: Record<string, AnyTensor> = { wh: value };
  for (const [path, shape] of Object.entries(shapes)) {
    specs[path] = { shape };
    values[path] = randomTensor(shape, rng.split(path));
  }
  const program = trace(
    ({ params: p, inputs: given }) => {
      const own = linear(given["x"]!, p["wx"]!, p["bx"]!);
      let h = reshape(given["h"]!, [1, hidden]);
      let c = tanh(h);
      const states: Value[] = [];
      for (let t = 0; t < steps; t++) {
        const all = add(sliceAxis(own, 0, t, t + 1), linear(h, p["wh"]!, p["bh"]!));
        const gate = (k: number) => sliceAxis(all, 1, k * hidden, (k + 1) * hidden);
        c = add(mul(sigmoid(gate(1)), c), mul(sigmoid(gate(0)), tanh(gate(2))));
        h = mul(mul(sigmoid(gate(3)), tanh(c)), 1.5);
        states.push(h);
      }
      return { outputs: { h, c, y: linear(concat(states, 1), p["wl"]!, p["bl"]!), all: concat(states, 0) } };
    },
    { params: specs, inputs: { x: { shape: [steps, inputs] }, h: { shape: [hidden] } } },
  );
  return { program, specs, values, inputs: { x: randomTensor([steps, inputs], rng), h: randomTensor([hidden], rng) } };
}
