import { describe, expect, it } from "vitest";
import { loadKernels } from "./loader.js";
import { Arena } from "./memory.js";
import { defaultTiles, GEMM_KERNELS, SP1_KERNELS, tune } from "./tune.js";

const setup = async () => new Arena(await loadKernels({ flavor: "plain", shared: false }));

describe("tune", () => {
  it("takes the defaults when there is no time to measure, and frees what it used", async () => {
    const arena = await setup();
    const found = tune(arena, { now: () => 0, budget: 0 });
    expect(found).toMatchObject({ ...defaultTiles(arena.kernels), measured: false });
    expect(arena.used).toBe(0);
  });

  it("picks the tile that the clock says is fastest", async () => {
    const arena = await setup();
    for (const [sp1, gemm] of [
      [3, 1],
      [0, 2],
    ] as const) {
      const cost = [...SP1_KERNELS, ...GEMM_KERNELS].map((name) =>
        name === SP1_KERNELS[sp1] || name === GEMM_KERNELS[gemm] ? 1 : 3,
      );
      // A round asks the time once for the budget and twice for each trial; the first runs cost tenfold, as before optimisation.
      let [clock, calls] = [0, 0];
      const now = () => {
        const call = calls++ - 1;
        if (call < 0) return clock;
        const [round, at] = [Math.floor(call / 15), call % 15];
        if (at > 0 && at % 2 === 0) clock += cost[at / 2 - 1]! * (round < 6 ? 10 : 1);
        return clock;
      };
      const found = tune(arena, { now, budget: 1e9 });
      expect(found).toMatchObject({ sp1: SP1_KERNELS[sp1], gemm: GEMM_KERNELS[gemm], measured: true });
    }
  });

  it("obeys a choice without measuring it", async () => {
    const arena = await setup();
    const found = tune(arena, { now: () => performance.now(), budget: 5, sp1: "sp1_16", gemm: "gemm_4x8" });
    expect(found).toMatchObject({ sp1: "sp1_16", gemm: "gemm_4x8", measured: true, times: {} });
  });

  it("takes strips of 32 floats where they cover a row in as few instructions", async () => {
    const { walk } = defaultTiles((await setup()).kernels);
    expect([32, 128, 209, 49, 84].map((n) => walk!(n))).toEqual(["sp1d_32", "sp1d_32", "sp1d_32", "sp1d_28", "sp1d_28"]);
  });

  it("measures with a real clock", async () => {
    const arena = await setup();
    const found = tune(arena, { now: () => performance.now(), budget: 400 });
    expect(SP1_KERNELS).toContain(found.sp1);
    expect(GEMM_KERNELS).toContain(found.gemm);
    expect(Object.values(found.times).every((ms) => ms > 0 && ms < 100)).toBe(true);
  });
});
