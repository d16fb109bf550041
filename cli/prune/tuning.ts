/** Fine-tuning of a pruned network on the command line: progress with the time that is left, a checkpoint after every epoch, going on. */
import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { removeLeftovers, writeWhole } from "../../src/core/files.node.js";
import { FormatError, InputError, type Tensor, type Tree } from "../../src/core/index.js";
import { fingerprint } from "../../src/data/index.js";
import { type FineTuneOptions, fineTune, type TrainEvent, type Trained } from "../../src/train/index.js";
import { percent } from "../report/html.js";

/** Where a fine-tuning that is under way keeps its last finished epoch. */
export const checkpointPath = (folder: string): string => join(folder, "checkpoint.safetensors");

/** What the fine-tuning uses of the world. */
export interface TuningContext {
  /** The output folder; holds the checkpoint until `forgetCheckpoint`. */
  readonly folder: string;
  readonly progress: (done: number, total: number, words: string) => void;
  readonly log: (line: string) => void;
}

/** Lets bars draw and signals arrive. */
const breathe = () => new Promise<void>((done) => setImmediate(done));

/** `45 s`, `3 min`, `2 h 05 min`. */
export function duration(seconds: number): string {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}

/** One name for the network that is tuned, its options and its data. */
function labelOf(params: Tree<Tensor>, options: Readonly<Record<string, unknown>>, data: readonly string[]): string {
  const hash = createHash("sha256").update(JSON.stringify([options, data]));
  for (const [path, { shape, data: values }] of Object.entries(params))
    hash.update(`${path}:${shape.join()};`).update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  return hash.digest("hex");
}

/** Takes the checkpoint away: the result is written. */
export const forgetCheckpoint = (folder: string): void => rmSync(checkpointPath(folder), { force: true });

/**
 * Fine-tunes. Stopped in between (Ctrl-C, kill, power cut), the same call goes on after the last finished epoch and ends with the
 * numbers of an unbroken run.
 * @param settings the options of the command: they, the weights and the data say which run a checkpoint belongs to
 * @throws InputError when the folder holds the checkpoint of another run
 */
export async function tune(
  options: Omit<FineTuneOptions, "resume" | "label">,
  settings: Readonly<Record<string, unknown>>,
  { folder, progress, log }: TuningContext,
): Promise<Trained> {
  const { train, test, epochs, now } = options;
  const path = checkpointPath(folder);
  if (existsSync(folder)) removeLeftovers(folder);
  const resume = existsSync(path) ? new Uint8Array(readFileSync(path)) : undefined;
  // Threads decide no bit of the result, and the data speak for the limit.
  const { threads: _, limit: __, ...deciding } = settings;
  const label = labelOf(options.params, deciding, [fingerprint(train), fingerprint(test)]);
  const perEpoch = Math.max(1, Math.floor(train.count / (options.batchSize ?? 128)));
  let first: { readonly step: number; readonly at: number } | undefined;
  const left = (step: number): string => {
    first ??= { step, at: now() };
    const each = (now() - first.at) / 1000 / (step - first.step);
    return step > first.step ? `, about ${duration(each * (epochs * perEpoch - step))} left` : "";
  };
  const tell = (event: TrainEvent): void => {
    if (event.kind === "step") {
      const { step, steps, loss } = event;
      progress(step, steps, `fine-tuning: step ${step} of ${steps}, loss ${loss.toFixed(3)}${left(step)}`);
      return;
    }
    const { epoch, trainLoss, testAccuracy, sparsity } = event.point;
    // The checkpoint first: a line that stands in the log is an epoch that is kept.
    writeWhole(path, event.checkpoint());
    log(
      `epoch ${epoch} of ${epochs}: loss ${trainLoss.toFixed(3)}, accuracy ${percent(testAccuracy)}, sparsity ${percent(sparsity, 1)}${epoch < epochs ? left(epoch * perEpoch) : ""}`,
    );
  };
  const run = fineTune({ ...options, resume, label });
  let next: IteratorResult<TrainEvent, Trained>;
  try {
    next = await run.next();
  } catch (error) {
    if (!(resume && error instanceof FormatError)) throw error;
    throw new InputError(
      `${path}: no checkpoint of this run (${error.message}); give the options that it was started with to go on, or delete it to begin anew`,
    );
  }
  if (resume) {
    const done = next.done ? epochs : next.value.kind === "step" ? next.value.epoch : next.value.point.epoch - 1;
    log(`going on after epoch ${done} of ${epochs}`);
  }
  for (; !next.done; next = await run.next()) {
    tell(next.value);
    await breathe();
  }
  return next.value;
}
