/** What is told of layers before and after pruning: patterns recognised, times foreseen, and a warning where it will not pay. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createRng, type Tensor, tensor } from "../../src/core/index.js";
import { createEngine, type Engine } from "../../src/engine/index.js";
import { anyBatch, conv2d, linear, mean, productsOf, trace } from "../../src/program/index.js";
import { packModel } from "../../src/runtime/index.js";
import type { PrunePattern } from "../../src/train/index.js";
import { adviceText, advise } from "./advice.js";
import { predicted } from "./forecast.js";
import { patternName } from "./pattern-name.js";
import { randomMask } from "./random-mask.js";
import { survey } from "./survey.js";

let engine: Engine;
beforeAll(async () => void (engine = await createEngine()));
afterAll(() => engine.close());

const shapes = { stem: [16, 8, 3, 3], depth: [16, 1, 3, 3], point: [32, 16, 1, 1], fc: [8, 32] };
const program = anyBatch((n) =>
  trace(
    ({ params: p, inputs }) => {
      const a = conv2d(inputs["x"]!, p["stem"]!, { padding: 1 });
      const b = conv2d(a, p["depth"]!, { padding: 1, groups: 16 });
      return { outputs: { y: linear(mean(conv2d(b, p["point"]!, {}), [2, 3]), p["fc"]!) } };
    },
    {
      inputs: { x: { shape: [n, 8, 12, 12] } },
      params: Object.fromEntries(Object.entries(shapes).map(([path, shape]) => [path, { shape }])),
    },
  ),
);
const rng = createRng(3);
const params: Record<string, Tensor> = {};
for (const [path, shape] of Object.entries(shapes)) {
  params[path] = tensor(shape);
  params[path].data.forEach((_, i, data) => void (data[i] = rng.normal() || 1));
}
const products = new Map(productsOf(program.one).map((product) => [product.path, product]));

describe("patterns", () => {
  const unstructured: PrunePattern = { kind: "unstructured", scope: "tensor" };
  it.each([
    ["stem", unstructured, 0.7, "unstructured"],
    ["stem", { kind: "kernels", filters: 8 }, 0.5, "kernels:8"],
    ["stem", { kind: "kernels", filters: 1 }, 0.5, "kernels:1"],
    ["point", { kind: "kernels", filters: 4 }, 0.5, "block:4x1"],
    ["point", { kind: "block", rows: 2, cols: 1 }, 0.6, "block:2x1"],
    ["point", { kind: "nm", keep: 2, of: 4 }, 0.5, "2:4"],
    ["fc", { kind: "nm", keep: 1, of: 4 }, 0.75, "1:4"],
    ["fc", unstructured, 0, "dense"],
  ] as [keyof typeof shapes, PrunePattern, number, string][])("%s in %j at %d is %s", (path, pattern, sparsity, name) => {
    const mask = randomMask(products.get(path)!, shapes[path], pattern, sparsity);
    const kept = mask.data.reduce((n, bit) => n + bit, 0) / mask.data.length;
    expect(Math.abs(1 - kept - sparsity)).toBeLessThan(0.15);
    expect(randomMask(products.get(path)!, shapes[path], pattern, sparsity)).toEqual(mask);
    expect(patternName(packModel({ program, params, masks: { [path]: mask } }).params[path]!)).toBe(name);
  });
});

describe("advice", () => {
  const line = {
    path: "a",
    denseMs: 4,
    sparseMs: [
      { sparsity: 0.5, ms: 5 },
      { sparsity: 1, ms: 0 },
    ],
    breakEven: 0.6,
  };
  it("adds up what layers save and leaves the slower ones dense", () => {
    const asked = [
      { path: "a", sparsity: 0.9, denseMs: 4, sparseMs: 1 },
      { path: "b", sparsity: 0.9, denseMs: 1, sparseMs: 2 },
    ];
    const advice = advise(10, asked, [line]);
    expect(advice).toMatchObject({ predictedMs: 7, stayDense: ["b"], pays: true });
    expect(adviceText(advice, "90 %")).toEqual([
      "forecast for 90 % on this machine: 10.0 ms dense, about 7.00 ms (1.43×)",
      "these layers get no faster and will run with dense kernels: b",
    ]);
  });
  it("warns where it will not pay, and says from where it does", () => {
    expect(predicted(line.sparseMs, 0.75)).toBeCloseTo(2.5, 9);
    const never = advise(10, [{ path: "a", sparsity: 0.5, denseMs: 4, sparseMs: 5 }]);
    expect(adviceText(never, "50 %").at(-1)).toBe(
      "warning: 50 % will not make this network faster on this device; no sparsity makes this network faster here",
    );
    // 10 ms fall by a twentieth when the layer takes 4 - 10/21 ms: at a sparsity of 0.648.
    const later = advise(10, [{ path: "a", sparsity: 0.5, denseMs: 4, sparseMs: 5 }], [line]);
    expect(later.paysFrom).toBe(0.65);
  });
});

it("a survey has every layer with shape, sparsity, pattern, times, break-even, choice and reason", async () => {
  const mask = randomMask(products.get("point")!, shapes.point, { kind: "unstructured", scope: "tensor" }, 0.9);
  const file = packModel({ program, params, masks: { point: mask } });
  const pattern = { kind: "unstructured", scope: "tensor" } as const;
  const { layers, advice } = await survey(engine, file, { batch: 1, sparsity: 0.9, pattern, now: () => performance.now() });
  expect(layers.map(({ name, shape, pattern: own }) => [name, shape, own])).toEqual([
    ["stem", shapes.stem, "dense"],
    ["depth", shapes.depth, "dense"],
    ["point", shapes.point, "unstructured"],
    ["fc", shapes.fc, "dense"],
  ]);
  for (const layer of layers) {
    expect(Math.min(layer.predictedDenseMs!, layer.denseMs!)).toBeGreaterThan(0);
    expect(layer.predictedSparseMs !== null).toBe(layer.name !== "depth");
    expect(layer.sparseMs !== null).toBe(layer.name === "point");
  }
  expect(layers.map(({ reason }) => reason)).toEqual([
    expect.stringMatching(/^not pruned; at 90 % it would be \d+\.\d times (faster|slower)$/),
    "a depthwise convolution, which has no sparse kernel",
    expect.stringMatching(/^alone .* sparse, .* dense: (sparse|dense) is \d+\.\d times faster$/),
    expect.stringMatching(/^not pruned; /),
  ]);
  expect(advice).toBeNull();
});
