/** What plans refuse: inputs of another size, shape or type, memory that is closed or too small; and what they say then. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { InputError, ShapeError, tensor } from "../core/index.js";
import { add, crossEntropy, gather, linear, mul, oneHot, relu, trace } from "../program/index.js";
import { createEngine, type Engine } from "./engine.js";
import { compile } from "./testing/plans.js";

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine();
});
afterAll(() => engine.close());

const classifier = () =>
  compile(
    engine,
    trace(({ params, inputs }) => ({ outputs: { loss: crossEntropy(linear(inputs["x"]!, params["w"]!), inputs["y"]!) } }), {
      params: { w: { shape: [3, 4] } },
      inputs: { x: { shape: [2, 4] }, y: { shape: [2], dtype: "i32" } },
    }),
    { w: { shape: [3, 4] } },
    { w: tensor([3, 4], [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0]) },
  );

describe("bad input", () => {
  const x = new Float32Array(8);
  it("of another size names the input, the expected shape and what came", () => {
    const { plan } = classifier();
    expect(() => plan.run({ x: new Float32Array(7), y: [0, 1] })).toThrow(ShapeError);
    expect(() => plan.run({ x: new Float32Array(7), y: [0, 1] })).toThrow(/input "x".*\[2, 4\].*\[7\]/s);
    expect(() => plan.run({ x: tensor([2, 4]), y: [0] })).toThrow(/input "y"/);
  });

  it("of another shape but the same number of elements is refused when it says its shape", () => {
    const { plan } = classifier();
    expect(() => plan.run({ x: tensor([4, 2]), y: [0, 1] })).toThrow(ShapeError);
  });

  it("of another dtype is refused", () => {
    const { plan } = classifier();
    expect(() => plan.run({ x, y: tensor([2], [0, 1]) })).toThrow(/input "y".*i32.*f32/s);
  });

  it.each([
    [[0, 3], "3"],
    [[-1, 0], "-1"],
    [[0, 1.5], "1.5"],
    [[Number.NaN, 0], "NaN"],
  ])("labels %j: out of range or no integers, named with their position", (y, shown) => {
    const { plan } = classifier();
    expect(() => plan.run({ x, y })).toThrow(InputError);
    expect(() => plan.run({ x, y })).toThrow(new RegExp(`"y".*\\[0, 3\\).*got ${shown} at position`));
  });

  it("leaves the last inputs in place when it is refused", () => {
    const { plan } = classifier();
    const good = plan.run({ x: [1, 2, 3, 4, 5, 6, 7, 8], y: [0, 1] })["loss"]!.data[0]!;
    expect(() => plan.run({ x: new Float32Array(8), y: [0, 9] })).toThrow(InputError);
    expect(plan.run()["loss"]!.data[0]).toBe(good);
  });

  it("with an unknown name lists the inputs", () => {
    const { plan } = classifier();
    expect(() => plan.run({ z: x })).toThrow(/no input "z"; inputs are x, y/);
    expect(() => plan.run({ toString: x })).toThrow(/no input "toString"/);
  });

  it("NaN in float data flows through, as in the interpreter", () => {
    const { plan } = classifier();
    expect(plan.run({ x: new Float32Array(8).fill(Number.NaN), y: [0, 1] })["loss"]!.data[0]).toBeNaN();
  });

  it("row numbers of gather and oneHot are checked, through reshapes too", () => {
    const { plan } = compile(
      engine,
      trace(({ inputs }) => ({ outputs: { y: gather(inputs["t"]!, inputs["i"]!), z: oneHot(inputs["j"]!, 4) } }), {
        inputs: { t: { shape: [5, 2] }, i: { shape: [3], dtype: "i32" }, j: { shape: [2], dtype: "i32" } },
      }),
      {},
      {},
    );
    plan.run({ t: new Float32Array(10), i: [4, 0, 1], j: [3, 0] });
    expect(() => plan.run({ i: [5, 0, 0] })).toThrow(/\[0, 5\)/);
    expect(() => plan.run({ j: [4, 0] })).toThrow(/\[0, 4\)/);
  });

  it("after close every use is refused, and a second close is not", () => {
    const { plan } = classifier();
    plan.run({ x, y: [0, 1] });
    plan.close();
    plan.close();
    for (const use of [() => plan.run(), () => plan.step(), () => plan.set({ x }), () => plan.read(), () => plan.profile(() => 0)])
      expect(use).toThrow(/close/);
  });

  it("memory of another engine, of closed params and of a closed engine is refused", async () => {
    const program = trace(({ params: p, inputs }) => ({ outputs: { y: linear(inputs["x"]!, p["w"]!) } }), {
      params: { w: { shape: [2, 4] } },
      inputs: { x: { shape: [1, 4] } },
    });
    const other = await createEngine({ threads: 2 });
    const foreign = other.params({ w: { shape: [2, 4] } });
    expect(() => engine.compile(program, foreign)).toThrow(/another engine's memory/);
    const store = other.params({ w: { shape: [2, 4] } });
    const stale = other.compile(program, store);
    store.close();
    for (const use of [() => stale.run({ x: [1, 2, 3, 4] }), () => stale.set({ x: [1, 2, 3, 4] }), () => stale.read()])
      expect(use).toThrow(/params were closed/);
    expect(() => other.compile(program, store)).toThrow(/store is closed/);
    const plan = other.compile(program, foreign);
    other.close();
    expect(() => plan.run({ x: [1, 2, 3, 4] })).toThrow(/after close/);
    expect(() => other.params({ w: { shape: [1] } })).toThrow(/params after close/);
    expect(() => other.compile(program, foreign)).toThrow(/compile after close/);
  });

  it("params that do not fit the program are named", () => {
    const program = trace(({ params }) => ({ outputs: { y: mul(params["w"]!, 2) } }), { params: { w: { shape: [3] } } });
    expect(() => engine.compile(program, engine.params({ v: { shape: [3] } }))).toThrow(/"w" is not in the store; the store has v/);
    expect(() => engine.compile(program, engine.params({ w: { shape: [4] } }))).toThrow(
      /"w" is \[3\] in the program and \[4\] in the store/,
    );
    const sparse = engine.params({ w: { shape: [3, 1], layout: { kind: "csr", capacity: 2 } } });
    const dense = trace(({ params }) => ({ outputs: { y: mul(params["w"]!, 2) } }), { params: { w: { shape: [3, 1] } } });
    expect(() => engine.compile(dense, sparse)).toThrow(/dense in the program and sparse in the store/);
  });

  it("a program that needs more memory than there is says how much, and leaves none behind", () => {
    const used = engine.memory().used;
    expect(() => engine.params({ v: { shape: [1000] }, w: { shape: [40_000, 40_000] } })).toThrow(
      /out of WebAssembly memory: asked for 6103\.5 MiB for param w/,
    );
    expect(engine.memory().used).toBe(used);
    const program = trace(({ inputs }) => ({ outputs: { y: add(relu(inputs["x"]!), inputs["s"]!) } }), {
      inputs: { s: { shape: [1000, 1] }, x: { shape: [1000, 2_000_000] } },
    });
    const store = engine.params({});
    expect(() => engine.compile(program, store)).toThrow(/out of WebAssembly memory.*input x/s);
    store.close();
    expect(engine.memory().used).toBe(used);
  });
});
