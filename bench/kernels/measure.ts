/** Times kernels against the machine's roofline, in interleaved rounds. */
import { type Arena, encode, type Instruction, PEAK_SUMS } from "../../src/kernels/index.js";

/** One line of a benchmark's table. */
export interface Row {
  readonly name: string;
  readonly threads: number;
  /** Least time of the kernel. */
  readonly sparselandMs: number;
  readonly peer: string;
  /** Time that the peer needs for the same useful work. */
  readonly peerMs: number;
  /** sparselandMs / peerMs: below 1 is faster than the peer. */
  readonly ratio: number;
}

/** Something to time: instructions to run, and the useful floating-point operations in them. */
export interface Case {
  readonly name: string;
  readonly code: readonly Instruction[];
  readonly flops: number;
}

/** Turns of the roofline loop in one sample (about 50 us). */
const PEAK_TURNS = 40000;
const PEAK_FLOPS = PEAK_TURNS * PEAK_SUMS * 8;

/** Writes instructions to memory. @returns a function that runs them */
export function prepare(arena: Arena, code: readonly Instruction[], scratch: number): () => void {
  const { exports } = arena.kernels;
  const bytes = code.reduce((sum, { words }) => sum + words.byteLength, 0);
  const at = arena.allocate(bytes, "benchmark code");
  let pc = at;
  for (const { words } of code) {
    arena.kernels.views().u32.set(words, pc / 4);
    pc += words.byteLength;
  }
  return () => exports.exec(at, at + bytes, scratch);
}

function sample(run: () => void, turns: number): number {
  const start = performance.now();
  for (let i = 0; i < turns; i++) run();
  return (performance.now() - start) / turns;
}

/**
 * Times every case in turn, round after round, with the roofline loop in between.
 *
 * @param ms about how long one sample of one case takes
 * @returns a row a case: least time against the least time of as many roofline operations
 */
export function race(arena: Arena, cases: readonly Case[], scratch: number, rounds = 9, ms = 4): Row[] {
  const out = arena.allocate(64);
  const peak = prepare(arena, [encode("peak", { n: PEAK_TURNS, out })], 0);
  const entries = cases.map(({ name, code, flops }) => {
    const run = prepare(arena, code, scratch);
    const first = sample(run, 1);
    const warm = sample(run, Math.min(50, 1 + Math.ceil(ms / Math.max(first, 1e-4))));
    return { name, flops, run, turns: Math.max(1, Math.round(ms / Math.max(warm, 1e-4))), best: Number.POSITIVE_INFINITY };
  });
  let peakBest = sample(peak, 50);
  for (let round = 0; round < rounds; round++) {
    peakBest = Math.min(peakBest, sample(peak, 10));
    for (const entry of entries) entry.best = Math.min(entry.best, sample(entry.run, entry.turns));
  }
  return entries.map(({ name, flops, best }) => {
    const peerMs = (peakBest * flops) / PEAK_FLOPS;
    return { name, threads: 1, sparselandMs: best, peer: "peak", peerMs, ratio: best / peerMs };
  });
}

/** A short form for people: microseconds, GFLOPS and percent of the roofline. */
export function describeRow(row: Row, flops: number): string {
  const us = (row.sparselandMs * 1e3).toFixed(1).padStart(9);
  const rate = (flops / row.sparselandMs / 1e6).toFixed(1).padStart(6);
  return `${row.name.padEnd(44)} ${us} us ${rate} GF ${(100 / row.ratio).toFixed(0).padStart(4)} % of peak`;
}
