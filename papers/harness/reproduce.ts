/** Measures a paper's claims: plans jobs, measures those not yet cached, judges, returns the result. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { writeWhole } from "../../src/core/files.node.js";
import { InputError } from "../../src/core/index.js";
import { codeHash } from "./code-hash.js";
import { contentHash, requirePlain } from "./json.js";
import { thisMachine } from "./machine.js";
import type { Executor } from "./pool.js";
import type { Claim, ClaimResult, Job, Measured, Outcome, Paper, PaperResult, Scale, Verdict } from "./types.js";

/** How a paper is measured. */
export interface ReproduceOptions {
  readonly paper: Paper;
  /** The paper's file: its code is part of what identifies a measurement. */
  readonly file: string;
  readonly scale: Scale;
  readonly seeds: readonly number[];
  /** Threads of each job. */
  readonly threads: number;
  readonly dataFolder: string;
  /** Where finished measurements are kept: `<cache>/<slug>/<hash>.json`. */
  readonly cache: string;
  readonly executor: Executor;
  readonly onProgress?: (progress: Progress) => void;
}

/** What is going on. */
export type Progress =
  | { readonly type: "batch"; readonly jobs: number; readonly cached: number }
  | { readonly type: "job"; readonly id: string; readonly fraction: number; readonly words: string | undefined }
  | { readonly type: "done"; readonly id: string; readonly cached: boolean };

/** What judges does not measure: claims, prose and this harness do not make a measurement stale. */
export const judgesOnly = (path: string): boolean => /\/papers\/harness\/|\/claims\.[jt]s$/.test(path);

/** A finished measurement on disk. */
interface Kept {
  readonly id: string;
  readonly config: unknown;
  readonly result: unknown;
}

/** What a file of the cache holds for a job; undefined, so that it is measured again, when it is damaged or another job's. */
export function keptResult(text: string, job: Job<unknown>): { readonly result: unknown } | undefined {
  try {
    const kept = JSON.parse(text) as Kept;
    if (contentHash(kept.config) !== contentHash(job.config) || kept.result === undefined) return undefined;
    requirePlain(kept.result, "result");
    return { result: kept.result };
  } catch {
    return undefined;
  }
}

const readKept = (path: string, job: Job<unknown>) => (existsSync(path) ? keptResult(readFileSync(path, "utf8"), job) : undefined);

/** Runs `work` over items, at most `size` at once; stops handing out after the first failure and throws it. */
async function sideBySide<T, R>(items: readonly T[], size: number, work: (item: T) => Promise<R>): Promise<R[]> {
  const out = new Array<R>(items.length);
  let next = 0;
  let failure: { error: unknown } | undefined;
  const lane = async () => {
    while (next < items.length && !failure) {
      const at = next++;
      try {
        out[at] = await work(items[at]!);
      } catch (error) {
        failure ??= { error };
      }
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, Math.min(size, items.length)) }, lane));
  if (failure) throw failure.error;
  return out;
}

/** All outcomes of a paper, in the order in which `run` yielded the jobs. */
export async function measureOutcomes(options: ReproduceOptions): Promise<Outcome<unknown, unknown>[]> {
  const { paper, file, scale, seeds, threads, dataFolder, cache, executor, onProgress = () => {} } = options;
  const code = codeHash(file, judgesOnly);
  const keep = (job: Job<unknown>) => join(cache, paper.slug, `${contentHash({ code, config: job.config })}.json`);
  const ids = new Set<string>();
  const outcomes: Outcome<unknown, unknown>[] = [];
  const generator = paper.run({ scale, seeds });
  for (let step = await generator.next([]); !step.done; ) {
    const batch = step.value;
    for (const { id, config } of batch) {
      if (!/^[\w.-]+$/.test(id))
        throw new InputError(`${paper.slug}: job id ${JSON.stringify(id)}: expected letters, digits, . _ -`);
      if (ids.has(id)) throw new InputError(`${paper.slug}: two jobs are called ${id}`);
      requirePlain(config, `${paper.slug}: config of job ${id}`);
      ids.add(id);
    }
    const cached = new Map(batch.map((job) => [job.id, readKept(keep(job), job)]));
    onProgress({ type: "batch", jobs: batch.length, cached: [...cached.values()].filter(Boolean).length });
    const done = await sideBySide(batch, paper.timing || batch.some(({ timing }) => timing) ? 1 : executor.size, async (job) => {
      const kept = cached.get(job.id);
      if (kept) {
        onProgress({ type: "done", id: job.id, cached: true });
        return { ...job, result: kept.result };
      }
      try {
        const result = await executor.run({ file, config: job.config, threads, dataFolder }, (fraction, words) =>
          onProgress({ type: "job", id: job.id, fraction, words }),
        );
        requirePlain(result, "result");
        writeWhole(keep(job), JSON.stringify({ id: job.id, config: job.config, result }));
        onProgress({ type: "done", id: job.id, cached: false });
        // As JSON reads it: a fresh measurement and a cached one look the same to the claims.
        return { ...job, result: JSON.parse(JSON.stringify(result)) as unknown };
      } catch (error) {
        if (error instanceof Error) error.message = `${paper.slug}: job ${job.id}: ${error.message}`;
        throw error;
      }
    });
    outcomes.push(...done);
    step = await generator.next(done);
  }
  return outcomes;
}

/** The verdict on one measured claim. */
export function verdictOf(claim: Claim, measured: Measured, all: Readonly<Record<string, Measured>>): Verdict {
  if (claim.passes(measured, all)) return claim.atMost ?? "reproduced";
  return claim.direction?.(measured, all) ? "direction only" : "not reproduced";
}

/** Judges outcomes. @throws InputError when a claim measures something that is not finite, or outside its own interval */
export function judge(paper: Paper, outcomes: readonly Outcome<unknown, unknown>[]): ClaimResult[] {
  const all: Record<string, Measured> = {};
  for (const claim of paper.claims) {
    const measured = claim.measure(outcomes);
    const { value, low, high } = measured;
    if (![value, low, high].every(Number.isFinite) || low > value || high < value) {
      throw new InputError(
        `${paper.slug}: claim ${JSON.stringify(claim.says)}: measured ${value} in [${low}, ${high}], expected finite numbers in order`,
      );
    }
    all[claim.says] = measured;
  }
  return paper.claims.map((claim) => {
    const { value, low, high, note } = all[claim.says]!;
    const verdict = verdictOf(claim, all[claim.says]!, all);
    const { says, where, paper: number, unit, scale } = claim;
    return {
      says,
      where,
      paper: number,
      measured: value,
      low,
      high,
      unit,
      verdict,
      scale,
      ...(note === undefined ? {} : { note }),
    };
  });
}

/** Measures and judges a paper. */
export async function reproduce(
  options: ReproduceOptions,
): Promise<{ result: PaperResult; outcomes: Outcome<unknown, unknown>[] }> {
  const { paper, scale, seeds } = options;
  const outcomes = await measureOutcomes(options);
  const claims = judge(paper, outcomes);
  const { slug, title, arxiv } = paper;
  const tables = paper.tables?.(outcomes) ?? [];
  return {
    outcomes,
    result: {
      slug,
      title,
      arxiv,
      scale,
      setting: paper.settings[scale],
      seeds,
      machine: thisMachine(),
      claims,
      tables,
      figure: paper.figure ? `${slug}.svg` : null,
    },
  };
}
