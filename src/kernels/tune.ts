/**
 * Which register tile is fastest here. Every tile gives the same bits (in the plain flavour; the same up to rounding in the relaxed one),
 * so the choice moves time only. Compilers differ: some spill registers on tiles that others hold.
 */
import type { KernelName, Kernels } from "./loader.js";
import type { Arena } from "./memory.js";
import { encode, type Instruction } from "./plan-writer.js";
import { GEMM_SCRATCH } from "./templates/sizes.js";

/** The unstructured SpMM kernels to choose from. */
export const SP1_KERNELS = ["sp1_16", "sp1_24", "sp1_28", "sp1_32"] as const satisfies readonly KernelName[];
/** The dense product kernels to choose from. */
export const GEMM_KERNELS = ["gemm_4x8", "gemm_5x8", "gemm_6x8"] as const satisfies readonly KernelName[];

/** The chosen tiles. */
export interface Tiles {
  readonly sp1: (typeof SP1_KERNELS)[number];
  readonly gemm: (typeof GEMM_KERNELS)[number];
  /** The kernel for n floats of a frozen unstructured pattern, on input that is not copied together first. Default "sp1d_28". */
  readonly walk?: (n: number) => "sp1d_28" | "sp1d_32";
}

/** What `tune` found. */
export interface Tuned extends Tiles {
  /** False where the optimising compiler was not done within the budget: then the tiles are `defaultTiles`. */
  readonly measured: boolean;
  /** Least milliseconds of each kernel on the trial problem. */
  readonly times: Readonly<Partial<Record<KernelName, number>>>;
}

/** Tiles that were measured to be safe: fused multiply-add frees the registers that 6x8 needs; plain 4x8 holds all of a step's operands. */
export function defaultTiles(kernels: Kernels): Tiles {
  return { sp1: "sp1_28", gemm: kernels.flavor === "relaxed" ? "gemm_6x8" : "gemm_4x8", walk };
}

/** Widths of strips. */
const WIDTHS = [32, 28, 24, 16, 8, 4] as const;
/** Strips of 32 floats fill two cache lines, those of 28 reach into two and a half: they may take this much more. */
const SLACK = 1.02;

/** Instructions that an entry takes for n floats in strips of `widest`: three a vector, and seven a strip. */
function instructions(n: number, widest: number): number {
  const strip = (width: number) => (width * 3) / 4 + 7;
  const rest = n % widest;
  return Math.floor(n / widest) * strip(widest) + (rest ? strip(WIDTHS.findLast((width) => width >= rest)!) : 0);
}

const walk = (n: number) => (instructions(n, 32) <= instructions(n, 28) * SLACK ? "sp1d_32" : "sp1d_28");

/** Options of `tune`. */
export interface TuneOptions {
  /** A clock in milliseconds, finer than a tenth of one. */
  readonly now: () => number;
  /** Most milliseconds to spend, 0 or more. Default 60: the optimising compiler needs most of them. */
  readonly budget?: number | undefined;
  /** Takes this tile without measuring. */
  readonly sp1?: Tiles["sp1"] | undefined;
  /** Takes this tile without measuring. */
  readonly gemm?: Tiles["gemm"] | undefined;
}

/** A tile must be this much faster than the default to replace it. */
const MARGIN = 0.98;
/** The first runs show how fast unoptimised code is. */
const FIRST_RUNS = 6;
/** A kernel counts as optimised once it ran this many times faster than the best of its first runs... */
const SPEEDUP = 1.7;
/** ...or after this many runs: then it was optimised before. */
const RUNS = 1200;

/** 16 rows of 24 entries on strips of 224 floats: a multiple of 16, 28 and 32, and for 24 nearly. */
function spmmTrial(arena: Arena, kernel: KernelName, blocks: number[]): Instruction {
  const [rows, entries, n] = [16, 24, 224];
  const keep = (at: number) => {
    blocks.push(at);
    return at;
  };
  const idx = keep(arena.put(Int32Array.from({ length: rows * entries }, (_, i) => ((i * 7) % entries) * n * 4)));
  const cnt = keep(arena.put(new Int32Array(rows).fill(entries)));
  const w = keep(arena.put(new Float32Array(rows * entries).fill(0.5)));
  const x = keep(arena.allocateZeroed(entries * n * 4));
  const y = keep(arena.allocateZeroed(rows * n * 4));
  const free = { lo: Number.NEGATIVE_INFINITY, hi: Number.POSITIVE_INFINITY };
  return encode(kernel, { nb: rows, cnt, idx, w, bias: 0, x, y, n, ys: n * 4, acc: 0, shared: 0, ...free });
}

/** 60 x 48 x 48: whole tiles of 4, 5 and 6 rows. */
function gemmTrial(arena: Arena, kernel: KernelName, blocks: number[]): Instruction {
  const [m, n, k] = [60, 48, 48];
  const [a, b, c] = [m * k, k * n, m * n].map((size) => arena.allocateZeroed(size * 4)) as [number, number, number];
  blocks.push(a, b, c);
  const strides = { rsa: k * 4, csa: 4, rsb: n * 4, csb: 4, ldc: n * 4 };
  const free = { lo: Number.NEGATIVE_INFINITY, hi: Number.POSITIVE_INFINITY };
  return encode(kernel, { m, n, k, a, b, c, ...strides, acc: 0, bias: 0, biasMode: 0, ...free });
}

/**
 * Times the tiles on small problems, in turn, until the compiler has optimised all of them or the budget is spent.
 *
 * @param arena   memory for the trials; all of it is freed again
 * @param options a clock, a budget, and tiles that are settled already
 */
export function tune(arena: Arena, options: TuneOptions): Tuned {
  const { now, budget = 60 } = options;
  const { kernels } = arena;
  const defaults = defaultTiles(kernels);
  const names: KernelName[] = [...(options.sp1 ? [] : SP1_KERNELS), ...(options.gemm ? [] : GEMM_KERNELS)];
  const blocks: number[] = [];
  const scratch = arena.allocate(GEMM_SCRATCH, "tuning");
  blocks.push(scratch);
  const trials = names.map((name) => {
    const { words } = name.startsWith("sp") ? spmmTrial(arena, name, blocks) : gemmTrial(arena, name, blocks);
    const at = arena.put(words);
    blocks.push(at);
    return { name, at, end: at + words.byteLength, first: Number.POSITIVE_INFINITY, best: Number.POSITIVE_INFINITY, runs: 0 };
  });
  const settled = () => trials.every(({ first, best, runs }) => runs >= RUNS || (runs > FIRST_RUNS && best * SPEEDUP < first));
  const start = now();
  while (trials.length && now() - start < budget && !settled()) {
    for (const trial of trials) {
      const from = now();
      kernels.exports.exec(trial.at, trial.end, scratch);
      const ms = now() - from;
      if (trial.runs++ < FIRST_RUNS) trial.first = Math.min(trial.first, ms);
      trial.best = Math.min(trial.best, ms);
    }
  }
  const measured = settled();
  for (const at of blocks) arena.free(at);
  const times = Object.fromEntries(trials.map(({ name, best }) => [name, best])) as Partial<Record<KernelName, number>>;
  const pick = <T extends KernelName>(list: readonly T[], fallback: T): T => {
    if (!measured) return fallback;
    const best = list.reduce((a, b) => (times[b]! < times[a]! ? b : a));
    return times[best]! < times[fallback]! * MARGIN ? best : fallback;
  };
  return {
    sp1: options.sp1 ?? pick(SP1_KERNELS, defaults.sp1),
    gemm: options.gemm ?? pick(GEMM_KERNELS, defaults.gemm),
    walk,
    measured,
    times,
  };
}
