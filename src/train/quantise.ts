/** Calibration of int8 ranges: what numbers a program computes inside on real data, and the bytes that stand for them with least error. */
import { InputError, sizeOf, type Tensor, type Tree } from "../core/index.js";
import type { Engine } from "../engine/index.js";
import {
  anyBatch,
  atBatch,
  type BatchProgram,
  foldBatchNorm,
  INT8_TOP,
  type Int8Note,
  type Int8Range,
  int8Range,
  int8Values,
  quantiseProgram,
} from "../program/index.js";
import { type Calibration, createProbe } from "./prune/calibration.js";

/** A quantised program for every batch size. */
export interface Quantised {
  readonly program: BatchProgram;
  readonly params: Tree<Tensor>;
  /** Weight by path: the path of its scale. */
  readonly scales: Tree<string>;
  /** What runs in int8, and why the rest does not. */
  readonly notes: readonly Int8Note[];
}

/** Options of `quantise`. */
export interface QuantiseOptions {
  readonly engine: Engine;
  readonly program: BatchProgram;
  /** Values of all params, dense. */
  readonly params: Tree<Tensor>;
  readonly calibration: Calibration;
  readonly progress?: (done: number, total: number) => void;
}

/** Numbers of each value that the error is measured on. */
const SAMPLES = 16384;
/** Values whose memory together stays below this are looked at in one run. */
const LOOK_BYTES = 1 << 26;
/** Shares of the span that are tried: numbers beyond are clipped. */
const CLIPS = [1, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5, 0.45, 0.4, 0.35, 0.3];

/**
 * The range of least mean squared error on a sample.
 * @param least the smallest and largest number that was seen
 */
export function bestRange(sample: ArrayLike<number>, least: number, most: number): Int8Range {
  let best = int8Range(least, most);
  let bestError = Number.POSITIVE_INFINITY;
  for (const clip of CLIPS) {
    const range = int8Range(least * clip, most * clip);
    let error = 0;
    for (let i = 0; i < sample.length; i++) {
      const byte = Math.min(INT8_TOP, Math.max(0, Math.round(sample[i]! / range.scale) + range.zero));
      error += (sample[i]! - range.scale * (byte - range.zero)) ** 2;
    }
    if (error < bestError) {
      best = range;
      bestError = error;
    }
  }
  return best;
}

/** Ranges of the values that int8 operations take and give. @throws InputError when a value is not finite */
export function int8Ranges({ engine, program, params, calibration, progress }: QuantiseOptions): Map<number, Int8Range> {
  const probe = createProbe(engine, program, params, calibration);
  const ranges = new Map<number, Int8Range>();
  try {
    const inputs = new Map(Object.entries(probe.program.inputs).map(([name, id]) => [id, name]));
    const ids = int8Values(probe.program);
    const looks: number[][] = [];
    let bytes = Number.POSITIVE_INFINITY;
    for (const id of ids) {
      if (inputs.has(id)) continue;
      const own = sizeOf(probe.program.values[id]!.shape) * 4;
      if (bytes + own > LOOK_BYTES) {
        looks.push([]);
        bytes = 0;
      }
      looks.at(-1)!.push(id);
      bytes += own;
    }
    const see = spans(calibration.batches.length);
    for (const id of ids) {
      const name = inputs.get(id);
      if (name !== undefined) for (const batch of calibration.batches) see.add(id, batch[name]!);
    }
    looks.forEach((look, done) => {
      const plan = probe.tap(Object.fromEntries(look.map((id) => [`v${id}`, id])));
      try {
        for (const batch of calibration.batches) {
          const own = Object.fromEntries(Object.entries(batch).filter(([name]) => probe.program.inputs[name] !== undefined));
          const outputs = plan.run(own);
          for (const id of look) see.add(id, outputs[`v${id}`]!.data);
        }
      } finally {
        plan.close();
      }
      progress?.(done + 1, looks.length);
    });
    for (const id of ids) ranges.set(id, see.range(id));
  } finally {
    probe.close();
  }
  return ranges;
}

/** Collects an even sample and the span of each value. */
function spans(batches: number) {
  const seen = new Map<number, { least: number; most: number; sample: number[] }>();
  return {
    add(id: number, data: ArrayLike<number>) {
      const own = seen.get(id) ?? { least: 0, most: 0, sample: [] };
      seen.set(id, own);
      for (let i = 0; i < data.length; i++) {
        const v = data[i]!;
        if (!Number.isFinite(v))
          throw new InputError(`quantise: value ${id} is ${v} on the calibration data; expected finite numbers`);
        if (v < own.least) own.least = v;
        else if (v > own.most) own.most = v;
      }
      // An odd step, so that the sample does not stay in some columns of the planes.
      const step = Math.ceil((data.length * batches) / SAMPLES) | 1;
      for (let i = 0; i < data.length; i += step) own.sample.push(data[i]!);
    },
    range(id: number): Int8Range {
      const { sample, least, most } = seen.get(id)!;
      return bestRange(sample, least, most);
    },
  };
}

/**
 * Quantises an inference program: batch norm folded, weights with a scale per output channel, activations calibrated on data.
 *
 * @throws InputError when calibration data do not fit, or a value is not finite on them
 */
export function quantise(options: QuantiseOptions): Quantised {
  const { program, params } = options;
  const flat = foldBatchNorm(program.one, params).params;
  const folded = anyBatch((batch) => foldBatchNorm(atBatch(program, batch), params).program);
  const ranges = int8Ranges({ ...options, program: folded, params: flat });
  const { params: values, scales, notes } = quantiseProgram(folded.one, flat, ranges);
  return {
    program: anyBatch((batch) => quantiseProgram(atBatch(folded, batch), flat, ranges).program),
    params: values,
    scales,
    notes,
  };
}
