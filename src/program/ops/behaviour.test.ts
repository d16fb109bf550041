/** What the contract suite cannot say in general: ties, random bits, scan, control of gradients, errors at trace time. */
import { describe, expect, it } from "vitest";
import { createRng, InputError, intTensor, ShapeError, tensor } from "../../core/index.js";
import { gradients } from "../grad.js";
import type { Value } from "../graph.js";
import { evaluate, numbers, wave } from "../testing/evaluate.js";
import { trace } from "../trace.js";
import * as ops from "./index.js";

const traceWith = (shapes: Record<string, readonly number[]>, f: (p: Readonly<Record<string, Value>>) => Value) => () =>
  trace(({ params }) => ({ outputs: { y: f(params) } }), {
    params: Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, { shape }])),
  });

describe("ties and edges", () => {
  it("sends the whole gradient of a max pooling to the first maximum", () => {
    const { dx } = evaluate(({ x }) => ({ dx: gradients(ops.sum(ops.maxPool2d(x!, { kernel: 2 })), [x!])[0]! }), {
      x: tensor([1, 1, 2, 4], [1, 3, 2, 2, 3, 3, 2, 2]),
    });
    expect(numbers(dx)).toEqual([0, 1, 1, 0, 0, 0, 0, 0]);
  });

  it("shares the gradient of reduceMax among equals and of max between two", () => {
    const { dx, da } = evaluate(
      ({ x, a, b }) => ({ dx: gradients(ops.reduceMax(x!), [x!])[0]!, da: gradients(ops.sum(ops.max(a!, b!)), [a!])[0]! }),
      { x: tensor([4], [5, 1, 5, 0]), a: tensor([3], [1, 2, 3]), b: tensor([3], [1, 3, 2]) },
    );
    expect(numbers(dx)).toEqual([0.5, 0, 0.5, 0]);
    expect(numbers(da)).toEqual([0.5, 0, 1]);
  });

  it("ranks ties by lowest index", () => {
    const { indices, best } = evaluate(({ x }) => ({ indices: ops.topK(x!, 3).indices, best: ops.argmax(x!) }), {
      x: tensor([1, 5], [2, 7, 1, 7, 2]),
    });
    expect(numbers(indices)).toEqual([1, 3, 0]);
    expect(numbers(best)).toEqual([1]);
  });

  it("keeps relu's slope at zero 0, passes NaN on, and never yields -0", () => {
    const { y, dx } = evaluate(({ x }) => ({ y: ops.relu(x!), dx: gradients(ops.sum(ops.relu(x!)), [x!])[0]! }), {
      x: tensor([4], [-0, 0, Number.NaN, 2]),
    });
    expect(numbers(y)).toEqual([0, 0, Number.NaN, 2]);
    expect(numbers(dx)).toEqual([0, 0, 0, 1]);
  });

  it("stays finite where logits are large", () => {
    const { s, l } = evaluate(({ x }) => ({ s: ops.softmax(x!), l: ops.logSoftmax(x!) }), {
      x: tensor([1, 3], [1000, 999, -1000]),
    });
    const z = 1 / (1 + Math.exp(-1));
    expect(numbers(s)).toEqual([Math.fround(z), Math.fround(1 - z), 0]);
    expect(numbers(l)[2]).toBeCloseTo(-2000 + Math.log(z), 3);
  });

  it("truncates towards zero when cast", () => {
    const { y } = evaluate(({ x }) => ({ y: ops.cast(x!, "i32") }), { x: tensor([4], [1.9, -1.9, 0.5, -3]) });
    expect(numbers(y)).toEqual([1, -1, 0, -3]);
  });
});

describe("random values", () => {
  const key = createRng(7).split("noise").state();
  const params = { key: intTensor([2], [key.key | 0, key.stream | 0]) };

  it("are those of the host's stream at the same positions", () => {
    const host = createRng(7).split("noise");
    for (let i = 0; i < 5; i++) host.bits();
    const expected = Array.from({ length: 6 }, () => Math.fround(host.uniform()));
    const normals = createRng(7).split("noise");
    const { u, n } = evaluate(({ key: k }) => ({ u: ops.randomUniform(k!, [2, 3], 5), n: ops.randomNormal(k!, [4]) }), params);
    expect(numbers(u)).toEqual(expected);
    expect(numbers(n)).toEqual(Array.from({ length: 4 }, () => Math.fround(normals.normal())));
  });

  it("drop the stated share and keep the mean", () => {
    const { mask } = evaluate(({ key: k }) => ({ mask: ops.dropoutMask(k!, [10000], 0.8) }), params);
    const kept = numbers(mask).filter((v) => v > 0);
    expect(new Set(kept)).toEqual(new Set([1.25]));
    expect(Math.abs(kept.length / 10000 - 0.8)).toBeLessThan(4 * Math.sqrt((0.8 * 0.2) / 10000));
  });
});

describe("control", () => {
  it("scans with a gradient through time", () => {
    const out = evaluate(
      ({ a, x }) => {
        const { carry, ys } = ops.scan(
          (s: { h: Value }, { x: xt }) => ({ carry: { h: ops.add(ops.mul(s.h, a!), xt!) }, y: { h: s.h } }),
          { h: ops.constant(a!.graph, [], 1) },
          { x: x! },
        );
        const [da, dx] = gradients(carry.h, [a!, x!]);
        return { last: carry.h, seen: ys["h"]!, da: da!, dx: dx! };
      },
      { a: tensor([], [2]), x: tensor([3], [1, 10, 100]) },
    );
    // h = a^3 + a^2 x0 + a x1 + x2
    expect(numbers(out["last"])).toEqual([132]);
    expect(numbers(out["seen"])).toEqual([1, 3, 16]);
    expect(numbers(out["da"])).toEqual([3 * 4 + 2 * 2 * 1 + 10]);
    expect(numbers(out["dx"])).toEqual([4, 2, 1]);
  });

  it("stops gradients and sends them past a step", () => {
    const { stopped, past, y } = evaluate(
      ({ x }) => {
        const hard = ops.straightThrough(ops.step(x!), x!);
        return {
          y: hard,
          stopped: gradients(ops.sum(ops.mul(ops.stopGradient(x!), x!)), [x!])[0]!,
          past: gradients(ops.sum(ops.mul(hard, 3)), [x!])[0]!,
        };
      },
      { x: tensor([3], [-0.3, 0.5, 2]) },
    );
    expect(numbers(y)).toEqual([0, 1, 1]);
    expect(numbers(stopped)).toEqual(numbers(tensor([3], [-0.3, 0.5, 2])));
    expect(numbers(past)).toEqual([3, 3, 3]);
  });

  it("differentiates with respect to the result of an operation without a gradient", () => {
    const { d } = evaluate(
      ({ w, g, lr }) => {
        const { w: next } = ops.sgdStep({ w: w!, g: g!, lr: lr! });
        return { d: gradients(ops.sumSquares(next), [next])[0]! };
      },
      { w: tensor([2], [1, 2]), g: tensor([2], [1, 1]), lr: tensor([], [0.5]) },
    );
    expect(numbers(d)).toEqual([1, 3]);
  });

  it("names the operation that has no gradient", () => {
    const f = traceWith(
      { w: [2], g: [2], lr: [] },
      ({ w, g, lr }) => gradients(ops.sum(ops.sgdStep({ w: w!, g: g!, lr: lr! }).w), [w!])[0]!,
    );
    expect(f).toThrow(/"sgd" has no gradient/);
  });
});

describe("matmul over ranks", () => {
  it("multiplies each matrix of a batch, broadcasting the rest", () => {
    const a = wave([2, 1, 2, 3]);
    const b = wave([4, 3, 2], 1);
    const { y } = evaluate((p) => ({ y: ops.matmul(p["a"]!, p["b"]!) }), { a, b });
    expect(y!.shape).toEqual([2, 4, 2, 2]);
    for (let s = 0; s < 2; s++) {
      for (let t = 0; t < 4; t++) {
        for (let i = 0; i < 4; i++) {
          const [r, c] = [i >> 1, i % 2];
          let sum = 0;
          for (let k = 0; k < 3; k++) sum += a.data[s * 6 + r * 3 + k]! * b.data[t * 6 + k * 2 + c]!;
          expect(y!.data[(s * 4 + t) * 4 + i]).toBeCloseTo(sum, 6);
        }
      }
    }
  });
});

describe("errors at trace time name the operation and the shapes", () => {
  const cases: [string, Record<string, readonly number[]>, (p: Readonly<Record<string, Value>>) => Value, RegExp][] = [
    ["add", { a: [2, 3], b: [4] }, ({ a, b }) => ops.add(a!, b!), /add: .*\[2, 3\].*\[4\]/],
    ["matmul", { a: [2, 3], b: [4, 5] }, ({ a, b }) => ops.matmul(a!, b!), /matmul: .*a \[2, 3\], b \[4, 5\]/],
    ["linear", { x: [2, 3], w: [5, 4] }, ({ x, w }) => ops.linear(x!, w!), /matmul: .*\[2, 3\].*\[5, 4\]/],
    [
      "conv2d channels",
      { x: [1, 3, 8, 8], w: [4, 2, 3, 3] },
      ({ x, w }) => ops.conv2d(x!, w!),
      /conv2d: .*x \[1, 3, 8, 8\], weight \[4, 2, 3, 3\]/,
    ],
    ["conv2d size", { x: [1, 3, 2, 2], w: [4, 3, 3, 3] }, ({ x, w }) => ops.conv2d(x!, w!), /conv2d: .*as large as the kernel/],
    ["batchNorm", { x: [2, 3, 4, 4], g: [4], b: [3] }, ({ x, g, b }) => ops.batchNorm(x!, g!, b!).y, /batchNorm: .*gamma \[4\]/],
    ["layerNorm", { x: [2, 3], g: [2], b: [3] }, ({ x, g, b }) => ops.layerNorm(x!, g!, b!), /layerNorm: .*gamma \[2\]/],
    ["reshape", { x: [2, 3] }, ({ x }) => ops.reshape(x!, [4, -1]), /reshape: .*\[2, 3\]/],
    ["transpose", { x: [2, 3] }, ({ x }) => ops.transpose(x!, [0, 0]), /transpose: .*permutation/],
    ["slice", { x: [2, 3] }, ({ x }) => ops.slice(x!, [0, 1], [2, 4]), /slice: .*x \[2, 3\]/],
    ["concat", { a: [2, 3], b: [3, 3] }, ({ a, b }) => ops.concat([a!, b!], 1), /concat: .*\[2, 3\].*\[3, 3\]/],
    ["maxPool2d", { x: [1, 1, 2, 2] }, ({ x }) => ops.maxPool2d(x!, { kernel: 3 }), /maxPool2d: .*\[1, 1, 2, 2\]/],
    ["sum", { x: [2, 3] }, ({ x }) => ops.sum(x!, 2), /sum: .*axes in \[-2, 1\]/],
    ["topK", { x: [2, 3] }, ({ x }) => ops.topK(x!, 4).values, /topK: .*\[2, 3\]/],
    ["broadcastTo", { x: [2, 3] }, ({ x }) => ops.broadcastTo(x!, [2, 2, 4]), /broadcastTo: .*\[2, 3\].*\[2, 2, 4\]/],
  ];
  it.each(cases)("%s", (_, shapes, f, message) => {
    expect(traceWith(shapes, f)).toThrow(message);
    expect(traceWith(shapes, f)).toThrow(InputError);
  });

  it("and dtypes, labels out of range, unknown names", () => {
    expect(() =>
      trace(({ inputs }) => ({ outputs: { y: ops.add(inputs["i"]!, 1) } }), { inputs: { i: { shape: [2], dtype: "i32" } } }),
    ).toThrow(/add: expected operand 0 to be f32, got i32/);
    expect(() => evaluate(({ x, l }) => ({ y: ops.pick(x!, l!) }), { x: wave([1, 3]), l: intTensor([1], [3]) })).toThrow(
      /pick: expected indices in \[0, 3\), got 3/,
    );
    expect(() => ops.operationNamed("frobnicate")).toThrow(/unknown operation "frobnicate"/);
    expect(() => ops.add(1, 2)).toThrow(InputError);
    expect(traceWith({ x: [2, 3], y: [3] }, ({ x, y }) => ops.softmaxGrad(x!, y!))).toThrow(ShapeError);
  });
});
