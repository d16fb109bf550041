/** Plans: that a run allocates nothing, frozen params, updates in place, equal bits for any number of threads. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createRng, type Tree, tensor } from "../core/index.js";
import {
  add,
  cast,
  conv2d,
  crossEntropy,
  gradients,
  linear,
  mean,
  mul,
  type ParamSpec,
  relu,
  sgdStep,
  sum,
  trace,
  type Value,
} from "../program/index.js";
import { createEngine, type Engine } from "./engine.js";
import { differences, randomLabels, randomTensor } from "./testing/agree.js";
import { compile } from "./testing/plans.js";
import { masksOf, type TestWeight, testWeight } from "./testing/sparse.js";

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine();
});
afterAll(() => engine.close());

/** A small network with everything in it: strided, dense and sparse convolutions, a sparse linear layer, momentum. */
function network(n: number) {
  const rng = createRng(8);
  const weights: Record<string, TestWeight> = {
    a: testWeight([8, 3, 3, 3], "dense", rng),
    b: testWeight([16, 8, 3, 3], "csr", rng, { density: 0.2 }),
    c: testWeight([16, 16, 3, 3], "block2", rng, { density: 0.2 }),
    d: testWeight([16, 16, 3, 3], "dense", rng, { scale: 0.1 }),
    e: testWeight([12, 16], "csr", rng),
    f: testWeight([10, 12], "dense", rng),
  };
  const specs: Record<string, ParamSpec> = {};
  for (const [path, { spec }] of Object.entries(weights)) {
    specs[path] = spec;
    specs[`${path}:m`] = { shape: spec.shape, ...(spec.layout ? { pattern: path } : {}) };
  }
  const program = trace(
    ({ params: p, inputs }) => {
      let x = relu(conv2d(inputs["x"]!, p["a"]!, { padding: 1 }));
      x = relu(conv2d(x, p["b"]!, { stride: 2, padding: 1 }));
      x = add(x, relu(conv2d(x, p["c"]!, { padding: 1 })));
      x = relu(conv2d(x, p["d"]!, { padding: 1 }));
      const hidden = relu(linear(mean(x, [2, 3]), p["e"]!));
      const loss = crossEntropy(linear(hidden, p["f"]!), inputs["y"]!);
      const paths = Object.keys(weights);
      const found = gradients(
        loss,
        paths.map((path) => p[path]!),
      );
      const updates: Record<string, Value> = {};
      paths.forEach((path, i) => {
        const step = sgdStep({ w: p[path]!, g: found[i]!, m: p[`${path}:m`]!, lr: inputs["lr"]! }, { momentum: 0.9, decay: 1e-3 });
        Object.assign(updates, { [path]: step.w, [`${path}:m`]: step.m! });
      });
      return { outputs: { loss }, updates };
    },
    { params: specs, inputs: { x: { shape: [n, 3, 12, 12] }, y: { shape: [n], dtype: "i32" }, lr: { shape: [] } } },
  );
  const values = Object.fromEntries(Object.entries(weights).map(([path, { value }]) => [path, value]));
  const inputs = { x: randomTensor([n, 3, 12, 12], rng), y: randomLabels(n, 10, rng), lr: tensor([], [0.05]) };
  return { program, specs, values, inputs, weights };
}

describe("a training step", () => {
  it.each([8, 5])("equals the interpreter, batch %i", (n) => {
    const { program, specs, values, inputs, weights } = network(n);
    const params = Object.fromEntries(Object.entries(specs).map(([path, { shape }]) => [path, values[path] ?? tensor(shape)]));
    for (const { name, error } of differences(engine, program, { params, inputs, masks: masksOf(weights) }))
      expect(error, name).toBeLessThan(3e-5);
  });

  it("has the same bits for 1, 2 and 3 threads, at every step", async () => {
    const { program, specs, values, inputs } = network(12);
    const seen: Record<number, { loss: number[]; params: Tree<Float32Array> }> = {};
    for (const threads of [1, 2, 3]) {
      const own = await createEngine({ threads });
      expect(own.threads).toBe(threads);
      const store = own.params(specs, values);
      const plan = own.compile(program, store);
      const loss: number[] = [];
      for (let step = 0; step < 5; step++) loss.push(plan.run(inputs)["loss"]!.data[0]!);
      seen[threads] = { loss, params: Object.fromEntries(Object.keys(specs).map((path) => [path, store.view(path).slice()])) };
      plan.close();
      store.close();
      own.close();
    }
    expect(seen[1]!.loss[4]).toBeLessThan(seen[1]!.loss[0]!);
    expect(seen[2]).toEqual(seen[1]);
    expect(seen[3]).toEqual(seen[1]);
  });

  it("allocates nothing after the first run: not in the engine's memory, not on the host's heap", () => {
    const { program, specs, values, inputs } = network(8);
    const { plan } = compile(engine, program, specs, values);
    for (let i = 0; i < 30; i++) plan.run(inputs);
    const held = engine.memory();
    const buffer = engine.kernels.memory.buffer;
    const outputs = plan.run(inputs);
    const original = { Float32Array: globalThis.Float32Array, ArrayBuffer: globalThis.ArrayBuffer };
    let made = 0;
    const counting = <T extends new (...args: never[]) => object>(base: T): T =>
      new Proxy(base, {
        construct(target, args, newTarget) {
          made++;
          return Reflect.construct(target, args, newTarget);
        },
      });
    globalThis.Float32Array = counting(original.Float32Array as never) as never;
    globalThis.ArrayBuffer = counting(original.ArrayBuffer as never) as never;
    const before = process.memoryUsage();
    try {
      for (let i = 0; i < 300; i++) plan.run(inputs);
    } finally {
      Object.assign(globalThis, original);
    }
    const after = process.memoryUsage();
    expect(made).toBe(0);
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThanOrEqual(0);
    // A few small objects a step at most: nothing of the size of an activation (49 KiB) or a weight (9 KiB).
    expect(after.heapUsed - before.heapUsed).toBeLessThan(300 * 8192);
    expect(engine.memory()).toEqual(held);
    expect(engine.kernels.memory.buffer).toBe(buffer);
    expect(plan.run(inputs)["loss"]).toBe(outputs["loss"]);
  });
});

describe("frozen params", () => {
  const program = trace(({ params, inputs }) => ({ outputs: { y: conv2d(inputs["x"]!, params["w"]!, { padding: 1 }) } }), {
    params: { w: { shape: [16, 16, 3, 3] } },
    inputs: { x: { shape: [4, 16, 8, 8] } },
  });

  it("are prepared once, and anew after refresh", () => {
    const rng = createRng(1);
    const specs = { w: { shape: [16, 16, 3, 3] } };
    const [first, second, x] = [
      randomTensor([16, 16, 3, 3], rng),
      randomTensor([16, 16, 3, 3], rng),
      randomTensor([4, 16, 8, 8], rng),
    ];
    const { plan, store } = compile(engine, program, specs, { w: first }, true);
    const before = plan.run({ x })["y"]!.data.slice();
    expect(plan.profile(() => 0).map(({ kernel }) => kernel)).not.toContain("w4_weights");
    store.set("w", second);
    expect(plan.run({ x })["y"]!.data).toEqual(before);
    plan.refresh();
    const after = plan.run({ x })["y"]!.data.slice();
    const fresh = compile(engine, program, specs, { w: second }).plan.run({ x })["y"]!.data;
    expect(after).toEqual(fresh);
    expect(after).not.toEqual(before);
  });
});

describe("updates in place", () => {
  it("leave what still needs the old value untouched", () => {
    const spec = { params: { a: { shape: [4] }, b: { shape: [4] } }, inputs: { lr: { shape: [] } } };
    const program = trace(({ params, inputs }) => {
      const [a, b] = [params["a"]!, params["b"]!];
      const next = sgdStep({ w: a, g: mul(a, b), lr: inputs["lr"]! });
      // After the update in program order: the old a.
      return { outputs: { old: a, twice: mul(a, 2), total: sum(add(a, next.w)) }, updates: { a: next.w } };
    }, spec);
    const params = { a: tensor([4], [1, 2, 3, 4]), b: tensor([4], [0.5, 0.25, 1, 2]) };
    for (const { name, error } of differences(engine, program, { params, inputs: { lr: tensor([], [0.1]) } }))
      expect(error, name).toBeLessThan(1e-6);
  });

  it("may exchange params", () => {
    const program = trace(({ params }) => ({ outputs: { a: params["a"]! }, updates: { a: params["b"]!, b: params["a"]! } }), {
      params: { a: { shape: [3] }, b: { shape: [3] } },
    });
    const { plan, store } = compile(
      engine,
      program,
      { a: { shape: [3] }, b: { shape: [3] } },
      { a: tensor([3], [1, 2, 3]), b: tensor([3], [4, 5, 6]) },
    );
    expect([...plan.run()["a"]!.data]).toEqual([1, 2, 3]);
    expect([[...store.view("a")], [...store.view("b")]]).toEqual([
      [4, 5, 6],
      [1, 2, 3],
    ]);
    expect([...plan.run()["a"]!.data]).toEqual([4, 5, 6]);
  });

  it("of running values read the old one first", () => {
    const program = trace(
      ({ params, inputs }) => {
        const next = add(mul(params["m"]!, 0.5), inputs["x"]!);
        return { outputs: { was: mul(params["m"]!, 1) }, updates: { m: next } };
      },
      { params: { m: { shape: [2] } }, inputs: { x: { shape: [2] } } },
    );
    const { plan, store } = compile(engine, program, { m: { shape: [2] } }, { m: tensor([2], [8, 4]) });
    expect([...plan.run({ x: [1, 1] })["was"]!.data]).toEqual([8, 4]);
    expect([...store.view("m")]).toEqual([5, 3]);
    expect([...plan.run({ x: [1, 1] })["was"]!.data]).toEqual([5, 3]);
    expect([...store.view("m")]).toEqual([3.5, 2.5]);
  });
});

describe("integers and bytes", () => {
  it("come in, become numbers, and go out", () => {
    const program = trace(
      ({ inputs }) => ({
        outputs: {
          b: cast(inputs["b"]!, "f32"),
          i: cast(inputs["i"]!, "f32"),
          back: cast(mul(cast(inputs["i"]!, "f32"), 2), "i32"),
        },
      }),
      {
        inputs: { b: { shape: [5], dtype: "u8" }, i: { shape: [3], dtype: "i32" } },
      },
    );
    const { plan } = compile(engine, program, {}, {});
    const out = plan.run({ b: Uint8Array.of(0, 1, 127, 128, 255), i: [-3, 0, 70000] });
    expect([...out["b"]!.data]).toEqual([0, 1, 127, 128, 255]);
    expect([...out["i"]!.data]).toEqual([-3, 0, 70000]);
    expect([...out["back"]!.data]).toEqual([-6, 0, 140000]);
    expect(() => plan.run({ b: [0, 0, 0, 0, 256] })).toThrow(/\[0, 256\), got 256 at position 4/);
    expect(() => plan.run({ i: [0, 0.5, 0] })).toThrow(/got 0.5 at position 1/);
  });
});

describe("several plans over one store", () => {
  it("see each other's updates", () => {
    const { program, specs, values, inputs } = network(4);
    const { plan, store } = compile(engine, program, specs, values);
    const loss = trace(({ params, inputs: x }) => ({ outputs: { y: linear(x["h"]!, params["f"]!) } }), {
      params: { f: specs["f"]! },
      inputs: { h: { shape: [1, 12] } },
    });
    const other = engine.compile(loss, store);
    const h = randomTensor([1, 12], createRng(2));
    const before = other.run({ h })["y"]!.data.slice();
    plan.run(inputs);
    expect(other.run({ h })["y"]!.data).not.toEqual(before);
    other.close();
  });

  it("give all memory back when closed", async () => {
    const own = await createEngine();
    const idle = own.memory().used;
    const { program, specs, values, inputs } = network(4);
    for (let i = 0; i < 3; i++) {
      const store = own.params(specs, values);
      const plan = own.compile(program, store);
      plan.run(inputs);
      plan.close();
      store.close();
      expect(own.memory().used).toBe(idle);
    }
    own.close();
  });
});
