/** The engine: kernels, memory and threads, and the plans that run on them. */
import { type AnyTensor, InputError, requireInteger, type Tree } from "../core/index.js";
import {
  Arena,
  announceModule,
  chooseInt8,
  createPool,
  defaultTiles,
  GEMM_SCRATCH,
  type Int8Flavor,
  type Kernels,
  type LoadOptions,
  loadKernels,
  type Pool,
  type Tiles,
  tune,
  WINOGRAD_SCRATCH,
  WINOGRAD_SINGLE_SCRATCH,
  writePlan,
} from "../kernels/index.js";
import type { ParamSpec, Program } from "../program/index.js";
import { type Compiled, compileProgram } from "./compile.js";
import type { Int8Param } from "./int8-param.js";
import type { Live } from "./live.js";
import { ParamStore } from "./params.js";
import { createPlan, type Plan } from "./plan.js";

/** Options of `createEngine`. */
export interface EngineOptions {
  /** Threads, this one included; default 1. Fewer are used where memory cannot be shared. */
  readonly threads?: number | undefined;
  /** Kernel build: `plain` gives the same bits everywhere; `relaxed` fuses multiply and add where the host can. Default `plain`. */
  readonly flavor?: LoadOptions["flavor"];
  /** A clock in milliseconds: the tile variants of the main kernels are timed at start (about 60 ms). Without it: tiles known to be safe. */
  readonly now?: (() => number) | undefined;
}

/** Options of `compile`. */
export interface CompileOptions {
  /** Params do not change between runs: weights are packed once. For inference. Default false. */
  readonly frozen?: boolean;
  /** Winograd for dense 3x3 convolutions (bounded, not bit-exact against the direct sum). Default true. */
  readonly winograd?: boolean;
}

/** Kernels, memory, threads. Close it to stop its threads. */
export interface Engine {
  readonly kernels: Kernels;
  readonly threads: number;
  readonly flavor: "plain" | "relaxed";
  /** Params in the engine's memory; see ParamStore. */
  params(specs: Tree<ParamSpec>, initial?: Tree<AnyTensor | Live | Int8Param>): ParamStore;
  /**
   * Loads the int8 kernels, once: programs with int8 operations need them. All builds give the same bits.
   * @param flavor default: one with products of relaxed SIMD where the host has it, the faster of two where there is a clock
   * @param now    a clock in milliseconds; default the engine's
   */
  enableInt8(flavor?: Int8Flavor, now?: () => number): Promise<void>;
  /** Compiles a program over params. @throws InputError when they do not fit, lie in another engine, or memory is exhausted */
  compile(program: Program, params: ParamStore, options?: CompileOptions): Plan;
  /** Bytes in use, and the most that ever were. */
  memory(): { used: number; peak: number };
  close(): void;
}

const SCRATCH = Math.max(GEMM_SCRATCH, WINOGRAD_SCRATCH, WINOGRAD_SINGLE_SCRATCH) + 4096;

/**
 * Starts an engine.
 * @throws OptionError for options out of range; InputError when a thread does not start
 */
export async function createEngine(options: EngineOptions = {}): Promise<Engine> {
  const threads = requireInteger("createEngine.threads", options.threads ?? 1, 1, 256);
  const kernels = await loadKernels({ flavor: options.flavor ?? "plain" });
  const arena = new Arena(kernels);
  const pool: Pool = await createPool(kernels, threads);
  const scratch = arena.allocate(SCRATCH * pool.threads, "scratch");
  const tiles: Tiles = options.now ? tune(arena, { now: options.now }) : defaultTiles(kernels);

  let enabled: Promise<void> | undefined;
  let closed = false;
  const open = (use: string): void => {
    if (closed) throw new InputError(`engine: ${use} after close`);
  };

  return {
    kernels,
    threads: pool.threads,
    flavor: kernels.flavor,
    params(specs, initial) {
      open("params");
      return new ParamStore(arena, specs, initial);
    },
    enableInt8(flavor, now = options.now) {
      enabled ??= chooseInt8(kernels, arena, flavor, now).then(({ bytes }) => {
        if (pool.threads === 1) return;
        const address = arena.allocate(bytes.length, "int8 kernels");
        kernels.views().u8.set(bytes, address);
        announceModule(kernels, address, bytes.length);
      });
      return enabled;
    },
    compile(program, params, { frozen = false, winograd = true } = {}) {
      open("compile");
      if (!params.isIn(arena))
        throw new InputError("engine.compile: the params lie in another engine's memory; make them with engine.params of this one");
      const owned: number[] = [];
      const release = () => {
        for (const address of owned.splice(0)) arena.free(address);
      };
      const host = {
        options: { threads: pool.threads, tiles, winograd, frozen, int8: kernels.int8?.flavor },
        reserve(bytes: number, label: string) {
          const address = arena.allocateZeroed(bytes, label);
          owned.push(address);
          return address;
        },
        memory: () => kernels.views(),
      };
      try {
        const compiled: Compiled = compileProgram(program, params, host, frozen);
        return createPlan(compiled, params, {
          kernels,
          arena,
          release,
          run(plan, alone) {
            open("run of a plan");
            pool.run(plan, scratch, SCRATCH, alone);
          },
          scratch: () => scratch,
          write: (phases, placed) => writePlan(arena, phases, placed),
        });
      } catch (error) {
        release();
        throw error;
      }
    },
    memory: () => ({ used: arena.used, peak: arena.peak }),
    close() {
      closed = true;
      pool.close();
    },
  };
}
