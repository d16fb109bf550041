/** What `sparseland prune` tells: one document, as JSON and as text. */
import { columnsText } from "../../papers/harness/index.js";
import type { Tree } from "../../src/core/index.js";
import type { Int8Note } from "../../src/program/index.js";
import type { LayerTiming } from "../../src/runtime/index.js";
import type { CutUnit, PrunedLayer } from "../../src/train/index.js";
import type { Advice } from "../network/advice.js";
import { bytes, milliseconds, percent, times, whole } from "../report/html.js";
import type { Pruned, Stage } from "./prune.js";

/** A layer with what was measured of it at batch 1; null where it stayed dense. */
export interface LayerReport extends PrunedLayer {
  readonly denseMs: number | null;
  readonly sparseMs: number | null;
  readonly kernel: "dense" | "sparse" | "int8";
}

/** The report. Plain JSON. */
export interface PruneReport {
  readonly model: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly machine: Readonly<Record<string, unknown>>;
  readonly threads: number;
  readonly stages: readonly Stage[];
  /** Accuracy of the written file, run from disk with the kernels that it chose. */
  readonly accuracyOfFile: number | null;
  /** Deviation of its outputs from those of the network as given. */
  readonly deviationOfFile: number | null;
  readonly params: { readonly before: number; readonly after: number; readonly nonZero: number };
  /** Share of zeros among the weights of pruned layers, and among all weights that products multiply by. */
  readonly sparsity: { readonly prunedLayers: number; readonly allWeights: number } | null;
  readonly bytes: { readonly given: number; readonly dense: number; readonly pruned: number };
  /** Whole network, batch 1, milliseconds: the least of several runs in turns. */
  /** Least times in turns, batch 1; the speed-up is theirs. Medians of the same runs beside. */
  readonly time: {
    readonly denseMs: number;
    readonly prunedMs: number;
    readonly speedup: number;
    readonly medians: { readonly denseMs: number; readonly prunedMs: number };
  };
  /** What was foreseen before the pruning. */
  readonly forecast: Advice;
  readonly layers: readonly LayerReport[];
  readonly groups: readonly CutUnit[];
  readonly rearranged: Pruned["rearranged"];
  /** With --quantise: products that run in int8, and what stayed f32, why, and how often. */
  readonly int8: Int8Report | null;
  /** The fine-tuning, epoch by epoch; empty without one. */
  readonly curve: Pruned["curve"];
}

/** What runs in int8 and what does not. */
export interface Int8Report {
  readonly operations: number;
  readonly stays: readonly { readonly op: string; readonly reason: string; readonly count: number }[];
}

/** Counts notes that say the same. */
export function int8Report(notes: readonly Int8Note[]): Int8Report {
  const stays = new Map<string, { op: string; reason: string; count: number }>();
  for (const { op, reason, int8 } of notes) {
    if (int8) continue;
    const key = `${op}: ${reason}`;
    stays.set(key, { op, reason, count: (stays.get(key)?.count ?? 0) + 1 });
  }
  return { operations: notes.filter(({ int8 }) => int8).length, stays: [...stays.values()] };
}

/** Joins what was pruned with what was measured. */
export function layerReports(
  layers: readonly PrunedLayer[],
  timings: readonly LayerTiming[],
  int8: Tree<string> = {},
): LayerReport[] {
  const measured = new Map(timings.map((timing) => [timing.path, timing]));
  return layers.map((layer) => {
    const found = measured.get(layer.path);
    return {
      ...layer,
      denseMs: found?.denseMs ?? null,
      sparseMs: found?.sparseMs ?? null,
      kernel: int8[layer.path] ? "int8" : (found?.choice ?? "dense"),
    };
  });
}

const accuracy = (value: number | null): string => (value === null ? "-" : percent(value));

/** The report as text. */
export function reportText(report: PruneReport, width: number): string {
  const { params, sparsity, bytes: size, time, layers, groups, rearranged, curve } = report;
  const parts: string[] = [];
  const zeros = sparsity
    ? `, ${percent(sparsity.prunedLayers, 1)} zeros in pruned layers, ${percent(sparsity.allWeights, 1)} in all weights`
    : "";
  parts.push(
    `${report.model}: ${whole(params.before)} parameters, ${whole(params.after)} after cutting, ${whole(params.nonZero)} non-zero${zeros}`,
  );
  parts.push(
    columnsText(
      ["step", "accuracy", "outputs deviate by", "seconds"],
      [
        ...report.stages.map((s) => [s.stage, accuracy(s.accuracy), accuracy(s.deviation), s.seconds.toFixed(1)]),
        ["the written file", accuracy(report.accuracyOfFile), accuracy(report.deviationOfFile), ""],
      ],
      width,
    ),
  );
  if (curve.length > 0)
    parts.push(
      columnsText(
        ["epoch", "loss", "accuracy", "sparsity", "rate at its end", "seconds"],
        curve.map((p) => [
          String(p.epoch),
          p.trainLoss.toFixed(3),
          percent(p.testAccuracy),
          percent(p.sparsity, 1),
          p.learningRate.toPrecision(2),
          p.seconds.toFixed(1),
        ]),
        width,
      ),
    );
  const grown = size.pruned > size.given ? "; larger, because the given one stores fewer bits per weight" : "";
  parts.push(
    `file: ${bytes(size.pruned)}, dense ${bytes(size.dense)} (${(size.pruned / size.dense).toFixed(3)} of it); the given file: ${bytes(size.given)}${grown}`,
  );
  parts.push(
    `batch 1, ${report.threads} thread${report.threads === 1 ? "" : "s"}: ${milliseconds(time.prunedMs)} ms, dense ${milliseconds(time.denseMs)} ms (${times(time.speedup)}), the least of many runs in turns; medians ${milliseconds(time.medians.prunedMs)} and ${milliseconds(time.medians.denseMs)} ms`,
  );
  if (report.int8) {
    const stays = report.int8.stays.map(({ op, reason, count }) => `${count} x ${op} (${reason})`).join(", ");
    parts.push(`int8: ${report.int8.operations} operations; ${stays ? `in f32: ${stays}` : "nothing stays f32"}`);
  }
  if (rearranged)
    parts.push(
      `rearrangement: kernel groups keep ${percent(rearranged.after)} of sum |w|; ${percent(rearranged.sorted)} sorted by size, ${percent(rearranged.before)} as given`,
    );
  if (layers.length > 0) {
    const rows = layers.map((l) => [
      l.path,
      l.shape.join("x"),
      whole(l.kept),
      percent(l.sparsity, 1),
      l.denseMs === null ? "-" : milliseconds(l.denseMs),
      l.sparseMs === null ? "-" : milliseconds(l.sparseMs),
      l.kernel,
      l.note,
    ]);
    parts.push(columnsText(["layer", "shape", "kept", "sparsity", "dense, ms", "sparse, ms", "runs", "how"], rows, width));
  }
  if (groups.length > 0)
    parts.push(
      columnsText(
        ["channel group", "units", "kept", "how"],
        groups.map((g) => [g.group, whole(g.units), whole(g.kept), g.note]),
        width,
      ),
    );
  return parts.join("\n\n");
}
