/** Batch-norm re-estimation: running statistics of a changed network, taken anew from data. */
import type { Tensor, Tree } from "../../core/index.js";
import { tensor } from "../../core/index.js";
import type { Engine } from "../../engine/index.js";
import { atBatch, type BatchProgram, type Operation, type Program, tapProgram, type ValueType } from "../../program/index.js";
import type { Calibration } from "./calibration.js";
import { storeOf } from "./calibration.js";

interface Norm {
  readonly operation: number;
  readonly mean: string;
  readonly variance: string;
}

/** Normalisations with running statistics that are params. */
export function normsOf(program: Program): Norm[] {
  const paths = new Map(Object.entries(program.params).map(([path, p]) => [p.value, path]));
  return program.operations.flatMap(({ op, inputs }, operation) => {
    if (op !== "batchNormInference") return [];
    const [mean, variance] = [paths.get(inputs[3]!), paths.get(inputs[4]!)];
    return mean === undefined || variance === undefined ? [] : [{ operation, mean, variance }];
  });
}

/** The program with batch statistics instead of running ones; each batch's statistics are outputs `mean:<path>`, `variance:<path>`. */
function withBatchStatistics(program: Program, norms: readonly Norm[]): Program {
  const values: ValueType[] = [...program.values];
  const operations: Operation[] = [...program.operations];
  const outputs: Record<string, number> = {};
  for (const { operation, mean, variance } of norms) {
    const { inputs, outputs: made, attrs } = program.operations[operation]!;
    const channels = program.values[inputs[1]!]!.shape;
    const [m, v] = [values.push({ shape: channels, dtype: "f32" }) - 1, values.push({ shape: channels, dtype: "f32" }) - 1];
    operations[operation] = { op: "batchNorm", inputs: inputs.slice(0, 3), outputs: [made[0]!, m, v], attrs };
    outputs[`mean:${mean}`] = m;
    outputs[`variance:${variance}`] = v;
  }
  return tapProgram({ ...program, values, operations }, outputs);
}

/** Mean and variance of each normalisation's input over all batches, by the path of the running one. */
type Statistics = ReadonlyMap<string, Float64Array>;

/** The network runs with batch statistics; means are averaged over the batches, and variances with M / (M - 1). */
function statisticsOf(
  engine: Engine,
  sized: Program,
  norms: readonly Norm[],
  params: Tree<Tensor>,
  { batches }: Calibration,
): Statistics {
  const looked = withBatchStatistics(sized, norms);
  const store = storeOf(engine, looked, params);
  const plan = engine.compile(looked, store);
  const sums = new Map<string, Float64Array>();
  try {
    const names = Object.keys(looked.inputs);
    for (const batch of batches) {
      const found = plan.run(Object.fromEntries(names.map((name) => [name, batch[name]!])));
      for (const { operation, mean, variance } of norms) {
        const x = sized.values[sized.operations[operation]!.inputs[0]!]!.shape;
        const each = x.reduce((a, b) => a * b, 1) / x[1]!;
        accumulate(sums, mean, found[`mean:${mean}`]!.data, 1 / batches.length);
        accumulate(sums, variance, found[`variance:${variance}`]!.data, each / Math.max(1, each - 1) / batches.length);
      }
    }
  } finally {
    plan.close();
    store.close();
  }
  return sums;
}

function accumulate(sums: Map<string, Float64Array>, path: string, data: Float32Array, scale: number): void {
  const sum = sums.get(path) ?? new Float64Array(data.length);
  for (let i = 0; i < data.length; i++) sum[i]! += scale * data[i]!;
  sums.set(path, sum);
}

/** Variances of channels that the calibration data leave still: their quotients say nothing. */
const STILL = 1e-12;

/**
 * Running statistics of a network whose weights have changed, from calibration data; weights stay. With the params from before the change, the old
 * statistics move as those of the calibration data move, so that what sets these data apart from the training data, and chance, cancel:
 *
 *     mean' = mean + m(now) - m(before),   var' = var v(now) / v(before),
 *     m, v = averages over the batches of mean(batch) and of var(batch) M / (M - 1), the network running with batch statistics
 *
 * Without them (channels were cut, the layers have other shapes) mean' = m(now) and var' = v(now).
 *
 * @param calibration batches of a few dozen examples or more; the more, the better the estimate
 * @param before      params of the same program, with the running statistics that belong to them
 * @returns the params with new statistics, and how many normalisations were re-estimated (0: the model has none, or they are folded)
 */
export function reestimateBatchNorm(
  engine: Engine,
  program: BatchProgram,
  params: Tree<Tensor>,
  calibration: Calibration,
  before?: Tree<Tensor>,
): { params: Tree<Tensor>; count: number } {
  const sized = atBatch(program, calibration.batchSize);
  const norms = normsOf(sized);
  if (norms.length === 0) return { params, count: 0 };
  const now = statisticsOf(engine, sized, norms, params, calibration);
  const then = before && statisticsOf(engine, sized, norms, before, calibration);
  const next: Record<string, Tensor> = { ...params };
  const put = (path: string, moved: (old: number, now: number, then: number) => number) => {
    const [found, earlier] = [now.get(path)!, then?.get(path)];
    const old = before?.[path]?.data;
    const data = earlier && old ? found.map((value, i) => moved(old[i]!, value, earlier[i]!)) : found;
    next[path] = tensor(params[path]!.shape, Float32Array.from(data));
  };
  for (const { mean, variance } of norms) {
    put(mean, (old, m, before) => old + m - before);
    put(variance, (old, v, before) => (before > STILL ? (old * v) / before : v));
  }
  return { params: next, count: norms.length };
}
