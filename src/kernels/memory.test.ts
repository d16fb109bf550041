import { describe, expect, it } from "vitest";
import { createRng } from "../core/index.js";
import { hasRelaxedSimd, loadKernels } from "./loader.js";
import { ALIGNMENT, ARENA_START, Arena } from "./memory.js";
import { callKernel } from "./plan-writer.js";

const small = () => loadKernels({ flavor: "plain", shared: false, pages: 1, maximumPages: 4 });

describe("arena", () => {
  it("never hands out overlapping, misaligned or foreign memory, and gives everything back", async () => {
    const arena = new Arena(await small());
    const rng = createRng(1);
    const live: { at: number; bytes: number }[] = [];
    for (let step = 0; step < 3000; step++) {
      if (live.length > 20 || (live.length && rng.below(2))) {
        const [block] = live.splice(rng.below(live.length), 1);
        arena.free(block!.at);
      } else {
        const bytes = rng.below(5000);
        const at = arena.allocate(bytes);
        expect(at % ALIGNMENT).toBe(0);
        expect(at).toBeGreaterThanOrEqual(ARENA_START);
        for (const other of live) expect(at + bytes <= other.at || other.at + other.bytes <= at).toBe(true);
        expect(at + bytes).toBeLessThanOrEqual(arena.kernels.memory.buffer.byteLength);
        live.push({ at, bytes });
      }
    }
    for (const { at } of live) arena.free(at);
    expect(arena.used).toBe(0);
    expect(arena.peak).toBeGreaterThan(0);
    const first = arena.allocate(4 * 65536 - 65536);
    expect(first).toBeLessThan(ARENA_START + 4096);
  });

  it("grows the memory and keeps its content", async () => {
    const kernels = await small();
    const arena = new Arena(kernels);
    const a = arena.put(Float32Array.of(1, 2, 3));
    const b = arena.allocateZeroed(100000);
    expect([...kernels.views().f32.slice(a / 4, a / 4 + 3)]).toEqual([1, 2, 3]);
    expect(
      kernels
        .views()
        .u8.slice(b, b + 100000)
        .every((x) => x === 0),
    ).toBe(true);
  });

  it("says what was asked and what is in use when memory is exhausted", async () => {
    const arena = new Arena(await small());
    arena.allocate(100000);
    expect(() => arena.allocate(1048576, "the activations")).toThrow(
      /asked for 1.0 MiB for the activations, 0.1 MiB of at most 0.3 MiB/,
    );
    expect(() => arena.allocate(-1)).toThrow(/arena.allocate/);
    expect(() => arena.free(12)).toThrow(/live block/);
    const once = arena.allocate(64);
    arena.free(once);
    expect(() => arena.free(once)).toThrow(/free each block once/);
  });
});

describe("loadKernels", () => {
  it("runs on shared and on plain memory", async () => {
    for (const shared of [true, false]) {
      const kernels = await loadKernels({ shared, pages: 1 });
      expect(kernels.shared).toBe(shared);
      callKernel(kernels, "fill", { n: 3, value: 7, y: 2048 });
      expect([...kernels.views().f32.slice(512, 516)]).toEqual([7, 7, 7, 0]);
    }
  });

  it("picks the flavour that runs here and refuses one that does not", async () => {
    expect((await loadKernels({ pages: 1 })).flavor).toBe(hasRelaxedSimd() ? "relaxed" : "plain");
    if (!hasRelaxedSimd()) await expect(loadKernels({ flavor: "relaxed" })).rejects.toThrow(/loadKernels.flavor/);
    await expect(loadKernels({ pages: 0 })).rejects.toThrow(/loadKernels.pages/);
    await expect(loadKernels({ pages: 9, maximumPages: 3 })).rejects.toThrow(/loadKernels.maximumPages/);
  });

  it("works on a given memory", async () => {
    const memory = new WebAssembly.Memory({ initial: 2, maximum: 4 });
    const kernels = await loadKernels({ memory });
    expect(kernels.memory).toBe(memory);
    expect(kernels.shared).toBe(false);
  });
});

it("zeroed blocks are zero wherever they lie: in used memory, in fresh memory, across both", async () => {
  const own = new Arena(await loadKernels());
  const u8 = () => own.kernels.views().u8;
  const first = own.allocate(100_000);
  u8().fill(7, first, first + 100_000);
  own.free(first);
  for (const bytes of [64, 50_000, 200_000, 3_000_000]) {
    const at = own.allocateZeroed(bytes);
    expect(
      u8()
        .subarray(at, at + bytes)
        .every((byte) => byte === 0),
    ).toBe(true);
    u8().fill(9, at, at + bytes);
    own.free(at);
  }
});
