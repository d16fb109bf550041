import { existsSync } from "node:fs";
import { afterEach, describe, expect, it } from "vitest";
import { InputError } from "../core/index.js";
import { type Kernels, loadKernels } from "./loader.js";
import { Arena } from "./memory.js";
import { encode, freePlan, type Phase, profile, writePlan } from "./plan-writer.js";
import { createPool, LostThreadError, type Pool, type SpawnWorker } from "./threads.js";
import { nodeWorkers } from "./threads.node.js";

const pools: Pool[] = [];
afterEach(() => {
  for (const pool of pools.splice(0)) pool.close();
});

async function setup(threads: number, shared = true): Promise<{ kernels: Kernels; arena: Arena; pool: Pool }> {
  const kernels = await loadKernels({ flavor: "plain", shared, pages: 4 });
  const pool = await createPool(kernels, threads);
  pools.push(pool);
  return { kernels, arena: new Arena(kernels), pool };
}

/** Phase k adds y[i] = x[i] + 1 through a one-entry spmm, from buffer k to buffer k + 1: each phase needs all parts of the one before. */
function chain(arena: Arena, phases: number, parts: number, n: number): { plan: number; last: number } {
  const one = arena.put(Float32Array.of(1));
  const count = arena.put(Int32Array.of(1));
  const zero = arena.put(Int32Array.of(0));
  const buffers = Array.from({ length: phases + 1 }, () => arena.allocateZeroed(n * 4));
  const size = n / parts;
  const list: Phase[] = Array.from({ length: phases }, (_, k) => ({
    parts: Array.from({ length: parts }, (_, p) => {
      const from = ((p + 1) % parts) * size * 4;
      const args = {
        nb: 1,
        cnt: count,
        idx: zero,
        w: one,
        bias: one,
        x: buffers[k]! + from,
        y: buffers[k + 1]! + p * size * 4,
        n: size,
      };
      return [encode("sp1_16", { ...args, ys: 0, acc: 0, shared: 0, lo: -1e30, hi: 1e30 })];
    }),
  }));
  return { plan: writePlan(arena, list), last: buffers[phases]! };
}

describe("pool", () => {
  for (const [threads, shared] of [
    [1, true],
    [1, false],
    [2, true],
    [3, true],
  ] as const) {
    it(`${threads} threads on ${shared ? "shared" : "plain"} memory run phases in order`, async () => {
      const { kernels, arena, pool } = await setup(threads, shared);
      expect(pool.threads).toBe(threads);
      const { plan, last } = chain(arena, 40, 5, 100);
      for (let round = 0; round < 20; round++) {
        kernels.views().f32.fill(0, last / 4, last / 4 + 100);
        pool.run(plan, 0, 0);
        expect(new Set(kernels.views().f32.slice(last / 4, last / 4 + 100))).toEqual(new Set([40]));
      }
      freePlan(arena, plan);
    });
  }

  it("runs one thread where memory is not shared", async () => {
    const { pool } = await setup(4, false);
    expect(pool.threads).toBe(1);
  });

  it("a plan that traps, on any thread, is an error and not a hang", async () => {
    for (const place of [0, 1, 1, 1, 1, 1, 1, 1]) {
      const { arena, pool } = await setup(2);
      const good = [encode("nop", {})];
      const bad = [encode("zero", { bytes: 64, y: 4294967232 })];
      const plan = writePlan(arena, [{ parts: place ? [good, bad] : [bad, good] }]);
      expect(() => pool.run(plan, 0, 0)).toThrow(InputError);
      expect(() => pool.run(plan, 0, 0)).toThrow(/lost a thread/);
    }
  });

  it.skipIf(!existsSync("/proc/thread-self"))(
    "a worker killed in the middle of a run is found while the others wait (needs /proc)",
    async () => {
      const kernels = await loadKernels({ flavor: "plain", pages: 4 });
      const dies = "Atomics.wait(new Int32Array(memory.buffer, control, 16), 0, ticket); process.exit(0);";
      const spawn: SpawnWorker = (source, said, died) => {
        const deadly = source.replace("instance.exports.serve(tid, ticket);", dies);
        expect(deadly).not.toBe(source);
        return nodeWorkers()!(deadly, said, died);
      };
      const pool = await createPool(kernels, 2, { spawn });
      const { plan } = chain(new Arena(kernels), 2, 2, 8);
      const start = performance.now();
      expect(() => pool.run(plan, 0, 0)).toThrow(LostThreadError);
      expect(performance.now() - start).toBeLessThan(5000);
      expect(() => pool.run(plan, 0, 0)).toThrow(/lost a thread/);
    },
  );

  it("a worker that cannot start is an error", async () => {
    const kernels = await loadKernels({ flavor: "plain", pages: 1 });
    const spawn = (_: string, __: unknown, died: (reason: string) => void) => {
      setTimeout(() => died("no such file"), 1);
      return { post() {}, terminate() {} };
    };
    await expect(createPool(kernels, 2, { spawn })).rejects.toThrow(/worker 1 of 1 did not start: no such file/);
    const silent = () => ({ post() {}, terminate() {} });
    await expect(createPool(kernels, 2, { spawn: silent, startTimeout: 5 })).rejects.toThrow(/no answer in 5 ms/);
    pools.push(await createPool(kernels, 2));
  });

  it("refuses a second pool on one memory, a closed pool, and 0 threads", async () => {
    const { kernels, pool } = await setup(1);
    await expect(createPool(kernels, 1)).rejects.toThrow(/without a pool/);
    pool.close();
    pool.close();
    expect(() => pool.run(1024, 0, 0)).toThrow(/closed/);
    await expect(createPool(kernels, 0)).rejects.toThrow(/createPool.threads/);
  });
});

describe("plan writer", () => {
  it("refuses unknown kernels and missing, unknown or out-of-range arguments", () => {
    expect(() => encode("zero", { bytes: 4 })).toThrow(/zero\.y/);
    expect(() => encode("zero", { bytes: 4, y: 8, z: 1 })).toThrow(/"z"/);
    expect(() => encode("zero", { bytes: -4, y: 8 })).toThrow(/zero\.bytes/);
    expect(() => encode("fill", { n: 1.5, value: 0, y: 8 })).toThrow(/fill\.n/);
    expect(() => encode("none" as "zero", {})).toThrow(/name of a kernel/);
  });

  it("encodes number, length and arguments by type", () => {
    const { words } = encode("fill", { n: -1, value: 1, y: 8 });
    expect([...words.subarray(1)]).toEqual([20, 0xffffffff, 0x3f800000, 8]);
  });

  it("profile runs every instruction once and counts calls", async () => {
    const { kernels, arena } = await setup(1);
    const { plan, last } = chain(arena, 3, 5, 100);
    let clock = 0;
    expect(profile(kernels, plan, 0, () => clock++)).toEqual([{ kernel: "sp1_16", calls: 15, ms: 15 }]);
    expect(kernels.views().f32[last / 4]).toBe(3);
  });
});
