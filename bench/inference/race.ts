/** Runs engines on one network, in turn, and compares what they give. */

import { sizeOf } from "../../src/core/index.js";
import { buildNetwork, exampleInput, type Subject, toChannelsLast } from "./network.js";
import type { EngineName, Peer, Runner } from "./peers/peer.js";

/** One process's work. */
export interface Job {
  readonly subject: Subject;
  readonly threads: number;
  readonly engines: readonly EngineName[];
  /** Milliseconds of measuring; at least MIN_ROUNDS rounds are taken. */
  readonly budget: number;
  /** Rounds instead of a time. */
  readonly rounds?: number | undefined;
}

/** What an engine did. */
export interface Result {
  readonly engine: EngineName;
  /** Milliseconds of each run; empty where it failed. */
  readonly samples: readonly number[];
  /** Milliseconds of CPU of each run, all threads together, where the host tells: on a busy machine they say more. */
  readonly cpu: readonly number[];
  /** See Runner. */
  readonly loadMs: number;
  /** Greatest difference from our dense plan's output, against the greatest output. */
  readonly difference: number;
  /** What is particular to it. */
  readonly note?: string | undefined;
  /** Why there are no samples. */
  readonly failed?: string;
}

/** What a job gives. */
export interface Outcome {
  readonly host: string;
  readonly results: readonly Result[];
  /** Bytes of our model file, and of the same network dense. */
  readonly bytes: { readonly file: number; readonly dense: number };
  readonly note?: string | undefined;
}

/** What an environment gives to `race`. */
export interface Host {
  readonly name: string;
  readonly engine: (name: EngineName) => Peer;
  /** Called when all are loaded: pins threads. */
  readonly loaded: () => string | undefined | Promise<string | undefined>;
  /** Milliseconds of CPU that this process has used. */
  readonly cpuMs?: () => number;
  readonly fileBytes: (network: ReturnType<typeof buildNetwork>) => number;
}

interface Lane {
  readonly engine: EngineName;
  readonly runner: Runner;
  readonly x: Float32Array;
  readonly samples: number[];
  readonly cpu: number[];
  difference: number;
  turns: number;
}

/** Milliseconds after which a job counts as hanging: some engines do, when their threads share a CPU. */
export const patience = ({ budget }: Job): number => 4 * budget + 90_000;

/** One engine's turn takes about this long, so that a slow one does not starve the rest. */
const TURN_MS = 12;
const WARM_UP = 6;
const MIN_ROUNDS = 5;
/** Above this share of the greatest output an engine computes something else. */
export const TOLERANCE = 1e-3;

/** Time to fall asleep, for threads that spin after their work. */
const rest = (): Promise<void> => new Promise((done) => setTimeout(done, 8));

function differenceOf(y: Float32Array, reference: Float32Array): number {
  if (y.length !== reference.length) return Number.POSITIVE_INFINITY;
  let [worst, top] = [0, 0];
  for (let i = 0; i < y.length; i++) {
    worst = Math.max(worst, Math.abs(y[i]! - reference[i]!));
    top = Math.max(top, Math.abs(reference[i]!));
  }
  return worst / top;
}

async function timed(lane: Lane): Promise<number> {
  const start = performance.now();
  await lane.runner.run(lane.x);
  return performance.now() - start;
}

/** Loads every engine, checks its output, then lets them run in turn. */
export async function race(job: Job, host: Host): Promise<Outcome> {
  const network = buildNetwork(job.subject);
  const x = exampleInput(sizeOf(network.inputShape));
  const xLast = toChannelsLast(x, network.inputShape);
  const reference = await host.engine("sparseland dense").load(network, 1);
  const expected = (await reference.run(x)).slice();
  await reference.close();
  const lanes: Lane[] = [];
  const failures: Result[] = [];
  for (const engine of job.engines) {
    try {
      const peer = host.engine(engine);
      const runner = await peer.load(network, job.threads);
      const lane: Lane = {
        engine,
        runner,
        x: peer.layout === "channels last" ? xLast : x,
        samples: [],
        cpu: [],
        difference: 0,
        turns: 1,
      };
      lane.difference = differenceOf(await runner.run(lane.x), runner.own?.expected ?? expected);
      if (!(lane.difference < (runner.own?.tolerance ?? TOLERANCE)))
        throw new Error(`its output differs by ${lane.difference.toExponential(1)} of the greatest`);
      lanes.push(lane);
    } catch (error) {
      const failed = (error instanceof Error ? error.message : String(error)).slice(0, 300);
      failures.push({ engine, samples: [], cpu: [], loadMs: 0, difference: Number.NaN, failed });
    }
  }
  const note = await host.loaded();
  for (const lane of lanes) {
    // The compilers of WebAssembly replace their first code after some runs.
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < WARM_UP; i++) least = Math.min(least, await timed(lane));
    lane.turns = Math.max(1, Math.round(TURN_MS / least));
  }
  const end = performance.now() + job.budget;
  const more = (round: number): boolean =>
    job.rounds === undefined ? round < MIN_ROUNDS || performance.now() < end : round < job.rounds;
  for (let round = 0; more(round); round++) {
    for (const lane of lanes) {
      for (let i = 0; i < lane.turns; i++) {
        const before = host.cpuMs?.() ?? 0;
        lane.samples.push(await timed(lane));
        if (host.cpuMs) lane.cpu.push(host.cpuMs() - before);
      }
      if (job.threads > 1) await rest();
    }
  }
  for (const { runner } of lanes) await runner.close();
  const dense = Object.values(network.params).reduce((sum, { data }) => sum + data.length * 4, 0);
  return {
    host: host.name,
    results: [
      ...lanes.map(({ engine, runner, samples, cpu, difference }) => ({
        ...{ engine, samples, cpu, loadMs: runner.loadMs, difference },
        ...(runner.own && { note: runner.own.note }),
      })),
      ...failures,
    ],
    bytes: { file: host.fileBytes(network), dense },
    ...(note === undefined ? {} : { note }),
  };
}
