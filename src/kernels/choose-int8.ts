/** Which build of the int8 kernels is faster on this machine: all give the same bits, so the choice moves time only. */
import type { Int8Module, Kernels } from "./loader.js";
import { hasRelaxedSimd } from "./loader.js";
import type { Arena } from "./memory.js";
import { callKernel } from "./plan-writer.js";
import type { Int8Flavor } from "./templates/int8/arithmetic.js";

/** A trial: 64 -> 64 channels, dense, on 64 pixels. */
const BLOCKS = 16;
const PIXELS = 64;
const TRIAL_BYTES = 1 << 16;
/** Milliseconds to spend; the optimising compiler needs most of them. */
const BUDGET_MS = 60;
/** `madd` must be this much faster to be taken. */
const CLEARLY = 0.92;

/**
 * Loads the int8 kernels: the build that is asked for, else the faster of `relaxed` and `madd` by measured time; without a clock `relaxed`;
 * `plain` where the host lacks relaxed SIMD.
 */
export async function chooseInt8(kernels: Kernels, arena: Arena, flavor?: Int8Flavor, now?: () => number): Promise<Int8Module> {
  if (flavor || !now || !hasRelaxedSimd()) return kernels.loadInt8(flavor);
  const base = arena.allocateZeroed(TRIAL_BYTES, "a trial of int8 kernels");
  const { i32 } = kernels.views();
  for (let b = 0; b < BLOCKS; b++) i32[base / 4 + b] = BLOCKS;
  const [w, x] = [base + 4096, base + 16384];
  const ys = PIXELS * 4;
  for (let e = 0; e < BLOCKS * BLOCKS; e++) i32[w / 4 + e * 5] = (e + 1) % BLOCKS === 0 ? -(BLOCKS - 1) * ys : ys;
  const args = {
    ...{ nb: BLOCKS, cnt: base, w, bias: base + 256, scale: base + 512, x, y: base + 32768, n: PIXELS, ys },
    ...{ lo: 0, hi: 127, zero: 0, r: 0, rs: 0, rz: 0 },
  };
  const least = { relaxed: Number.POSITIVE_INFINITY, madd: Number.POSITIVE_INFINITY };
  const start = now();
  while (now() - start < BUDGET_MS) {
    for (const build of ["relaxed", "madd"] as const) {
      await kernels.loadInt8(build);
      const from = now();
      for (let i = 0; i < 8; i++) callKernel(kernels, "q8_sp", args);
      least[build] = Math.min(least[build], now() - from);
    }
  }
  arena.free(base);
  return kernels.loadInt8(least.madd < CLEARLY * least.relaxed ? "madd" : "relaxed");
}
