/** Linear layers: dense and sparse weights over batch sizes, with what may fuse; the proof that sparse kernels ran; optimiser steps on live values. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AnyTensor, createRng } from "../core/index.js";
import {
  adamStep,
  add,
  crossEntropy,
  gradients,
  linear,
  matmul,
  mul,
  relu,
  sgdStep,
  sum,
  sumSquares,
  tanh,
  trace,
  type Value,
} from "../program/index.js";
import { createEngine, type Engine } from "./engine.js";
import { differences, randomLabels, randomTensor } from "./testing/agree.js";
import { blockOf, KINDS, type Kind, kept, masksOf, type TestWeight, testWeight } from "./testing/sparse.js";

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine();
});
afterAll(() => engine.close());

/** Sums of at most a few hundred products in float32. */
const BOUND = 1e-5;

describe.each(KINDS)("%s weights", (kind) => {
  it.each([1, 2, 4, 7, 31, 32, 33, 64, 70])("x W^T, bias and relu, and all gradients, batch %i", (n) => {
    for (let round = 0; round < 4; round++) {
      const rng = createRng(round).split(kind).split(n);
      const [from, to] = [1 + rng.below(40), blockOf(kind) * (1 + rng.below(12))];
      const w = testWeight([to, from], kind, rng, { density: [0, 0.05, 0.3, 1][round]! });
      const program = trace(
        ({ params, inputs }) => {
          const y = relu(linear(inputs["x"]!, params["w"]!, params["b"]!));
          const found = gradients(sum(mul(y, inputs["g"]!)), [inputs["x"]!, params["w"]!, params["b"]!]);
          return { outputs: { y, dx: found[0]!, dw: found[1]!, db: found[2]! } };
        },
        { params: { w: w.spec, b: { shape: [to] } }, inputs: { x: { shape: [n, from] }, g: { shape: [n, to] } } },
      );
      const given = {
        params: { w: w.value, b: randomTensor([to], rng) },
        inputs: { x: randomTensor([n, from], rng), g: randomTensor([n, to], rng) },
        masks: masksOf({ w }),
      };
      for (const { name, error } of differences(engine, program, given))
        expect(error, `${name} ${from} -> ${to} round ${round}`).toBeLessThan(BOUND);
    }
  });

  it.each([1, 5, 33])("several weights of one pattern, computed from each other; frozen or not; batch %i", (n) => {
    const rng = createRng(n).split(kind);
    const w = testWeight([40, 40], kind, rng);
    const program = trace(
      ({ params, inputs }) => {
        const half = mul(params["w"]!, 0.5);
        const first = tanh(linear(inputs["x"]!, half));
        const second = tanh(linear(first, tanh(half)));
        return { outputs: { first, second, third: linear(second, params["w"]!) } };
      },
      { params: { w: w.spec }, inputs: { x: { shape: [n, 40] } } },
    );
    const given = { params: { w: w.value }, inputs: { x: randomTensor([n, 40], rng) }, masks: masksOf({ w }) };
    for (const frozen of [false, true])
      for (const { name, error } of differences(engine, program, given, { frozen })) expect(error, name).toBeLessThan(BOUND);
  });

  it("x W, and its gradients", () => {
    for (const n of [1, 5, 36]) {
      const rng = createRng(n).split(kind);
      const w = testWeight([12, 9], kind, rng, { density: 0.3 });
      const program = trace(
        ({ params, inputs }) => {
          const y = matmul(inputs["x"]!, params["w"]!);
          const [dx, dw] = gradients(sum(mul(y, inputs["g"]!)), [inputs["x"]!, params["w"]!]) as [Value, Value];
          return { outputs: { y, dx, dw } };
        },
        { params: { w: w.spec }, inputs: { x: { shape: [n, 12] }, g: { shape: [n, 9] } } },
      );
      const given = {
        params: { w: w.value },
        inputs: { x: randomTensor([n, 12], rng), g: randomTensor([n, 9], rng) },
        masks: masksOf({ w }),
      };
      for (const { name, error } of differences(engine, program, given)) expect(error, `${name} batch ${n}`).toBeLessThan(BOUND);
    }
  });

  it.each(["sgd", "momentum", "nesterov", "adam"])("a %s step with weight decay and a penalty on two layers", (optimiser) => {
    const rng = createRng(9).split(kind).split(optimiser);
    const [n, sizes] = [33, [20, 24, 8]];
    const weights: Record<string, TestWeight> = { w0: testWeight([24, 20], kind, rng), w1: testWeight([8, 24], kind, rng) };
    const slots = optimiser === "sgd" ? [] : optimiser === "adam" ? ["m", "v"] : ["m"];
    const params: Record<string, AnyTensor> = {};
    const specs: Record<string, object> = {};
    for (const [path, w] of Object.entries(weights)) {
      specs[path] = w.spec;
      params[path] = w.value;
      for (const slot of slots) {
        specs[`${path}:${slot}`] = { shape: w.spec.shape, ...(kind === "dense" ? {} : { pattern: path }) };
        const value = randomTensor(w.spec.shape, rng, 0.1);
        for (let i = 0; i < value.data.length; i++) value.data[i] = w.mask && !w.mask.data[i] ? 0 : Math.abs(value.data[i]!);
        params[`${path}:${slot}`] = value;
      }
    }
    const program = trace(
      ({ params: p, inputs }) => {
        const logits = linear(relu(linear(inputs["x"]!, p["w0"]!)), p["w1"]!);
        const loss = add(crossEntropy(logits, inputs["y"]!), mul(sumSquares(p["w0"]!), 0.01));
        const found = gradients(loss, [p["w0"]!, p["w1"]!]);
        const updates: Record<string, Value> = {};
        ["w0", "w1"].forEach((path, i) => {
          const common = { w: p[path]!, g: found[i]!, lr: inputs["lr"]! };
          if (optimiser === "adam") {
            const s = adamStep(
              { ...common, m: p[`${path}:m`]!, v: p[`${path}:v`]!, corrections: inputs["c"]! },
              { decay: 0.01, decoupled: true },
            );
            Object.assign(updates, { [path]: s.w, [`${path}:m`]: s.m, [`${path}:v`]: s.v });
            return;
          }
          const s = sgdStep(
            { ...common, m: slots.length ? p[`${path}:m`]! : undefined },
            { momentum: slots.length ? 0.9 : 0, decay: 0.01, nesterov: optimiser === "nesterov" },
          );
          Object.assign(updates, { [path]: s.w, ...(s.m ? { [`${path}:m`]: s.m } : {}) });
        });
        return { outputs: { loss }, updates };
      },
      {
        params: specs as never,
        inputs: { x: { shape: [n, sizes[0]!] }, y: { shape: [n], dtype: "i32" }, lr: { shape: [] }, c: { shape: [2] } },
      },
    );
    const inputs = {
      x: randomTensor([n, sizes[0]!], rng),
      y: randomLabels(n, 8, rng),
      lr: { shape: [], dtype: "f32" as const, data: Float32Array.of(0.1) },
      c: { shape: [2], dtype: "f32" as const, data: Float32Array.of(0.5, 0.25) },
    };
    for (const { name, error } of differences(engine, program, { params, inputs, masks: masksOf(weights) }))
      expect(error, name).toBeLessThan(BOUND);
  });
});

it("a frozen vector as a matrix, and its transpose", () => {
  const rng = createRng(6);
  const program = trace(
    ({ params, inputs }) => {
      const y = matmul(inputs["x"]!, params["w"]!, { transposeB: true });
      return { outputs: { y, z: matmul(y, params["w"]!) } };
    },
    { params: { w: { shape: [36, 1] } }, inputs: { x: { shape: [15, 1] } } },
  );
  const given = { params: { w: randomTensor([36, 1], rng) }, inputs: { x: randomTensor([15, 1], rng) } };
  for (const { name, error } of differences(engine, program, given, { frozen: true })) expect(error, name).toBeLessThan(BOUND);
});

describe.each(["csr", "block2", "block4"] as Kind[])("the sparse path, %s", (kind) => {
  it("serves forward, input gradient and weight gradient, with no dense product and no dense copy", () => {
    const rng = createRng(1);
    const [n, size] = [32, 256];
    const w = testWeight([size, size], kind, rng, { density: 0.05 });
    const spec = {
      params: { w: w.spec, "w:m": { shape: [size, size], pattern: "w" } },
      inputs: { x: { shape: [n, size] }, lr: { shape: [] } },
    };
    const program = trace(({ params, inputs }) => {
      const y = linear(inputs["x"]!, params["w"]!);
      const [dx, dw] = gradients(sumSquares(y), [inputs["x"]!, params["w"]!]) as [Value, Value];
      const step = sgdStep({ w: params["w"]!, g: dw, m: params["w:m"]!, lr: inputs["lr"]! }, { momentum: 0.9 });
      return { outputs: { dx }, updates: { w: step.w, "w:m": step.m! } };
    }, spec);
    const before = engine.memory().used;
    const store = engine.params(spec.params, { w: w.value });
    const plan = engine.compile(program, store);
    const bytes = engine.memory().used - before;
    plan.run({ x: randomTensor([n, size], rng), lr: [0.01] });
    const ran = plan.profile(() => performance.now()).map(({ kernel }) => kernel);
    const block = blockOf(kind);
    const family = (kernel: string) => kernel.replace(/_\d+$/, "");
    expect(ran.map(family)).toEqual(expect.arrayContaining([`sp${block}`, "sp1", `sddmm${block}`]));
    expect(ran.filter((kernel) => /gemm|gemv|^dots$/.test(kernel))).toEqual([]);
    const about = plan.decisions.filter(({ param }) => param === "w");
    expect(about.map(({ kernel }) => family(kernel)).sort()).toEqual([`sp${block}`, "sp1", `sddmm${block}`].sort());
    // Values, momentum, gradient, index lists of both directions; activations [n, size] a few times over. A dense copy alone takes 256 KiB.
    const nonZeros = kept(w.mask!);
    expect(nonZeros * 4).toBeLessThan(16_000);
    expect(store.bytes).toBe(nonZeros * 8);
    expect(bytes).toBeLessThan(nonZeros * 40 + n * size * 4 * 6 + 20_000);
    plan.close();
    store.close();
    expect(engine.memory().used).toBe(before);
  });
});
