/** Convolutions: dense, sparse and grouped, over kernels, strides, paddings, dilations and batch sizes, with everything that may fuse. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AnyTensor, createRng, type Rng, tensor } from "../core/index.js";
import { add, conv2d, div, exp, gradients, mul, type Program, relu, reshape, sum, trace, type Value } from "../program/index.js";
import { createEngine, type Engine } from "./engine.js";
import { differences, randomTensor } from "./testing/agree.js";
import { blockOf, KINDS, type Kind, masksOf, testWeight } from "./testing/sparse.js";

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine();
});
afterAll(() => engine.close());

const pick = <T>(rng: Rng, from: readonly T[]): T => from[rng.below(from.length)]!;

interface Setting {
  readonly x: readonly number[];
  readonly w: readonly number[];
  readonly stride: readonly [number, number];
  readonly padding: readonly [number, number, number, number];
  readonly dilation: readonly [number, number];
  readonly groups: number;
}

function setting(rng: Rng, kind: Kind): Setting {
  const n = pick(rng, [1, 2, 3, 4, 5, 8]);
  const [kh, kw] = rng.below(4) === 0 ? [pick(rng, [1, 2, 3, 5]), pick(rng, [1, 3, 4, 7])] : Array(2).fill(pick(rng, [1, 3, 5, 7]));
  const stride = [1 + rng.below(3), 1 + rng.below(3)] as const;
  const dilation = rng.below(3) === 0 ? ([1 + rng.below(3), 1 + rng.below(2)] as const) : ([1, 1] as const);
  const padding = (rng.below(2) ? [0, 1, 2, 3].map(() => rng.below(4)) : Array(4).fill(kh >> 1)) as unknown as Setting["padding"];
  const reach = [dilation[0] * (kh - 1) + 1, dilation[1] * (kw - 1) + 1] as const;
  const h = Math.max(1, reach[0] - padding[0] - padding[2]) + rng.below(8);
  const w = Math.max(1, reach[1] - padding[1] - padding[3]) + rng.below(8);
  const block = blockOf(kind);
  const groups = kind !== "dense" ? 1 : pick(rng, [1, 1, 2, 3]);
  const depthwise = kind === "dense" && rng.below(4) === 0;
  const c = depthwise ? 1 + rng.below(6) : groups * (1 + rng.below(5));
  const o = depthwise ? c * (1 + rng.below(2)) : groups * block * (1 + rng.below(block > 1 ? 3 : 6));
  return {
    x: [n, c, h, w],
    w: [o, c / (depthwise ? c : groups), kh, kw],
    stride,
    padding,
    dilation,
    groups: depthwise ? c : groups,
  };
}

/** y = (relu)(conv(x, w) (+ bias) (+ residual)); outputs y and the gradients of everything under a random weighting. */
function convProgram(
  s: Setting,
  spec: Parameters<typeof trace>[1],
  fuse: { bias: boolean; residual: boolean; relu: boolean },
): Program {
  return trace(({ params, inputs }) => {
    let y = conv2d(inputs["x"]!, params["w"]!, {
      stride: [...s.stride],
      padding: [...s.padding],
      dilation: [...s.dilation],
      groups: s.groups,
    });
    if (fuse.bias) y = add(y, reshape(params["b"]!, [1, s.w[0]!, 1, 1]));
    if (fuse.residual) y = add(y, inputs["r"]!);
    if (fuse.relu) y = relu(y);
    const loss = sum(mul(y, inputs["g"]!));
    const wrt: Record<string, Value> = { x: inputs["x"]!, w: params["w"]!, ...(fuse.bias ? { b: params["b"]! } : {}) };
    const found = gradients(loss, Object.values(wrt));
    return { outputs: { y, ...Object.fromEntries(Object.keys(wrt).map((name, i) => [`d${name}`, found[i]!])) } };
  }, spec);
}

function outputSize(s: Setting): number[] {
  const along = (d: number, k: number, i: number) =>
    Math.floor((d + s.padding[i]! + s.padding[i + 2]! - s.dilation[i]! * (k - 1) - 1) / s.stride[i]!) + 1;
  return [s.x[0]!, s.w[0]!, along(s.x[2]!, s.w[2]!, 0), along(s.x[3]!, s.w[3]!, 1)];
}

/** Sums of at most a few hundred products in float32. */
const BOUND = 1e-5;

describe.each(KINDS)("%s weights", (kind) => {
  it("give the interpreter's values and gradients on random convolutions", () => {
    for (let round = 0; round < 40; round++) {
      const rng = createRng(900 + round).split(kind);
      const s = setting(rng, kind);
      const fuse = { bias: rng.below(2) === 1, residual: rng.below(3) === 0, relu: rng.below(2) === 1 };
      const weight = testWeight(s.w, kind, rng, { density: pick(rng, [0.08, 0.3, 0.7]), spare: 4 * rng.below(2) });
      const y = outputSize(s);
      const bias = randomTensor([s.w[0]!], rng);
      const inputs: Record<string, AnyTensor> = { x: randomTensor(s.x, rng), g: randomTensor(y, rng), r: randomTensor(y, rng) };
      const program = convProgram(
        s,
        { params: { w: weight.spec, b: { shape: [s.w[0]!] } }, inputs: { x: { shape: s.x }, g: { shape: y }, r: { shape: y } } },
        fuse,
      );
      const about = `round ${round}: ${JSON.stringify({ ...s, ...fuse })}`;
      const given = { params: { w: weight.value, b: bias }, inputs, masks: masksOf({ w: weight }) };
      for (const { name, error } of differences(engine, program, given, { winograd: false }))
        expect(error, `${name}, ${about}`).toBeLessThan(BOUND);
    }
  });
});

describe.each(["csr", "block2", "block4"] as Kind[])("the sparse path, %s", (kind) => {
  it("serves all three products of a strided and an unstrided convolution; no dense kernel runs", () => {
    const rng = createRng(6);
    const weights = { a: testWeight([16, 16, 3, 3], kind, rng), b: testWeight([16, 16, 3, 3], kind, rng) };
    const program = trace(
      ({ params, inputs }) => {
        const y = conv2d(relu(conv2d(inputs["x"]!, params["a"]!, { padding: 1 })), params["b"]!, { stride: 2, padding: 1 });
        const [dx, da, db] = gradients(sum(mul(y, y)), [inputs["x"]!, params["a"]!, params["b"]!]) as [Value, Value, Value];
        return { outputs: { dx, da, db } };
      },
      { params: { a: weights.a.spec, b: weights.b.spec }, inputs: { x: { shape: [4, 16, 8, 8] } } },
    );
    const store = engine.params({ a: weights.a.spec, b: weights.b.spec }, { a: weights.a.value, b: weights.b.value });
    const plan = engine.compile(program, store);
    plan.run({ x: randomTensor([4, 16, 8, 8], rng) });
    const family = (kernel: string) => kernel.replace(/_\d+$/, "");
    const ran = new Set(plan.profile(() => performance.now()).map(({ kernel }) => family(kernel)));
    const block = blockOf(kind);
    for (const kernel of [`sp${block}`, "sp1", `sddmm${block}`]) expect(ran).toContain(kernel);
    for (const dense of ["wgemm", "wdots", "dots", "gemm_4x8", "w4_in", ...(block === 4 ? [] : ["sp4"])])
      expect(ran).not.toContain(dense);
    expect(plan.decisions.filter(({ kernel }) => /dense|winograd|^dots/.test(kernel))).toEqual([]);
    plan.close();
    store.close();
  });
});

describe("sparse 3x3 from one channel to one", () => {
  it.each([1, 2, 3])("finds zeros around the planes of %i images", (n) => {
    const rng = createRng(6);
    const w = testWeight([1, 1, 3, 3], "csr", rng, { density: 0.9 });
    const program = trace(({ params, inputs }) => ({ outputs: { y: conv2d(exp(inputs["x"]!), params["w"]!, { padding: 1 }) } }), {
      params: { w: w.spec },
      inputs: { x: { shape: [n, 1, 5, 11] } },
    });
    const given = { params: { w: w.value }, inputs: { x: randomTensor([n, 1, 5, 11], rng) }, masks: masksOf({ w }) };
    for (const frozen of [false, true])
      for (const { error } of differences(engine, program, given, { frozen })) expect(error).toBeLessThan(BOUND);
  });
});

it("a bias of more dims than the images makes a value of more dims", () => {
  const rng = createRng(9);
  const shapes = { w: [4, 3, 3, 3], b: [1, 1, 4, 1, 1], c: [1, 2, 1, 1, 1] };
  const program = trace(
    ({ params, inputs }) => {
      const y = exp(add(conv2d(inputs["x"]!, params["w"]!, { padding: 1 }), params["b"]!));
      return { outputs: { y, scaled: mul(y, params["c"]!), sum: sum(y, [2, 3]) } };
    },
    {
      params: Object.fromEntries(Object.entries(shapes).map(([path, shape]) => [path, { shape }])),
      inputs: { x: { shape: [2, 3, 5, 6] } },
    },
  );
  const params = Object.fromEntries(Object.entries(shapes).map(([path, shape]) => [path, randomTensor(shape, rng, 0.3)]));
  for (const { name, error } of differences(engine, program, { params, inputs: { x: randomTensor([2, 3, 5, 6], rng) } }))
    expect(error, name).toBeLessThan(BOUND);
});

it("gradients of 1x1 weights do not see what operations leave around the planes", () => {
  const rng = createRng(7);
  const spec = {
    params: { a: { shape: [8, 3, 3, 3] }, b: { shape: [4, 8, 3, 3] }, c: { shape: [4, 8, 1, 1] } },
    inputs: { x: { shape: [3, 3, 6, 7] } },
  };
  const program = trace(({ params, inputs }) => {
    const r = conv2d(inputs["x"]!, params["a"]!, { padding: 1 });
    const s = mul(conv2d(r, params["b"]!, { padding: 1 }), 0.5);
    // Borders that were zero for the taps of b are infinite.
    const y = mul(s, conv2d(div(1, r), params["c"]!));
    return { outputs: { y, dc: gradients(sum(y), [params["c"]!])[0]! } };
  }, spec);
  const positive = (shape: readonly number[]): AnyTensor => {
    const { data } = randomTensor(shape, rng);
    return tensor(
      shape,
      Float32Array.from(data, (v) => 0.1 + Math.abs(v)),
    );
  };
  const params = Object.fromEntries(Object.entries(spec.params).map(([path, { shape }]) => [path, positive(shape)]));
  for (const { name, error } of differences(engine, program, { params, inputs: { x: positive([3, 3, 6, 7]) } }))
    expect(error, name).toBeLessThan(BOUND);
});

describe("dense 3x3 by Winograd", () => {
  // F(4x4, 3x3) in float32: a few 1e-6 of the greatest value (Lavin and Gray 2016).
  it.each([
    [8, 16, 16, 8, 8],
    [4, 16, 20, 5, 9],
    [4, 32, 16, 13, 4],
    [12, 17, 16, 6, 7],
    [4, 18, 24, 1, 3],
    // Single images, frozen: four tiles of an image in the lanes.
    [1, 16, 16, 8, 8],
    [1, 20, 16, 7, 7],
    [3, 16, 24, 9, 14],
    [1, 16, 16, 37, 41],
  ])("batch %i, %i -> %i channels, %i x %i pixels, stays within 3e-5 of the interpreter", (n, c, o, h, w) => {
    const frozen = n % 4 !== 0;
    const rng = createRng(5);
    const s: Setting = { x: [n, c, h, w], w: [o, c, 3, 3], stride: [1, 1], padding: [1, 1, 1, 1], dilation: [1, 1], groups: 1 };
    const y = [n, o, h, w];
    const program = convProgram(
      s,
      { params: { w: { shape: s.w }, b: { shape: [o] } }, inputs: { x: { shape: s.x }, g: { shape: y }, r: { shape: y } } },
      { bias: true, residual: true, relu: true },
    );
    const given = {
      params: { w: randomTensor(s.w, rng, 0.2), b: randomTensor([o], rng) },
      inputs: { x: randomTensor(s.x, rng), g: randomTensor(y, rng), r: randomTensor(y, rng) },
    };
    for (const { name, error } of differences(engine, program, given, { frozen })) expect(error, name).toBeLessThan(3e-5);
    const store = engine.params({ w: { shape: s.w }, b: { shape: [o] } });
    const plan = engine.compile(program, store, { frozen });
    expect(plan.decisions.filter(({ kernel }) => kernel.startsWith("winograd")).length).toBeGreaterThan(0);
    plan.close();
    store.close();
  });
});

describe("residuals of convolutions are summed over in their own memory", () => {
  const shape = [1, 8, 6, 7];
  it.each<[string, boolean, (x: Value, w: Value, b: Value) => Record<string, Value>]>([
    ["where they die", true, (x, w) => {
      const r = exp(conv2d(x, w, { padding: 1 }));
      return { y: relu(add(conv2d(relu(conv2d(r, w, { padding: 1 })), w, { padding: 1 }), r)) };
    }],
    ["with a bias, at a stride", true, (x, w, b) => {
      const r = exp(conv2d(x, w, { padding: 1, stride: 2 }));
      return { y: relu(add(conv2d(x, w, { padding: 1, stride: 2, bias: b }), r)) };
    }],
    ["not where a tap reads them", false, (x, w) => {
      const r = exp(conv2d(x, w, { padding: 1 }));
      return { y: relu(add(conv2d(r, w, { padding: 1 }), r)) };
    }],
    ["not where they are needed later", false, (x, w) => {
      const r = exp(conv2d(x, w, { padding: 1 }));
      const y = relu(add(conv2d(relu(conv2d(r, w, { padding: 1 })), w, { padding: 1 }), r));
      return { y, z: mul(r, y) };
    }],
    ["not where they are outputs", false, (x, w) => {
      const r = exp(conv2d(x, w, { padding: 1 }));
      return { r, y: add(conv2d(relu(conv2d(r, w, { padding: 1 })), w, { padding: 1 }), r) };
    }],
  ])("%s", (_, over, make) => {
    for (const kind of KINDS) {
      const rng = createRng(8);
      const w = testWeight([8, 8, 3, 3], kind, rng);
      const spec = { params: { w: w.spec, b: { shape: [8] } }, inputs: { x: { shape } } };
      const program = trace(({ params, inputs }) => ({ outputs: make(inputs["x"]!, params["w"]!, params["b"]!) }), spec);
      const params = { w: w.value, b: randomTensor([8], rng) };
      const given = { params, inputs: { x: randomTensor(shape, rng, 0.3) }, masks: masksOf({ w }) };
      for (const { name, error } of differences(engine, program, given, { winograd: false })) expect(error, name).toBeLessThan(BOUND);
      const store = engine.params(spec.params);
      const plan = engine.compile(program, store, { winograd: false });
      const steps = plan.intervals.flatMap(({ lanes }) => lanes.flatMap((lane) => lane.steps));
      expect(steps.includes("finish conv2d")).toBe(!over);
      expect(steps).not.toContain("add");
      plan.close();
      store.close();
    }
  }); // biome-ignore format: a table
});

describe("sums of gradients of convolutions", () => {
  it.each([["one"], ["two"], ["one", "two"]])(
    "keep an addend that is an output of its own: %s %s",
    (...kept: (string | undefined)[]) => {
      const rng = createRng(3);
      const spec = { params: { a: { shape: [4, 3, 3, 3] }, b: { shape: [4, 3, 3, 3] } }, inputs: { x: { shape: [4, 3, 6, 6] } } };
      const program = trace(({ params, inputs }) => {
        const x = inputs["x"]!;
        const branch = (w: Value) => sum(exp(conv2d(x, w, { padding: 1 })));
        const [one] = gradients(branch(params["a"]!), [x]);
        const [two] = gradients(branch(params["b"]!), [x]);
        const all: Record<string, Value> = { one: one!, two: two!, both: add(one!, two!) };
        return { outputs: Object.fromEntries(Object.entries(all).filter(([name]) => name === "both" || kept.includes(name))) };
      }, spec);
      const given = {
        params: { a: randomTensor([4, 3, 3, 3], rng, 0.2), b: randomTensor([4, 3, 3, 3], rng, 0.2) },
        inputs: { x: randomTensor([4, 3, 6, 6], rng) },
      };
      for (const { name, error } of differences(engine, program, given, { winograd: false }))
        expect(error, name).toBeLessThan(BOUND);
    },
  );

  it.each([1, 3])("keep the gradient that the sum is made of while taps of %i x the same still read it", (k) => {
    const rng = createRng(5);
    const spec = { params: { a: { shape: [8, 8, k, k] }, b: { shape: [4, 8, 1, 1] } }, inputs: { x: { shape: [3, 8, 6, 7] } } };
    const program = trace(({ params, inputs }) => {
      const x = exp(inputs["x"]!);
      const y = exp(add(conv2d(x, params["a"]!, { padding: k >> 1 }), x));
      return { outputs: { dx: gradients(sum(exp(conv2d(y, params["b"]!))), [inputs["x"]!])[0]! } };
    }, spec);
    const given = {
      params: { a: randomTensor([8, 8, k, k], rng, 0.05), b: randomTensor([4, 8, 1, 1], rng, 0.1) },
      inputs: { x: randomTensor([3, 8, 6, 7], rng, 0.1) },
    };
    for (const { name, error } of differences(engine, program, given)) expect(error, name).toBeLessThan(BOUND);
  });

  it("take one input through several convolutions", () => {
    const rng = createRng(4);
    const program = trace(
      ({ params, inputs }) => {
        const x = relu(inputs["x"]!);
        const y = add(add(conv2d(x, params["a"]!, { padding: 1 }), conv2d(x, params["b"]!, { padding: 2 })), mul(x, 0.5));
        const [g] = gradients(sum(mul(y, y)), [inputs["x"]!]);
        return { outputs: { y, g: g! } };
      },
      { params: { a: { shape: [3, 3, 3, 3] }, b: { shape: [3, 3, 5, 5] } }, inputs: { x: { shape: [8, 3, 7, 5] } } },
    );
    const given = {
      params: { a: randomTensor([3, 3, 3, 3], rng), b: randomTensor([3, 3, 5, 5], rng) },
      inputs: { x: randomTensor([8, 3, 7, 5], rng) },
    };
    for (const { name, error } of differences(engine, program, given, { winograd: false })) expect(error, name).toBeLessThan(BOUND);
  });
});
