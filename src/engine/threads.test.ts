/** The same bits for 1, 2 and 3 threads: work that is large enough to be cut, in every kind of domain. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { pieceStrips } from "./cut.js";
import { createEngine, type Engine } from "./engine.js";
import { bareGeometry } from "./geometry.js";
import { planesOf } from "./layout.js";
import { type Case, convCase, imageCase, mlpCase, recurrentCase, sequenceCase } from "./testing/networks.js";
import type { Kind } from "./testing/sparse.js";

const engines: Engine[] = [];
beforeAll(async () => {
  for (const threads of [1, 2, 3]) engines.push(await createEngine({ threads }));
});
afterAll(() => {
  for (const engine of engines) engine.close();
});

/** Three runs of a case for inference, and how its work was cut. */
function inferred(engine: Engine, { program, specs, values, inputs }: Case): { seen: Float32Array[]; domains: string[] } {
  const store = engine.params(specs, values);
  const plan = engine.compile(program, store, { frozen: true });
  const seen: Float32Array[] = [];
  for (let step = 0; step < 3; step++) for (const { data } of Object.values(plan.run(inputs))) seen.push(data.slice());
  const domains = plan.intervals.flatMap(({ lanes }) => lanes.map(({ domain }) => domain.split(":")[0]!));
  plan.close();
  store.close();
  return { seen, domains };
}

/** Three runs of a case: every output of each, and the params at the end. */
function bits(engine: Engine, { program, specs, values, inputs }: Case): Float32Array[] {
  const store = engine.params(specs, values);
  const plan = engine.compile(program, store);
  const seen: Float32Array[] = [];
  for (let step = 0; step < 3; step++) for (const { data } of Object.values(plan.run(inputs))) seen.push(data.slice());
  for (const path of Object.keys(specs)) seen.push(store.view(path).slice());
  plan.close();
  store.close();
  return seen;
}

it("bands of rows end where another thread's floats begin, whole vectors or not", () => {
  for (const [h, w] of [
    [19, 21],
    [15, 17],
    [14, 14],
    [9, 11],
  ] as const) {
    const layout = planesOf(1, 24, 1, bareGeometry(h, w));
    for (const rows of [2, h >> 1, h - 2]) {
      const piece = { group: 0, c0: 0, c: 24, r0: h - rows, rows, range: 0 };
      const first = layout.origin / 4 + piece.r0 * w;
      // Kernels keep, and so write, what lies between the end of a strip and that of its last vector.
      for (const [skip, n] of pieceStrips(layout, piece, 28))
        expect(first + skip + Math.ceil(n / 4) * 4).toBeLessThanOrEqual(layout.plane / 4);
    }
  }
});

describe.each(["dense", "csr", "block2", "block4"] as Kind[])("%s", (kind) => {
  it.each([
    ["a multi-layer perceptron with Adam", () => mlpCase(kind)],
    ["a convnet in groups of four images", () => convCase(kind, 40)],
    ["a convnet of single images", () => convCase(kind, 9)],
  ])("%s", (_, make) => {
    const [one, two, three] = engines.map((engine) => bits(engine, make()));
    expect(engines.map(({ threads }) => threads)).toEqual([1, 2, 3]);
    expect(one!.some((data) => data.some((v) => v !== 0))).toBe(true);
    expect(two).toEqual(one);
    expect(three).toEqual(one);
  });

  it.each([
    ["planes cut by rows", 32, 1],
    ["planes whose rows do not halve: channels", 14, 1],
    ["planes with odd rows and borders", 21, 1],
    ["three images, for two threads one and a half each", 16, 3],
    ["four images in one group", 16, 4],
  ])("one image: %s", (_, size, n) => {
    const [one, two, three] = engines.map((engine) => inferred(engine, imageCase(kind, size, n)));
    expect(one!.seen.some((data) => data.some((v) => v !== 0))).toBe(true);
    expect(two!.seen).toEqual(one!.seen);
    if (n < 3) expect(two!.domains.some((domain) => domain === "rows" || domain === "channels")).toBe(true);
    expect(three!.seen).toEqual(one!.seen);
  });

  it.each([false, true])("gates of a recurrent cell; weights in few rows: %s", (skewed) => {
    const [one, two, three] = engines.map((engine) => inferred(engine, recurrentCase(kind, skewed)));
    expect(one!.seen.every((data) => data.some((v) => v !== 0))).toBe(true);
    expect(two!.seen).toEqual(one!.seen);
    expect(three!.seen).toEqual(one!.seen);
    expect(one!.domains).not.toContain("period");
    expect(two!.domains).toContain("period");
    // A product whose parts have unlike work is cut into ranges of like work.
    const products = two!.domains.filter((domain) => ["slices", "rows of"].includes(domain)).length;
    if (kind !== "dense") expect(products > 0).toBe(skewed);
  });

  it.each([70, 20, 3])("one row, and attention over %i positions", (m) => {
    const [one, two, three] = engines.map((engine) => inferred(engine, sequenceCase(kind, m)));
    expect(one!.seen.every((data) => data.some((v) => v !== 0))).toBe(true);
    expect(two!.seen).toEqual(one!.seen);
    expect(two!.domains.some((domain) => ["slices", "rows of", "row"].includes(domain))).toBe(true);
    expect(three!.seen).toEqual(one!.seen);
  });
});
