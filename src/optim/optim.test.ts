/**
 * Optimisers and schedules beside golden values of PyTorch 1.13. wave(n, seed) is sin(1.3 i + seed) in float32; the script:
 *
 *     def steps(make):  # three steps
 *         w=wave(4).requires_grad_(); opt=make([w])
 *         for k in range(3): w.grad=wave(4,seed=k+1); opt.step()
 *         print(w)
 *     steps(lambda p: SGD(p,lr=.1)); steps(lambda p: SGD(p,lr=.1,momentum=.9,weight_decay=.05,nesterov=...))
 *     steps(lambda p: Adam(p,lr=.1,weight_decay=.05)); steps(lambda p: AdamW(p,lr=.1,weight_decay=.05))
 *     a.grad=wave(3); b.grad=wave(4,seed=1); print(clip_grad_norm_([a,b],.5), a.grad, b.grad)
 *     OneCycleLR(SGD(lr=.5),max_lr=.5,total_steps=10); CosineAnnealingLR(SGD(lr=.5),T_max=8,eta_min=.01)
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type AnyTensor, InputError, mapTree, OptionError, sizeOf, type Tensor, type Tree, tensor } from "../core/index.js";
import {
  add,
  affine,
  gradients,
  interpret,
  type Mask,
  mul,
  type ParamSpec,
  square,
  sub,
  sum,
  sumSquares,
  trace,
  type Value,
} from "../program/index.js";
import * as optim from "./index.js";

const wave = (shape: readonly number[], seed = 0): Tensor =>
  tensor(
    shape,
    Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(1.3 * i + seed)),
  );
const expectClose = (actual: ArrayLike<number>, golden: readonly number[], within = 2e-6): void => {
  expect(actual.length).toBe(golden.length);
  golden.forEach((g, i) => {
    expect(Math.abs(actual[i]! - g), `element ${i}: ${actual[i]} beside ${g}`).toBeLessThanOrEqual(
      within * Math.max(1, Math.abs(g)),
    );
  });
};

/** A step as a program: gradients come from `loss`, or as inputs `g:<path>`. */
function stepProgram(optimizer: optim.Optimizer, params: Tree<ParamSpec>, loss?: (p: Tree<Value>) => Value) {
  const slots = optimizer.slots(params);
  return trace(
    ({ params: all, inputs }) => {
      const own = mapTree(params, (_, path) => all[path]!);
      const paths = Object.keys(own);
      const found = loss ? gradients(loss(own), Object.values(own)) : paths.map((path) => inputs[`g:${path}`]!);
      const grads = Object.fromEntries(paths.map((path, i) => [path, found[i]!]));
      return { outputs: {}, updates: optimizer.update({ params: own, grads, slots: all, inputs }) };
    },
    {
      inputs: {
        ...optimizer.inputs,
        ...(loss ? {} : Object.fromEntries(Object.entries(params).map(([path, { shape }]) => [`g:${path}`, { shape }]))),
      },
      params: { ...params, ...slots },
    },
  );
}

function train(
  optimizer: optim.Optimizer,
  start: Tree<Tensor>,
  steps: number,
  lr: number,
  loss: ((p: Tree<Value>) => Value) | undefined,
  masks: Tree<Mask> = {},
) {
  const specs = mapTree(
    start,
    ({ shape }, path): ParamSpec => (masks[path] ? { shape, layout: { kind: "csr", capacity: sizeOf(shape) } } : { shape }),
  );
  const program = stepProgram(optimizer, specs, loss);
  let state: Tree<AnyTensor> = { ...start, ...optim.initSlots(optimizer, specs) };
  for (let k = 0; k < steps; k++) {
    const inputs = { ...optimizer.feed(k, lr), ...(loss ? {} : mapTree({ "g:w": wave([4], k + 1) }, (t) => t)) };
    state = { ...state, ...interpret(program, { params: state, inputs, masks }).updates };
  }
  return state;
}

describe("three steps equal PyTorch's", () => {
  const golden: [string, optim.Optimizer, number[]][] = [
    ["sgd", optim.sgd(), [-0.1891888, 0.9963788, 0.7222492, -0.6099772]],
    ["sgd with momentum and decay", optim.sgd({ momentum: 0.9, decay: 0.05 }), [-0.4128658, 0.8574842, 0.8716179, -0.3911706]],
    [
      "sgd with Nesterov momentum",
      optim.sgd({ momentum: 0.9, decay: 0.05, nesterov: true }),
      [-0.5566547, 0.8890287, 1.032283, -0.3367597],
    ],
    ["adam", optim.adam({ decay: 0.05 }), [-0.2838327, 0.8259473, 0.8057408, -0.4650289]],
    ["adamW", optim.adamW({ decay: 0.05 }), [-0.282764, 0.8246307, 0.7973025, -0.4603369]],
  ];
  it.each(golden)("%s", (_, optimizer, expected) => {
    expectClose(train(optimizer, { w: wave([4]) }, 3, 0.1, undefined)["w"]!.data, expected);
  });
});

describe.each([
  ["sgd", optim.sgd({ momentum: 0.9 }), 1e-3],
  ["nesterov", optim.sgd({ momentum: 0.9, nesterov: true }), 1e-3],
  ["adam", optim.adam(), 0.02],
  ["adamW", optim.adamW({ decay: 0 }), 0.02],
] as const)("%s", (_, optimizer, lr) => {
  it("finds the bottom of a parabola", () => {
    const { w } = train(optimizer, { w: tensor([2], [3, -2]) }, 1000, Math.max(lr, 0.01), ({ w: v }) => sumSquares(sub(v!, 1)));
    expectClose(w!.data, [1, 1], 1e-3);
  });

  it("finds the bottom of Rosenbrock's valley", () => {
    const { x, y } = train(optimizer, { x: tensor([], [-0.5]), y: tensor([], [0.5]) }, 4000, lr, (p) =>
      add(square(affine(p["x"]!, -1, 1)), mul(square(sub(p["y"]!, square(p["x"]!))), 10)),
    );
    expectClose([x!.data[0]!, y!.data[0]!], [1, 1], 1e-2);
  });

  it("keeps dead weights and their slots at zero", () => {
    const mask: Mask = { shape: [3], data: Uint8Array.from([1, 0, 1]) };
    const state = train(optimizer, { w: tensor([3], [1, 0, 1]) }, 3, 0.1, ({ w: v }) => sum(mul(square(v!), 1)), { w: mask });
    for (const [path, t] of Object.entries(state)) expect([path, t.data[1]]).toEqual([path, 0]);
    expect(state["w"]!.data[0]).toBeLessThan(1);
  });
});

describe("slots and options", () => {
  it("are named after their param and take its pattern", () => {
    const specs = optim.adam().slots({ w: { shape: [2, 2], layout: { kind: "csr", capacity: 3 } }, b: { shape: [2] } });
    expect(specs).toEqual({
      "w:m": { shape: [2, 2], pattern: "w" },
      "w:v": { shape: [2, 2], pattern: "w" },
      "b:m": { shape: [2] },
      "b:v": { shape: [2] },
    });
    expect(Object.keys(optim.sgd().slots({ w: { shape: [1] } }))).toEqual([]);
    expect(Object.keys(optim.slotsOf({ w: 1, "w:m": 2, "w2:m": 3 }, "w"))).toEqual(["w:m"]);
  });

  it("decay only the paths that decay", () => {
    const optimizer = optim.adamW({ decay: 0.5, decays: (path) => path === "w" });
    const state = train(optimizer, { w: tensor([1], [1]), b: tensor([1], [1]) }, 1, 0.1, (p) => sum(mul(add(p["w"]!, p["b"]!), 0)));
    expectClose([state["w"]!.data[0]!, state["b"]!.data[0]!], [0.95, 1]);
  });

  it("refuse what is out of range", () => {
    expect(() => optim.sgd({ momentum: 1.5 })).toThrow(OptionError);
    expect(() => optim.sgd({ nesterov: true })).toThrow(InputError);
    expect(() => optim.adam({ beta2: 1 })).toThrow(/adam\.beta2/);
    expect(() => optim.adam().feed(0, Number.NaN)).toThrow(/adam\.lr/);
  });
});

it("clipByNorm equals PyTorch's, and leaves small gradients alone", () => {
  const run = (most: number) => {
    const program = trace(
      ({ inputs }) => {
        const { grads, norm } = optim.clipByNorm(inputs, most);
        return { outputs: { ...grads, norm } };
      },
      { inputs: { a: { shape: [3] }, b: { shape: [2, 2] } } },
    );
    return interpret(program, { inputs: { a: wave([3]), b: wave([2, 2], 1) } }).outputs;
  };
  expectClose(run(0.5)["norm"]!.data, [1.902465]);
  expectClose(run(0.5)["a"]!.data, [0.0, 0.2532393, 0.1354824]);
  expectClose(run(0.5)["b"]!.data, [0.2211527, 0.1959838, -0.1163018, -0.2582051]);
  expect([...run(3)["a"]!.data]).toEqual([...wave([3]).data]);
});

describe("schedules", () => {
  const values = (schedule: optim.RateSchedule, n: number) => Array.from({ length: n }, (_, i) => schedule(i));

  it("equal PyTorch's", () => {
    expectClose(
      values(optim.oneCycle(0.5, { steps: 10 }), 10),
      [0.02, 0.26, 0.5, 0.4752423, 0.4058728, 0.305631, 0.194371, 0.09412917, 0.02475968, 2e-6],
      1e-7,
    );
    expectClose(
      values(optim.cosineRate(0.5, { steps: 8, final: 0.01 }), 9),
      [0.5, 0.4813505, 0.4282412, 0.3487574, 0.255, 0.1612426, 0.08175884, 0.02864951, 0.01],
      1e-7,
    );
  });

  it("step down at milestones and rise at the start", () => {
    expectClose(values(optim.stepRate(1, { milestones: [2, 4], factor: 0.5 }), 6), [1, 1, 0.5, 0.5, 0.25, 0.25]);
    expectClose(values(optim.warmUp(4, optim.stepRate(1, { milestones: [1] })), 6), [0.25, 0.5, 0.75, 1, 1, 0.1]);
    expect(values(optim.warmUp(0, optim.constantRate(2)), 2)).toEqual([2, 2]);
    expect(() => optim.stepRate(1, { milestones: [4, 2] })).toThrow(InputError);
  });

  it("fall, rise and peak where they say, for any length", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 300 }),
        fc.integer({ min: 0, max: 50 }),
        fc.double({ min: 1e-6, max: 10, noNaN: true }),
        (steps, rise, rate) => {
          const fall = values(optim.cosineRate(rate, { steps }), steps + 1);
          expect([fall[0], fall[steps]]).toEqual([rate, 0]);
          for (let i = 1; i < fall.length; i++) expect(fall[i]).toBeLessThan(fall[i - 1]!);
          const warm = values(optim.warmUp(rise, optim.cosineRate(rate, { steps })), rise + 1);
          expect(warm[rise]).toBe(rate);
          for (let i = 1; i < rise; i++) expect(warm[i]).toBeGreaterThan(warm[i - 1]!);
          const cycle = values(optim.oneCycle(rate, { steps: steps + 9 }), steps + 9);
          expect(Math.max(...cycle)).toBeLessThanOrEqual(rate * (1 + 1e-12));
          expect(cycle.at(-1)).toBeCloseTo(rate / 25 / 1e4, 12);
        },
      ),
      { numRuns: 50 },
    );
  });

  it("are defined before the start and after the end", () => {
    for (const s of [
      optim.constantRate(1),
      optim.cosineRate(1, { steps: 5 }),
      optim.oneCycle(1, { steps: 5 }),
      optim.warmUp(3, optim.cosineRate(1, { steps: 5 })),
      optim.stepRate(1, { milestones: [] }),
    ]) {
      for (const step of [-10, -1, 0, 2.5, 100, 1e9]) expect(s(step)).toBeGreaterThanOrEqual(0);
    }
    for (const rise of [0, 0.05, 1])
      for (const v of values(optim.oneCycle(1, { steps: 4, rise }), 5)) expect(Number.isFinite(v)).toBe(true);
  });
});
