/** Live positions that change in place: the plan stays, and gives the numbers of a freshly compiled one; slots are carried over. */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createRng, InputError, type Rng, type Tensor, type Tree, tensor } from "../core/index.js";
import {
  conv2d,
  crossEntropy,
  gradients,
  linear,
  mean,
  type ParamSpec,
  type Program,
  relu,
  sgdStep,
  trace,
  type Value,
} from "../program/index.js";
import { rewireRandom } from "../sparsity/index.js";
import { createEngine, type Engine } from "./engine.js";
import { type Live, liveOf } from "./live.js";
import { randomLabels, randomTensor } from "./testing/agree.js";
import { blockOf, type Kind, layoutOf, randomMask } from "./testing/sparse.js";

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine();
});
afterAll(() => engine.close());

const SHAPES = { conv: [8, 4, 3, 3], strided: [8, 8, 3, 3], fc: [8, 8] } as const;
const CAPACITY = { conv: 96, strided: 192, fc: 32 } as const;

/** Trains two sparse convolutions and a sparse linear layer with momentum. */
function network(kind: Kind): { program: Program; specs: Tree<ParamSpec> } {
  const specs: Record<string, ParamSpec> = { head: { shape: [4, 8] } };
  for (const [path, shape] of Object.entries(SHAPES)) {
    specs[path] = { shape, layout: layoutOf(kind, CAPACITY[path as keyof typeof CAPACITY]) };
    specs[`${path}:m`] = { shape, pattern: path };
  }
  const program = trace(
    ({ params: p, inputs }) => {
      const x = relu(conv2d(relu(conv2d(inputs["x"]!, p["conv"]!, { padding: 1 })), p["strided"]!, { stride: 2, padding: 1 }));
      const loss = crossEntropy(linear(relu(linear(mean(x, [2, 3]), p["fc"]!)), p["head"]!), inputs["y"]!);
      const paths = Object.keys(SHAPES);
      const found = gradients(
        loss,
        paths.map((path) => p[path]!),
      );
      const updates: Record<string, Value> = {};
      paths.forEach((path, i) => {
        const step = sgdStep({ w: p[path]!, g: found[i]!, m: p[`${path}:m`]!, lr: inputs["lr"]! }, { momentum: 0.9 });
        Object.assign(updates, { [path]: step.w, [`${path}:m`]: step.m! });
      });
      return { outputs: { loss, ...Object.fromEntries(paths.map((path, i) => [`grad ${path}`, found[i]!])) }, updates };
    },
    { params: specs, inputs: { x: { shape: [8, 4, 9, 9] }, y: { shape: [8], dtype: "i32" }, lr: { shape: [] } } },
  );
  return { program, specs };
}

/** Random live values within the capacity. */
function randomLive(path: keyof typeof SHAPES, kind: Kind, density: number, rng: Rng): Live {
  const shape = SHAPES[path];
  const block = blockOf(kind);
  for (;;) {
    const mask = randomMask(shape, kind, density, rng);
    const value = randomTensor(shape, rng, 0.5) as Tensor;
    for (let i = 0; i < mask.data.length; i++) if (!mask.data[i]) value.data[i] = 0;
    const live = liveOf(value, block as 1);
    if (live.values.length <= CAPACITY[path]) return live;
  }
}

describe.each(["csr", "block2", "block4"] as Kind[])("%s", (kind) => {
  it("a plan whose topologies changed gives the bits of a fresh plan, over changing numbers of live values", () => {
    const { program, specs } = network(kind);
    const rng = createRng(4).split(kind);
    const store = engine.params(specs, { head: randomTensor([4, 8], rng) });
    const plan = engine.compile(program, store);
    const code = engine.memory().used;
    for (let round = 0; round < 12; round++) {
      // Round 3 leaves weights without any live value; densities rise and fall within the capacity.
      for (const path of Object.keys(SHAPES) as (keyof typeof SHAPES)[]) {
        if (round % 3 === 2 && path === "strided") continue;
        store.setLive(path, randomLive(path, kind, round === 3 ? 0 : [0.05, 0.15, 0.25, 0.1][round % 4]!, rng));
      }
      const inputs = { x: randomTensor([8, 4, 9, 9], rng), y: randomLabels(8, 4, rng), lr: tensor([], [0.1]) };
      const other = engine.params(specs);
      for (const path of Object.keys(specs)) {
        if (store.patternOf(path) === path) other.setLive(path, store.live(path));
        else if (store.patternOf(path) === undefined) other.set(path, store.get(path));
      }
      for (const path of Object.keys(SHAPES)) other.view(`${path}:m`).set(store.view(`${path}:m`));
      const fresh = engine.compile(program, other);
      for (let step = 0; step < 2; step++) {
        const [a, b] = [plan.run(inputs), fresh.run(inputs)];
        for (const name of Object.keys(b)) expect(a[name]!.data, `${name}, round ${round}`).toEqual(b[name]!.data);
      }
      for (const path of Object.keys(specs)) expect(store.view(path), path).toEqual(other.view(path));
      fresh.close();
      other.close();
      expect(engine.memory().used).toBe(code);
    }
    plan.close();
    store.close();
  });

  it("slots keep what stays, and are zero where weights are born", () => {
    const { specs } = network(kind);
    const block = blockOf(kind);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1e6 }), (seed) => {
        const rng = createRng(seed);
        const store = engine.params(specs);
        const [first, second] = [randomLive("fc", kind, 0.3, rng), randomLive("fc", kind, 0.3, rng)];
        store.setLive("fc", first);
        const slot = store.view("fc:m");
        for (let i = 0; i < slot.length; i++) slot[i] = i + 1;
        const before = store.get("fc:m").data;
        const lived = store.get("fc").data.map((v) => (v === 0 ? 0 : 1));
        store.setLive("fc", second);
        const after = store.get("fc:m").data;
        for (let r = 0; r < 8; r += block) {
          for (let e = second.rowPtr[r / block]!; e < second.rowPtr[r / block + 1]!; e++) {
            for (let b = 0; b < block; b++) {
              const at = (r + b) * 8 + second.columns[e]!;
              expect(after[at]).toBe(lived[at] ? before[at] : 0);
            }
          }
        }
        expect(store.live("fc").values).toEqual(second.values);
        store.close();
      }),
      { numRuns: 40 },
    );
  });
});

describe("a frozen plan", () => {
  it("follows a topology by itself", () => {
    const rng = createRng(2);
    const specs = { fc: { shape: [8, 8], layout: { kind: "csr", capacity: 32 } as const } };
    const program = trace(({ params, inputs }) => ({ outputs: { y: linear(inputs["x"]!, params["fc"]!) } }), {
      params: specs,
      inputs: { x: { shape: [4, 8] } },
    });
    const store = engine.params(specs);
    const plan = engine.compile(program, store, { frozen: true });
    for (let i = 0; i < 3; i++) {
      store.setLive("fc", randomLive("fc", "csr", 0.3, rng));
      const x = randomTensor([4, 8], rng);
      const w = store.get("fc").data;
      const y = plan.run({ x })["y"]!.data;
      for (let n = 0; n < 4; n++) {
        for (let o = 0; o < 8; o++) {
          let sum = 0;
          for (let k = 0; k < 8; k++) sum += x.data[n * 8 + k]! * w[o * 8 + k]!;
          expect(y[n * 8 + o]).toBeCloseTo(sum, 5);
        }
      }
    }
    plan.close();
    store.close();
  });
});

describe("a frozen plan on three threads", () => {
  it("moves the entries of its ranges of rows as the topology fills other rows", async () => {
    const own = await createEngine({ threads: 3 });
    const specs = { w: { shape: [48, 16, 1, 1], layout: { kind: "csr", capacity: 200 } as const } };
    const program = trace(({ params, inputs }) => ({ outputs: { y: conv2d(inputs["x"]!, params["w"]!) } }), {
      params: specs,
      inputs: { x: { shape: [1, 16, 28, 28] } },
    });
    const store = own.params(specs);
    const plan = own.compile(program, store, { frozen: true });
    const x = randomTensor([1, 16, 28, 28], createRng(4));
    // All entries in the first rows, in the middle, in the last; then few; then spread.
    for (const [first, rows, each] of [
      [0, 12, 16],
      [18, 12, 16],
      [36, 12, 16],
      [47, 1, 3],
      [0, 48, 4],
    ] as const) {
      const rowPtr = Int32Array.from({ length: 49 }, (_, r) => Math.max(0, Math.min(r - first, rows)) * each);
      const columns = Int32Array.from({ length: rowPtr[48]! }, (_, e) => e % each);
      store.setLive("w", { rowPtr, columns, values: Float32Array.from(columns, (c, e) => Math.sin(e + c)) });
      const w = store.get("w").data;
      const y = plan.run({ x })["y"]!.data;
      for (let o = 0; o < 48; o++) {
        for (const p of [0, 391, 783]) {
          let sum = 0;
          for (let c = 0; c < 16; c++) sum += x.data[c * 784 + p]! * w[o * 16 + c]!;
          expect(y[o * 784 + p]).toBeCloseTo(sum, 4);
        }
      }
    }
    plan.close();
    store.close();
    own.close();
  });
});

describe("bad lists are refused with what is wrong", () => {
  const specs = { w: { shape: [2, 4], layout: { kind: "csr", capacity: 4 } as const } };
  const live = (rowPtr: number[], columns: number[], values: number[] = columns.map(() => 1)): Live => ({
    rowPtr: Int32Array.from(rowPtr),
    columns: Int32Array.from(columns),
    values: Float32Array.from(values),
  });
  it.each([
    ["another number of rows", live([0, 1], [0]), /expected 3 row pointers, got 2/],
    ["pointers that do not start at 0", live([1, 1, 1], [0]), /from 0/],
    ["pointers that fall", live([0, 2, 1], [0]), /fall at row/],
    ["pointers beyond the columns", live([0, 1, 3], [0, 1]), /from 0 to the number of columns/],
    ["columns out of range", live([0, 1, 2], [0, 4]), /within \[0, 4\)/],
    ["negative columns", live([0, 1, 2], [-1, 0]), /within \[0, 4\)/],
    ["columns that repeat", live([0, 2, 2], [1, 1]), /must rise/],
    ["too few values", live([0, 1, 2], [0, 1], [1]), /expected 2 values, got 1/],
    ["more values than the capacity", live([0, 3, 5], [0, 1, 2, 0, 1]), /5 live values exceed the capacity of 4/],
  ])("%s", (_, given, message) => {
    const store = engine.params(specs, { w: live([0, 1, 1], [2], [7]) });
    expect(() => store.setLive("w", given)).toThrow(InputError);
    expect(() => store.setLive("w", given)).toThrow(message);
    expect([...store.get("w").data]).toEqual([0, 0, 7, 0, 0, 0, 0, 0]);
    store.close();
  });

  it("a dense value with more non-zeros than the capacity, a pattern of no sparse param, a capacity of none", () => {
    const store = engine.params(specs);
    expect(() => store.set("w", tensor([2, 4], new Float32Array(8).fill(1)))).toThrow(/8 live values exceed the capacity of 4/);
    expect(() => store.set("w", tensor([4, 2]))).toThrow(/params.set\("w"\)/);
    expect(() => store.get("v")).toThrow(/no param "v"; params are w/);
    store.close();
    expect(() => store.get("w")).toThrow(/closed/);
    expect(() => engine.params({ m: { shape: [2, 4], pattern: "w" } })).toThrow(/pattern "w" is not a sparse param/);
    expect(() => engine.params({ w: { shape: [2, 4], layout: { kind: "csr", capacity: 0 } } })).toThrow(/capacity/);
    expect(() => engine.params({ w: { shape: [3, 4], layout: { kind: "block", rows: 2, capacity: 4 } } })).toThrow(/2 divides/);
  });
});

describe("a wide layer at 99.9 %", () => {
  it("trains and is rewired in memory that follows its live values", () => {
    const size = 8000;
    const live = (size * size) / 1000;
    const n = 8;
    const rng = createRng(3);
    const shape = [size, size];
    const specs: Tree<ParamSpec> = { w: { shape, layout: { kind: "csr", capacity: live } }, "w:m": { shape, pattern: "w" } };
    const used = engine.memory().used;
    const store = engine.params(specs);
    store.setLive("w", evenly(size, live, rng));
    const program = trace(
      ({ params, inputs }) => {
        const y = relu(linear(inputs["x"]!, params["w"]!));
        const loss = mean(y);
        const [g] = gradients(loss, [params["w"]!]) as [Value];
        const step = sgdStep({ w: params["w"]!, g, m: params["w:m"]!, lr: inputs["lr"]! }, { momentum: 0.9 });
        return { outputs: { loss }, updates: { w: step.w, "w:m": step.m! } };
      },
      { params: specs, inputs: { x: { shape: [n, size] }, lr: { shape: [] } } },
    );
    const plan = engine.compile(program, store);
    const x = randomTensor([n, size], rng);
    const losses: number[] = [];
    for (let step = 0; step < 9; step++) {
      losses.push(plan.run({ x, lr: tensor([], [1000]) })["loss"]!.data[0]!);
      if (step % 3 !== 2) continue;
      const { rowPtr, columns, values } = store.live("w");
      const next = rewireRandom({ csr: { rows: size, cols: size, rowPtr, columns }, values, fraction: 0.3, rng: rng.split(step) });
      store.setLive("w", { rowPtr: next.csr.rowPtr, columns: next.csr.columns, values: next.values });
    }
    expect(losses.at(-1)!).toBeLessThan(losses[0]! * 0.9);
    // A dense copy takes 244 MiB. Live values: weight, momentum, gradient, offsets; activations of [8, 8000] a few times.
    expect(engine.memory().used - used).toBeLessThan(live * 24 + n * size * 4 * 10);
    plan.close();
    store.close();
  });
});

/** `live` random entries, the same number in each row. */
function evenly(size: number, live: number, rng: Rng): Live {
  const per = live / size;
  const columns = new Int32Array(live);
  for (let r = 0; r < size; r++) {
    const row = new Set<number>();
    while (row.size < per) row.add(rng.below(size));
    columns.set(
      [...row].sort((a, b) => a - b),
      r * per,
    );
  }
  return {
    rowPtr: Int32Array.from({ length: size + 1 }, (_, r) => r * per),
    columns,
    values: Float32Array.from({ length: live }, () => rng.normal() * 0.3),
  };
}
