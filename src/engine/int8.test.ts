/** Int8 operations in the engine: the interpreter's very bits on random convolutions, poolings and classifiers; what is refused. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { createRng, InputError, type Rng, type Tensor, tensor } from "../core/index.js";
import {
  conv2dInt8Op,
  dequantiseOp,
  interpret,
  linearInt8Op,
  maxPoolInt8Op,
  meanInt8Op,
  type ParamLayout,
  type Program,
  pad,
  quantiseOp,
  slice,
  trace,
  type Value,
  withLayouts,
} from "../program/index.js";
import { createEngine, type Engine } from "./engine.js";
import type { Int8Param } from "./int8-param.js";

let engine: Engine;
const several: Engine[] = [];
beforeAll(async () => {
  engine = await createEngine();
  for (const threads of [2, 3]) several.push(await createEngine({ threads }));
  for (const one of [engine, ...several]) await one.enableInt8();
});
afterAll(() => {
  for (const one of [engine, ...several]) one.close();
});

const X = { scale: 0.05, zero: 50 };
const Y = { scale: 0.13, zero: 9 };
const ROUNDING = { xScale: X.scale, xZero: X.zero, yScale: Y.scale, yZero: Y.zero, lo: 0, hi: 127 };

interface Weights {
  readonly params: Record<string, Tensor>;
  readonly q: Int8Array;
}

/** Random whole numbers, a part of them zero by blocks of 4 outputs x 4 inputs, on the grid of random scales. */
function weightsOf(rng: Rng, shape: readonly number[], dead = 0.5): Weights {
  const [o, c] = shape as [number, number];
  const taps = shape.slice(2).reduce((a, b) => a * b, 1);
  const scale = Float32Array.from({ length: o }, () => 0.002 + 0.01 * rng.uniform());
  const live = new Map<string, boolean>();
  const q = Int8Array.from({ length: o * c * taps }, (_, i) => {
    const key = `${Math.floor(i / (c * taps)) >> 2},${(Math.floor(i / taps) % c) >> 2},${i % taps}`;
    if (!live.has(key)) live.set(key, rng.uniform() >= dead);
    return live.get(key) ? rng.below(255) - 127 : 0;
  });
  const w = tensor(
    shape,
    Array.from(q, (v, i) => v * scale[Math.floor(i / (c * taps))]!),
  );
  const bias = tensor(
    [o],
    Array.from({ length: o }, () => rng.normal()),
  );
  return { params: { w, scale: tensor([o], scale), bias }, q };
}

const spec = (params: Record<string, Tensor>) =>
  Object.fromEntries(Object.entries(params).map(([path, { shape }]) => [path, { shape }]));
const picture = (rng: Rng, shape: readonly number[]) =>
  tensor(
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => 2 * rng.normal()),
  );

/** Outputs of engine and interpreter; `held` gives the weight to the store as whole numbers. */
function both(program: Program, params: Record<string, Tensor>, x: Tensor, held?: Int8Param, on = engine) {
  const layouts: Record<string, ParamLayout> = held ? { w: { kind: "int8" } } : {};
  const laid = withLayouts(program, layouts);
  const specs = Object.fromEntries(
    Object.keys(program.params).map((path) => [
      path,
      { shape: params[path]!.shape, ...(layouts[path] && { layout: layouts[path] }) },
    ]),
  );
  const store = on.params(specs, { ...params, ...(held ? { w: held } : {}) });
  const plan = on.compile(laid, store, { frozen: true });
  const got = plan.run({ x })["y"]!.data.slice();
  const domains = plan.intervals.flatMap(({ lanes }) => lanes.map(({ domain }) => domain.split(":")[0]!));
  plan.close();
  store.close();
  return { got, domains, want: interpret(program, { params, inputs: { x } }).outputs["y"]!.data };
}

const bytesOf = (x: Value): Value => x.graph.emit(quantiseOp, [x], X)[0]!;
const floatsOf = (y: Value, range = Y): Value => y.graph.emit(dequantiseOp, [y], range)[0]!;

it("convolutions: strides, dilation, any padding with a zero point, odd channels, residuals, empty weights, batches", () => {
  for (let round = 0; round < 60; round++) {
    const rng = createRng(round);
    const [n, c, o] = [1 + rng.below(2), 1 + rng.below(9), 1 + rng.below(9)];
    const [kh, kw] = rng.below(3) === 0 ? [1, 1] : [1 + rng.below(3), 1 + rng.below(3)];
    const attrs = {
      stride: [1 + rng.below(2), 1 + rng.below(2)],
      padding: [rng.below(3), rng.below(3), rng.below(3), rng.below(3)],
      dilation: [1 + rng.below(2), 1 + rng.below(2)],
      groups: 1,
    };
    const x = picture(rng, [n, c, 5 + rng.below(5), 12 + rng.below(6)]);
    const { params, q } = weightsOf(rng, [o, c, kh!, kw!], round % 10 === 0 ? 1 : 0.5);
    const residual = rng.below(2) === 1;
    const program = trace(
      ({ params: p, inputs }) => {
        const from = bytesOf(inputs["x"]!);
        const operands = [from, p["w"]!, p["scale"]!, p["bias"]!];
        const [first] = from.graph.emit(conv2dInt8Op, operands, { ...attrs, ...ROUNDING });
        if (!residual) return { outputs: { y: floatsOf(first!) } };
        const more = { rScale: Y.scale, rZero: Y.zero };
        return {
          outputs: { y: floatsOf(from.graph.emit(conv2dInt8Op, [...operands, first!], { ...attrs, ...ROUNDING, ...more })[0]!) },
        };
      },
      { inputs: { x: { shape: x.shape } }, params: spec(params) },
    );
    const { got, want } = both(program, params, x);
    expect(got, `round ${round}`).toEqual(want);
    expect(both(program, params, x, { shape: params["w"]!.shape, values: q }).got, `round ${round}, whole numbers`).toEqual(want);
  }
});

it("depthwise, max pooling, mean and classifier in a row", () => {
  for (let round = 0; round < 20; round++) {
    const rng = createRng(100 + round);
    const [n, c, stride] = [1 + rng.below(2), 1 + rng.below(9), 1 + rng.below(2)];
    const pad = stride === 2 ? rng.below(2) : 1;
    const [h, w] = pad === 1 ? [9 + rng.below(4), 9 + rng.below(8)] : [10 + 2 * rng.below(2), 10 + 2 * rng.below(4)];
    const x = picture(rng, [n, c, h!, w!]);
    const deep = weightsOf(rng, [c, 1, 3, 3], 0).params;
    const last = weightsOf(rng, [1 + rng.below(9), c], 0).params;
    const params = {
      w: deep["w"]!,
      scale: deep["scale"]!,
      bias: deep["bias"]!,
      w2: last["w"]!,
      scale2: last["scale"]!,
      bias2: last["bias"]!,
    };
    const program = trace(
      ({ params: p, inputs }) => {
        const { graph } = inputs["x"]!;
        const zero = { scale: X.scale, zero: 0 };
        const [from] = graph.emit(quantiseOp, [inputs["x"]!], zero);
        const conv = { stride: [stride, stride], padding: [pad, pad, 1, 1], dilation: [1, 1], groups: c };
        const [deepened] = graph.emit(conv2dInt8Op, [from!, p["w"]!, p["scale"]!, p["bias"]!], {
          ...conv,
          ...ROUNDING,
          xZero: 0,
          lo: 9,
        });
        const [pooled] = graph.emit(maxPoolInt8Op, [deepened!], { kernel: [2, 2], stride: [1, 1], padding: [0, 0, 0, 0] });
        const mean = { ...ROUNDING, xScale: Y.scale, xZero: Y.zero, yScale: 0.1, yZero: 3 };
        const [flat] = graph.emit(meanInt8Op, [pooled!], { ...mean, keepDims: rng.below(2) === 1 });
        const [y] = graph.emit(linearInt8Op, [flat!, p["w2"]!, p["scale2"]!, p["bias2"]!], { xScale: 0.1, xZero: 3 });
        return { outputs: { y: y! } };
      },
      { inputs: { x: { shape: x.shape } }, params: spec(params) },
    );
    const { got, want } = both(program, params, x);
    expect(got, `round ${round}`).toEqual(want);
  }
});

it.each([
  ["even rows", 32, 1],
  ["rows that four does not divide", 28, 1],
  ["rows that do not halve: channels", 14, 1],
  ["odd rows and columns", 21, 1],
  ["three images", 16, 3],
])("threads: a residual network, shortcuts, depthwise, pooling and classifier; %s", (_, size, n) => {
  const rng = createRng(size);
  const x = picture(rng, [n, 6, size, size]);
  const wide = 48;
  const shapes = {
    a: [wide, 6, 3, 3],
    b: [wide, wide, 3, 3],
    d: [wide, 1, 3, 3],
    e: [2 * wide, wide, 1, 1],
    s: [2 * wide, 2 * wide, 3, 3],
    l: [301, 2 * wide],
  };
  const params: Record<string, Tensor> = {};
  for (const [name, shape] of Object.entries(shapes))
    for (const [part, value] of Object.entries(weightsOf(rng, shape, name === "d" || name === "l" ? 0 : 0.6).params))
      params[`${name}_${part}`] = value;
  const program = trace(
    ({ params: p, inputs }) => {
      const { graph } = inputs["x"]!;
      const zeroed = { ...ROUNDING, yZero: 0, yScale: 0.5 };
      const conv = (
        from: Value,
        name: string,
        range: { scale: number; zero: number },
        more: object = {},
        residual: Value[] = [],
      ) => {
        const pad = shapes[name as "a"].length > 3 && shapes[name as "a"][3] === 3 ? 1 : 0;
        const attrs = {
          stride: [1, 1],
          padding: [pad, pad, pad, pad],
          dilation: [1, 1],
          groups: 1,
          ...zeroed,
          xScale: range.scale,
          xZero: range.zero,
        };
        return graph.emit(conv2dInt8Op, [from, p[`${name}_w`]!, p[`${name}_scale`]!, p[`${name}_bias`]!, ...residual], {
          ...attrs,
          ...more,
        })[0]!;
      };
      const own = { scale: 0.5, zero: 0 };
      const first = conv(bytesOf(inputs["x"]!), "a", X);
      const summed = conv(first, "b", own, { rScale: own.scale, rZero: own.zero }, [first]);
      const deep = conv(summed, "d", own, { groups: wide });
      const [smaller] = graph.emit(maxPoolInt8Op, [deep], { kernel: [3, 3], stride: [1, 1], padding: [1, 1, 1, 1] });
      const point = conv(smaller!, "e", own);
      // A shortcut without weights, as residual networks for small pictures have it: every other pixel, channels of zeros around.
      const _half = Math.ceil(size / 2);
      const skipped = slice(floatsOf(summed, own), [0, 0, 0, 0], [n, wide, size, size], [1, 1, 2, 2]);
      const padded = pad(skipped, [0, wide / 2, 0, 0], [0, wide / 2, 0, 0]);
      const [short] = graph.emit(quantiseOp, [padded], own);
      const strided = conv(point, "s", own, { stride: [2, 2], rScale: own.scale, rZero: own.zero }, [short!]);
      const [flat] = graph.emit(meanInt8Op, [strided], {
        ...ROUNDING,
        xScale: 0.5,
        xZero: 0,
        yScale: 0.1,
        yZero: 3,
        keepDims: false,
      });
      const [y] = graph.emit(linearInt8Op, [flat!, p["l_w"]!, p["l_scale"]!, p["l_bias"]!], { xScale: 0.1, xZero: 3 });
      return { outputs: { y: y! } };
    },
    { inputs: { x: { shape: x.shape } }, params: spec(params) },
  );
  const one = both(program, params, x);
  expect(one.got).toEqual(one.want);
  expect(new Set(one.got).size).toBeGreaterThan(100);
  for (const on of several) {
    const { got, domains } = both(program, params, x, undefined, on);
    expect(got).toEqual(one.want);
    if (n === 1) expect(domains.some((domain) => domain === "rows" || domain === "channels")).toBe(true);
  }
});

it("refuses programs that it cannot run, with the way out", async () => {
  const rng = createRng(3);
  const { params, q } = weightsOf(rng, [4, 4, 1, 1]);
  const attrs = { stride: [1, 1], padding: [0, 0, 0, 0], dilation: [1, 1], groups: 1, ...ROUNDING };
  const program = (width: number) =>
    trace(
      ({ params: p, inputs }) => ({
        outputs: {
          y: floatsOf(inputs["x"]!.graph.emit(conv2dInt8Op, [bytesOf(inputs["x"]!), p["w"]!, p["scale"]!, p["bias"]!], attrs)[0]!),
        },
      }),
      { inputs: { x: { shape: [1, 4, 4, width] } }, params: spec(params) },
    );
  const store = engine.params(spec(params), params);
  expect(() => engine.compile(program(8), store)).toThrow(/frozen/);
  expect(() => engine.compile(program(3), store, { frozen: true })).toThrow(/at least four pixels/);
  store.close();
  expect(() => engine.params({ w: { shape: [4, 4, 1, 1], layout: { kind: "int8" } } }, {})).toThrow(InputError);
  const wrong = { shape: [4, 4, 1, 1], values: q.subarray(1) };
  expect(() => engine.params({ w: { shape: [4, 4, 1, 1], layout: { kind: "int8" } } }, { w: wrong })).toThrow(/16 values/);
  const other = await createEngine();
  const own = other.params(spec(params), params);
  expect(() => other.compile(program(8), own, { frozen: true })).toThrow(/enableInt8/);
  other.close();
});
