/** A model against a dense one, timed in turns through sessions: what a user of the package gets by default. */
import type { Tree } from "../../src/core/index.js";
import type { Engine } from "../../src/engine/index.js";
import {
  createSession,
  type LayerTiming,
  layerTimes,
  type MeasuredTimings,
  type ModelFile,
  type Session,
  type SessionOptions,
  timeLayers,
} from "../../src/runtime/index.js";
import { fillersOf } from "./file.js";
import { timeInTurns } from "./timing.js";

/** Times of one batch size. */
export interface Against {
  readonly batch: number;
  /** Milliseconds per run: the least. */
  readonly ms: number;
  readonly denseMs: number;
  /** Medians of the same runs. */
  readonly medianMs: number;
  readonly denseMedianMs: number;
}

/**
 * Times a model and a dense one.
 *
 * @param file    run by default kernels: dense or sparse per layer, as measured
 * @param dense   run with dense kernels only; may be the same file
 * @param batches with the number of timed runs of each
 */
export async function against(
  engine: Engine,
  file: ModelFile,
  dense: ModelFile,
  batches: readonly { readonly batch: number; readonly runs: number }[],
  now: () => number,
): Promise<{
  readonly times: readonly Against[];
  readonly layers: readonly LayerTiming[];
  /** Milliseconds of each layer inside the plan of batch 1, one thread, of both. */
  readonly inPlan: { readonly own: Tree<number>; readonly dense: Tree<number> };
}> {
  // A session alone would stop timing a layer once the choice is clear; reports show both times.
  const timings: MeasuredTimings = new Map();
  const timed = timeLayers(engine, file.program, file.params, 1, now, timings);
  const open = (model: ModelFile, kernels: SessionOptions["kernels"] & string) =>
    createSession(model, { engine, kernels, now, timings });
  const sessions = [await open(file, "measured"), await open(dense, "dense")] as const;
  try {
    const times = batches.map(({ batch, runs }) => {
      const candidates = [file, dense].map((model, i) => {
        const inputs = fillersOf(model, batch);
        return { run: () => sessions[i]!.run(inputs) };
      });
      const [own, base] = timeInTurns(candidates, runs, now);
      return { batch, ms: own!.least, denseMs: base!.least, medianMs: own!.median, denseMedianMs: base!.median };
    });
    return { times, layers: timed, inPlan: layersInTurns(sessions, now) };
  } finally {
    for (const session of sessions) session.close();
  }
}

/** Turns in which both networks' layers are timed, and runs of each a turn. */
const [TURNS, RUNS] = [12, 10];

/** Least times of the layers of both networks inside their plans, a few runs of one and then of the other: clocks change. */
function layersInTurns(sessions: readonly [Session, Session], now: () => number): { own: Tree<number>; dense: Tree<number> } {
  const least: [Record<string, number>, Record<string, number>] = [{}, {}];
  for (let turn = 0; turn < TURNS; turn++) {
    sessions.forEach((session, i) => {
      for (const [path, ms] of Object.entries(layerTimes(session.plan(1), now, RUNS)))
        least[i]![path] = Math.min(least[i]![path] ?? Number.POSITIVE_INFINITY, ms);
    });
  }
  return { own: least[0], dense: least[1] };
}
