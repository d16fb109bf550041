/** Sparse values: a program over them must compute what the dense program computes with masked weights. */
import { describe, expect, it } from "vitest";
import { InputError, tensor } from "../core/index.js";
import { grad, gradients } from "./grad.js";
import type { Value } from "./graph.js";
import { interpret, type Mask } from "./interpret.js";
import * as ops from "./ops/index.js";
import { evaluate, numbers, wave } from "./testing/evaluate.js";
import { trace } from "./trace.js";

const maskOf = (shape: readonly number[], live: (i: number) => boolean): Mask => ({
  shape,
  data: Uint8Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Number(live(i))),
});
const masked = (t: ReturnType<typeof wave>, mask: Mask) =>
  tensor(
    t.shape,
    t.data.map((v, i) => v * mask.data[i]!),
  );
const close = (a: readonly number[], b: readonly number[]) => {
  expect(a.length).toBe(b.length);
  for (let i = 0; i < a.length; i++) expect(a[i]).toBeCloseTo(b[i]!, 5);
};

/** A two-layer network with a convolution; its loss and the curvature along a direction. */
const network = ({ x, c, w, dc, dw }: Readonly<Record<string, Value>>) => {
  const h = ops.tanh(ops.conv2d(x!, c!, { padding: 1 }));
  const y = ops.linear(ops.mean(h, [2, 3]), w!);
  const loss = ops.mean(ops.mul(ops.logSoftmax(y), ops.constant(y.graph, y.shape, y.shape.reduce((a, b) => a * b, 1) / 2)));
  const [gc, gw] = gradients(loss, [c!, w!]) as [Value, Value];
  const slope = ops.add(ops.sum(ops.mul(gc, dc!)), ops.sum(ops.mul(gw, dw!)));
  const [hc, hw] = gradients(slope, [c!, w!]) as [Value, Value];
  return { loss, gc, gw, hc, hw };
};

describe("sparse params", () => {
  const shapes = { x: [2, 2, 4, 4], c: [3, 2, 3, 3], w: [4, 3] };
  const masks = { c: maskOf(shapes.c, (i) => i % 3 !== 1), w: maskOf(shapes.w, (i) => i % 4 !== 0) };
  const values = { x: wave(shapes.x), c: wave(shapes.c, 1), w: wave(shapes.w, 2), dc: wave(shapes.c, 3), dw: wave(shapes.w, 4) };
  const program = (sparse: boolean) => {
    const spec = (path: "c" | "w", n: number) => ({
      shape: shapes[path],
      ...(sparse ? { layout: { kind: "csr" as const, capacity: n } } : {}),
    });
    const slot = (path: "c" | "w") => ({ shape: shapes[path], ...(sparse ? { pattern: path } : {}) });
    return trace(({ params, inputs }) => ({ outputs: network({ ...params, ...inputs }) }), {
      inputs: { x: { shape: shapes.x } },
      params: { c: spec("c", 54), w: spec("w", 12), dc: slot("c"), dw: slot("w") },
    });
  };

  it("give the masked dense numbers: loss, gradients and Hessian-vector products", () => {
    const { x, ...params } = values;
    const sparse = interpret(program(true), { inputs: { x }, params, masks }).outputs;
    const dense = interpret(program(false), {
      inputs: { x },
      params: {
        c: masked(values.c, masks.c),
        w: masked(values.w, masks.w),
        dc: masked(values.dc, masks.c),
        dw: masked(values.dw, masks.w),
      },
    }).outputs;
    close(numbers(sparse["loss"]), numbers(dense["loss"]));
    for (const [name, path] of [
      ["gc", "c"],
      ["gw", "w"],
      ["hc", "c"],
      ["hw", "w"],
    ] as const) {
      close(numbers(sparse[name]), numbers(masked(dense[name] as never, masks[path])));
      expect(numbers(sparse[name]).filter((v) => v !== 0).length).toBeGreaterThan(4);
    }
  });

  it("have gradients of their own pattern, computed at live positions only", () => {
    const p = program(true);
    for (const [name, path] of [
      ["gc", "c"],
      ["gw", "w"],
      ["hc", "c"],
      ["hw", "w"],
    ] as const)
      expect(p.values[p.outputs[name]!]!.pattern).toBe(path);
    const products = p.operations.filter(({ op }) => op === "conv2dWeightGrad" || op === "matmul");
    const full = products.filter(
      ({ outputs }) => p.values[outputs[0]!]!.shape.join() === "3,2,3,3" && p.values[outputs[0]!]!.pattern === undefined,
    );
    expect(full).toEqual([]);
  });

  it("go through optimisers with their slots", () => {
    const mask = maskOf([3], (i) => i !== 1);
    const p = trace(
      ({ params, inputs }) => {
        const next = ops.sgdStep(
          { w: params["w"]!, g: ops.mul(params["w"]!, 1), m: params["w:m"]!, lr: inputs["lr"]! },
          { momentum: 0.5 },
        );
        return { outputs: {}, updates: { w: next.w, "w:m": next.m! } };
      },
      {
        inputs: { lr: { shape: [] } },
        params: { w: { shape: [3], layout: { kind: "csr", capacity: 3 } }, "w:m": { shape: [3], pattern: "w" } },
      },
    );
    const { updates } = interpret(p, {
      inputs: { lr: tensor([], [0.5]) },
      params: { w: tensor([3], [2, 4, 6]), "w:m": tensor([3], [1, 1, 1]) },
      masks: { w: mask },
    });
    expect(numbers(updates["w:m"])).toEqual([2.5, 0, 6.5]);
    expect(numbers(updates["w"])).toEqual([0.75, 0, 2.75]);
  });

  it("reduce fully, with dead positions as zero, also where f(0) is not 0", () => {
    const out = evaluate(
      ({ w }) => ({
        sum: ops.sum(ops.exp(w!)),
        mean: ops.mean(w!),
        top: ops.reduceMax(w!),
        dw: gradients(ops.mean(ops.square(w!)), [w!])[0]!,
      }),
      { w: tensor([2, 2], [0, -1, -3, -2]) },
      { w: maskOf([2, 2], (i) => i !== 0) },
    );
    expect(numbers(out["sum"])[0]).toBeCloseTo(Math.exp(-1) + Math.exp(-3) + Math.exp(-2), 6);
    expect(numbers(out["mean"])).toEqual([-1.5]);
    expect(numbers(out["top"])).toEqual([0]);
    expect(numbers(out["dw"])).toEqual([0, -0.5, -1.5, -1]);
  });

  const two = {
    a: { shape: [2, 2], layout: { kind: "csr" as const, capacity: 4 } },
    b: { shape: [2, 2], layout: { kind: "csr" as const, capacity: 4 } },
    d: { shape: [2, 2] },
  };
  const misuse: [string, (p: Readonly<Record<string, Value>>) => Value, RegExp][] = [
    ["two patterns meet", ({ a, b }) => ops.add(a!, b!), /add: .*pattern of "a".*b is of the pattern of "b"/],
    ["a dense operand of the same shape", ({ a, d }) => ops.mul(d!, a!), /mul: .*a is dense/],
    ["broadcasting a row over a pattern", ({ a, d }) => ops.mul(a!, ops.sum(d!, 0)), /mul: .*pattern of "a"/],
    ["a partial reduction", ({ a }) => ops.sum(a!, 0), /sum: .*live positions of "a"/],
    ["a reshape", ({ a }) => ops.reshape(a!, [4]), /reshape: .*live positions of "a"/],
    ["a product of two sparse", ({ a, b }) => ops.matmul(a!, b!), /matmul: .*live positions of "b"/],
    ["a sparse input of softmax", ({ a }) => ops.softmax(a!), /softmax: .*live positions of "a"/],
  ];
  it.each(misuse)("refuse %s", (_, f, message) => {
    const attempt = () => trace(({ params }) => ({ outputs: { y: f(params) } }), { params: two });
    expect(attempt).toThrow(message);
    expect(attempt).toThrow(InputError);
  });

  it("refuse an update of another pattern", () => {
    expect(() => trace(({ params }) => ({ outputs: {}, updates: { a: params["d"]! } }), { params: two })).toThrow(
      /update of "a" is dense, the param of the pattern of "a"/,
    );
  });
});

describe("grad as a transform", () => {
  it("adds gradients of a program, twice", () => {
    const cube = trace(({ params }) => ({ outputs: { y: ops.sum(ops.powScalar(params["x"]!, 3)) } }), {
      params: { x: { shape: [2] } },
    });
    const first = grad(cube, "y");
    const summed = trace(({ params }) => ({ outputs: { y: ops.sum(ops.mul(params["x"]!, 1)) } }), {
      params: { x: { shape: [2] } },
    });
    expect(Object.keys(first.outputs)).toEqual(["y", "grad:x"]);
    const run = (p: typeof first) => interpret(p, { params: { x: tensor([2], [2, -1]) } }).outputs;
    expect(numbers(run(first)["y"])).toEqual([7]);
    expect(numbers(run(first)["grad:x"])).toEqual([12, 3]);
    expect(numbers(run(grad(summed, "y"))["grad:x"])).toEqual([1, 1]);
    expect(() => grad(cube, "z")).toThrow(/no output "z"/);
    expect(() => grad(first, "grad:x")).toThrow(/expected a scalar/);
  });

  it("gives zeros where nothing flows", () => {
    const p = grad(
      trace(({ params }) => ({ outputs: { y: ops.sum(params["a"]!) } }), { params: { a: { shape: [2] }, b: { shape: [3] } } }),
      "y",
    );
    expect(numbers(interpret(p, { params: { a: wave([2]), b: wave([3]) } }).outputs["grad:b"])).toEqual([0, 0, 0]);
  });
});
