/** Which build of the int8 kernels is faster on this machine: all give the same bits, so the choice moves time only. */
import { tickOf } from "./clock.js";
import type { Int8Module, Kernels } from "./loader.js";
import { hasRelaxedSimd } from "./loader.js";
import type { Arena } from "./memory.js";
import { callKernel } from "./plan-writer.js";
import type { Int8Flavor } from "./templates/int8/arithmetic.js";

/** A trial: 64 -> 64 channels, dense, on 64 pixels. */
const BLOCKS = 16;
const PIXELS = 64;
const TRIAL_BYTES = 1 << 16;
/** `madd` must be this much faster to be taken. */
const CLEARLY = 0.97;

/** Milliseconds that the optimising compiler gets, and that the comparison takes after them. */
const [WARM_MS, COMPARE_MS] = [45, 30];
/** Steps of the clock that a row of calls takes at least. */
const STEPS = 40;
/** Rows of each side after the warming: the least, and the most of a clock that stands still. */
const [LEAST_ROWS, MOST_ROWS] = [3, 400];
/** Calls of a row on a fine clock. */
const CALLS = 8;

/** One side of a comparison. */
export interface Trial {
  /** Called before each row of calls. */
  prepare(): unknown;
  call(): void;
}

/**
 * Least milliseconds of one call of each trial, in rows of calls that take turns. A row is as long as the clock needs to tell it: browsers
 * round theirs to 5 or 100 microseconds.
 */
export async function leastTimes(now: () => number, trials: readonly Trial[]): Promise<number[]> {
  const least = trials.map(() => Number.POSITIVE_INFINITY);
  const enough = STEPS * tickOf(now);
  let calls = CALLS;
  const start = now();
  for (let rows = 0, timed = 0; rows < MOST_ROWS; rows++) {
    const warm = now() - start >= WARM_MS;
    let shortest = Number.POSITIVE_INFINITY;
    for (const [i, { prepare, call }] of trials.entries()) {
      await prepare();
      const from = now();
      for (let c = 0; c < calls; c++) call();
      const ms = now() - from;
      shortest = Math.min(shortest, ms);
      if (warm) least[i] = Math.min(least[i]!, ms / calls);
    }
    if (shortest < enough) {
      // What was timed in rows that were too short does not count.
      calls *= 2;
      timed = 0;
      least.fill(Number.POSITIVE_INFINITY);
    } else if (warm && ++timed >= LEAST_ROWS && now() - start >= WARM_MS + COMPARE_MS) break;
  }
  return least;
}

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
  const trial = (build: Int8Flavor): Trial => ({
    prepare: () => kernels.loadInt8(build),
    call: () => callKernel(kernels, "q8_sp", args),
  });
  const [relaxed, madd] = (await leastTimes(now, [trial("relaxed"), trial("madd")])) as [number, number];
  arena.free(base);
  return kernels.loadInt8(madd < CLEARLY * relaxed ? "madd" : "relaxed");
}
