/** Intervals and addresses: dependencies kept, no two live buffers in one place, and no result that depends on the order of parts. */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  Arena,
  createPool,
  GEMM_SCRATCH,
  type Kernels,
  loadKernels,
  type Phase,
  type Pool,
  WINOGRAD_SCRATCH,
  writePlan,
} from "../kernels/index.js";
import { compileProgram } from "./compile.js";
import { ParamStore } from "./params.js";
import { type Placement, placeBuffers } from "./place.js";
import { createPlan } from "./plan.js";
import { type Interval, schedule } from "./schedule.js";
import type { Buffer, Step } from "./step.js";
import { type Case, convCase, mlpCase } from "./testing/networks.js";
import type { Kind } from "./testing/sparse.js";

const buffers: Buffer[] = Array.from({ length: 6 }, (_, id) => ({
  id,
  name: `b${id}`,
  bytes: 64 * (1 + id),
  address: 0,
  fixed: id === 0,
  ...(id === 1 ? { slice: { perPart: false, bytes: 16 } } : {}),
  ...(id === 3 ? { slice: { perPart: true, bytes: 64 } } : {}),
  ...(id > 3 ? { slice: { perPart: false, bytes: 8 * (1 + id) } } : {}),
}));
const access = fc.record({ buffer: fc.constantFrom(...buffers), local: fc.boolean() });
const domain = fc.constantFrom(
  { key: "one", units: 1, parts: 1 },
  { key: "single", units: 1, parts: 1 },
  { key: "groups:8", units: 8, parts: 8 },
  { key: "flat", units: 4, parts: 4 },
);
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc
    .record({ domain, reads: fc.array(access, { maxLength: 3 }), writes: fc.array(access, { minLength: 1, maxLength: 2 }) })
    .map((s): Step => ({ name: "s", emit: () => undefined, ...s })),
  { maxLength: 25 },
);

/** Whether two steps touch a buffer that one of them writes. */
const conflict = (a: Step, b: Step, same: (x: Buffer, y: Buffer) => boolean = (x, y) => x === y): boolean =>
  a.writes.some((x) => [...b.reads, ...b.writes].some((y) => same(x.buffer, y.buffer))) ||
  a.reads.some((x) => b.writes.some((y) => same(x.buffer, y.buffer)));

describe("schedule", () => {
  it("holds every step once, keeps the order of conflicting steps, and lets only local ones share an interval", () => {
    fc.assert(
      fc.property(steps, (list) => {
        const intervals = schedule(list);
        const where = new Map<Step, { at: number; lane: number; place: number }>();
        intervals.forEach(({ lanes }, at) => {
          lanes.forEach((lane, l) => {
            lane.forEach((step, place) => {
              where.set(step, { at, lane: l, place });
            });
            expect(new Set(lane.map(({ domain: { key, units } }) => (units === 1 ? "one" : key))).size).toBe(1);
          });
        });
        expect(where.size).toBe(list.length);
        list.forEach((b, j) => {
          for (const a of list.slice(0, j)) {
            if (!conflict(a, b)) continue;
            const [first, second] = [where.get(a)!, where.get(b)!];
            expect(first.at).toBeLessThanOrEqual(second.at);
            if (first.at < second.at) continue;
            expect(first.lane).toBe(second.lane);
            expect(first.place).toBeLessThan(second.place);
            if (a.domain.units === 1) continue;
            for (const x of [...a.reads, ...a.writes]) {
              for (const y of [...b.reads, ...b.writes]) {
                if (x.buffer === y.buffer && (a.writes.includes(x) || b.writes.includes(y))) expect(x.local && y.local).toBe(true);
              }
            }
          }
        });
      }),
      { numRuns: 300 },
    );
  });
});

/** What is folded: by one lane alone, slice by slice; no two at one time share bytes of a thread's memory, and nothing else does. */
function checkFolds(
  intervals: readonly Interval[],
  folds: Placement["folds"],
  {
    kept,
    offsets,
    bytes,
    life,
  }: Pick<Placement, "offsets" | "bytes"> & { kept: readonly Buffer[]; life: (buffer: Buffer) => [number, number] },
): void {
  const lanes = intervals.flatMap((interval) => interval.lanes);
  const uses = (step: Step) => [...step.reads, ...step.writes];
  for (const [lane, fold] of folds) {
    const { units, parts } = lane[0]!.domain;
    const end = fold.start + fold.bytes * Math.min(3, parts);
    expect(units).toBeGreaterThan(1);
    expect(end).toBeLessThanOrEqual(bytes);
    const span = (buffer: Buffer) => lane.flatMap((step, i) => (uses(step).some((x) => x.buffer === buffer) ? [i] : []));
    for (const [a, from] of fold.offsets) {
      expect(kept.includes(a) || offsets.has(a)).toBe(false);
      expect(from + a.slice!.bytes).toBeLessThanOrEqual(fold.bytes);
      for (const other of lanes)
        for (const step of other)
          for (const { buffer, local } of uses(step)) if (buffer === a) expect([other, local]).toEqual([lane, true]);
      for (const [b, at] of fold.offsets) {
        if (a.id >= b.id || from + a.slice!.bytes <= at || at + b.slice!.bytes <= from) continue;
        const [sa, sb] = [span(a), span(b)];
        expect(sa.at(-1)! < sb[0]! || sb.at(-1)! < sa[0]!).toBe(true);
      }
      const [time] = life(a);
      for (const [b, at] of offsets) {
        const [first, last] = life(b);
        if (first <= time && time <= last) expect(at + b.bytes <= fold.start || end <= at).toBe(true);
      }
    }
  }
}

describe("placeBuffers", () => {
  it("gives no two buffers that are needed at one time the same bytes", () => {
    fc.assert(
      fc.property(steps, fc.subarray(buffers), (list, kept) => {
        const intervals = schedule(list);
        const { bytes, offsets, folds } = placeBuffers(intervals, new Set(kept), 3);
        // Steps that run one after the other have a time each, others share that of their interval.
        const times = intervals.flatMap(({ lanes }) =>
          lanes.length === 1 && lanes[0]![0]!.domain.units === 1 ? lanes[0]!.map((step) => [step]) : [lanes.flat()],
        );
        const life = (buffer: Buffer): [number, number] => {
          if (kept.includes(buffer)) return [0, times.length];
          const at = times.flatMap((together, i) =>
            together.some((s) => [...s.reads, ...s.writes].some((x) => x.buffer === buffer)) ? [i] : [],
          );
          return [Math.min(...at), Math.max(...at)];
        };
        const placed = [...offsets.keys()];
        expect(placed.every((buffer) => !buffer.fixed)).toBe(true);
        checkFolds(intervals, folds, { kept, offsets, bytes, life });
        for (const a of placed) {
          const from = offsets.get(a)!;
          expect(from % 64).toBe(0);
          expect(from + a.bytes).toBeLessThanOrEqual(bytes);
          for (const b of placed) {
            if (a.id >= b.id) continue;
            const [la, lb] = [life(a), life(b)];
            const together = la[0] <= lb[1] && lb[0] <= la[1];
            const apart = from + a.bytes <= offsets.get(b)! || offsets.get(b)! + b.bytes <= from;
            if (together) expect(apart).toBe(true);
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});

/** The same work with the lanes of each interval, and the parts of each lane, in the opposite order: threads may run them so. */
function reversed(phases: readonly (Phase & { readonly meets: boolean })[]): (Phase & { meets: boolean })[] {
  const found: (Phase & { meets: boolean })[] = [];
  let lanes: Phase[] = [];
  for (const phase of phases) {
    lanes.unshift({ parts: [...phase.parts].reverse() });
    if (!phase.meets) continue;
    found.push(...lanes.map((lane, i) => ({ parts: lane.parts, meets: i === lanes.length - 1 })));
    lanes = [];
  }
  expect(lanes).toEqual([]);
  return found;
}

describe("no result depends on the order in which parts run", () => {
  const SCRATCH = Math.max(GEMM_SCRATCH, WINOGRAD_SCRATCH) + 4096;
  let kernels: Kernels;
  let arena: Arena;
  let pool: Pool;
  let scratch: number;
  beforeAll(async () => {
    kernels = await loadKernels({ flavor: "plain" });
    arena = new Arena(kernels);
    pool = await createPool(kernels, 1);
    scratch = arena.allocate(SCRATCH);
  });
  afterAll(() => pool.close());

  function bits(
    { program, specs, values, inputs }: Case,
    order: (phases: Parameters<typeof reversed>[0]) => (Phase & { meets: boolean })[],
  ): Float32Array[] {
    const store = new ParamStore(arena, specs, values);
    const owned: number[] = [];
    // Compiled as for three threads, so that everything is cut, and run on one in the order under test.
    const host = {
      options: { threads: 3, tiles: { sp1: "sp1_24", gemm: "gemm_5x8" } as const, winograd: true, frozen: false },
      reserve(bytes: number, label: string) {
        const address = arena.allocateZeroed(bytes, label);
        owned.push(address);
        return address;
      },
      memory: () => kernels.views(),
    };
    const compiled = compileProgram(program, store, host, false);
    expect(compiled.phases.some(({ parts }) => parts.length > 2)).toBe(true);
    const plan = createPlan(compiled, store, {
      kernels,
      arena,
      release: () => {
        for (const address of owned) arena.free(address);
      },
      run: (at) => pool.run(at, scratch, SCRATCH),
      scratch: () => scratch,
      write: (phases, placed) => writePlan(arena, order(phases), placed),
    });
    const seen: Float32Array[] = [];
    for (let step = 0; step < 2; step++) for (const { data } of Object.values(plan.run(inputs))) seen.push(data.slice());
    for (const path of Object.keys(specs)) seen.push(store.view(path).slice());
    plan.close();
    store.close();
    return seen;
  }

  describe.each(["dense", "csr", "block2"] as Kind[])("%s", (kind) => {
    it.each([
      ["a multi-layer perceptron", () => mlpCase(kind)],
      ["a convnet in groups of four", () => convCase(kind, 24)],
      ["a convnet of single images", () => convCase(kind, 7)],
    ])("%s", (_, make) => {
      expect(bits(make(), reversed)).toEqual(bits(make(), (phases) => [...phases]));
    });
  });
});
