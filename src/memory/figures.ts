/** The figures of the theory as data: what `sparseland sdr` prints and draws. Logarithms are to base 10. */
import { logCapacity, logFalseMatch } from "./probability.js";
import { medianFalseMatch, optimalThreshold, paperConditions, thresholdTable } from "./threshold.js";
import { logUnionFalseMatch, logUnionMembership, unionDensity, unionSynapses } from "./union.js";

/** What the figures are drawn for. */
export interface SdrSetting {
  /** n */
  readonly cells: number;
  /** a */
  readonly active: number;
  /** s, at most a */
  readonly synapses: number;
  /** theta */
  readonly threshold: number;
}

/** A line chart with its data. */
export interface SdrFigure {
  readonly name: "match" | "scaling" | "noise" | "union" | "threshold" | "capacity";
  readonly title: string;
  readonly x: { readonly label: string; readonly scale?: "linear" | "log" };
  readonly y: { readonly label: string; readonly scale?: "linear" | "log" };
  readonly series: readonly { readonly name: string; readonly points: readonly { readonly x: number; readonly y: number }[] }[];
}

const log10 = (natural: number) => natural / Math.LN10;
const finite = (points: readonly { x: number; y: number }[]) => points.filter(({ y }) => Number.isFinite(y));

/** False matches against the threshold, for the segment and for half and twice its synapses. */
export function matchFigure({ cells, active, synapses }: SdrSetting): SdrFigure {
  const sizes = [...new Set([Math.max(1, Math.round(synapses / 2)), synapses, Math.min(cells, synapses * 2)])];
  return {
    name: "match",
    title: `False matches of a segment, n = ${cells}, a = ${active}`,
    x: { label: "threshold" },
    y: { label: "log10 of the false-match probability" },
    series: sizes.map((s) => ({
      name: `s = ${s}`,
      points: finite(
        Array.from({ length: Math.min(s, active) }, (_, i) => ({
          x: i + 1,
          y: log10(logFalseMatch({ cells, active, synapses: s, threshold: i + 1 })),
        })),
      ),
    })),
  };
}

/** False matches as the population grows: falling at a fixed number of active cells, flat at fixed half activity. */
export function scalingFigure({ active, synapses, threshold, cells }: SdrSetting): SdrFigure {
  const sizes = Array.from({ length: 13 }, (_, i) =>
    Math.round(2 * Math.max(active, synapses) * (100_000 / (2 * Math.max(active, synapses))) ** (i / 12)),
  );
  const line = (name: string, of: (n: number) => number) => ({
    name,
    points: finite(sizes.map((n) => ({ x: n, y: log10(logFalseMatch({ cells: n, active: of(n), synapses, threshold })) }))),
  });
  return {
    name: "scaling",
    title: `False matches as the population grows, s = ${synapses}, threshold ${threshold}`,
    x: { label: "cells", scale: "log" },
    y: { label: "log10 of the false-match probability" },
    series: [
      line(`a = ${active}`, () => active),
      line(`a = ${Number(((100 * active) / cells).toPrecision(3))} % of n`, (n) => Math.max(1, Math.round((n * active) / cells))),
      line("a = 50 % of n", (n) => Math.round(n / 2)),
    ],
  };
}

/** Misses and false matches against the cells that fall silent. */
export function noiseFigure({ cells, active, synapses }: SdrSetting): SdrFigure {
  const shares = [0.1, 0.2, 0.3, 0.4, 0.5];
  const rows = shares.map((share) => thresholdTable({ cells, active, synapses, silenced: Math.round(share * active) }));
  const points = (i: number) => finite(rows[i]!.map(({ threshold, falseMiss }) => ({ x: threshold, y: Math.log10(falseMiss) })));
  return {
    name: "noise",
    title: `Misses under noise, a = ${active}, s = ${synapses}`,
    x: { label: "threshold" },
    y: { label: "log10 of the probability" },
    series: [
      ...shares.map((share, i) => ({ name: `missed, ${Math.round(share * 100)} % of cells silent`, points: points(i) })),
      {
        name: "false match",
        points: finite(rows[0]!.map(({ threshold, falseMatch }) => ({ x: threshold, y: Math.log10(falseMatch) }))),
      },
    ],
  };
}

/** False matches of one segment, and of one union mask, that stores M patterns. */
export function unionFigure({ cells, active, synapses, threshold }: SdrSetting): SdrFigure {
  const counts = Array.from({ length: 40 }, (_, i) => i + 1);
  return {
    name: "union",
    title: `Storing a union of patterns, n = ${cells}, a = ${active}`,
    x: { label: "patterns stored" },
    y: { label: "log10 of the false-match probability" },
    series: [
      {
        name: `segment, s = ${synapses}, threshold ${threshold}`,
        points: finite(counts.map((m) => ({ x: m, y: log10(logUnionFalseMatch({ cells, active, synapses, threshold }, m)) }))),
      },
      {
        name: "mask of all cells, every cell checked",
        points: finite(counts.map((m) => ({ x: m, y: log10(logUnionMembership(cells, active, m)) }))),
      },
    ],
  };
}

/** Median false matches against the threshold over the paper's range of conditions. */
export function thresholdFigure(): SdrFigure {
  const { cells, densities, synapses } = paperConditions;
  return {
    name: "threshold",
    title: "Median false matches over the paper's range of conditions",
    x: { label: "threshold" },
    y: { label: "log10 of the median false-match probability" },
    series: [
      {
        name: `n ${cells[0]}-${cells.at(-1)}, activity ${densities[0]! * 100}-${densities.at(-1)! * 100} %, s ${synapses[0]}-${synapses.at(-1)}`,
        points: medianFalseMatch(Array.from({ length: 22 }, (_, i) => i + 3)).map(({ threshold, median }) => ({
          x: threshold,
          y: Math.log10(median),
        })),
      },
    ],
  };
}

/** Number of distinct patterns against the number of active cells. */
export function capacityFigure({ cells, active }: SdrSetting): SdrFigure {
  const most = Math.max(active * 2, 10);
  const counts = Array.from({ length: 41 }, (_, i) => Math.max(1, Math.round((most * i) / 40))).filter((a) => a <= cells);
  return {
    name: "capacity",
    title: `Distinct patterns of ${cells} cells`,
    x: { label: "active cells" },
    y: { label: "log10 of the number of patterns" },
    series: [{ name: `n = ${cells}`, points: [...new Set(counts)].map((a) => ({ x: a, y: log10(logCapacity(cells, a)) })) }],
  };
}

/** All figures of a setting. */
export function sdrFigures(setting: SdrSetting): SdrFigure[] {
  return [
    matchFigure(setting),
    scalingFigure(setting),
    noiseFigure(setting),
    unionFigure(setting),
    thresholdFigure(),
    capacityFigure(setting),
  ];
}

/** The numbers of one setting that the tables show. Probabilities are base-10 logarithms. */
export function sdrSummary(setting: SdrSetting, silenced: number, patterns: number) {
  const { cells, active, synapses } = setting;
  return {
    log10Capacity: log10(logCapacity(cells, active)),
    log10FalseMatch: log10(logFalseMatch(setting)),
    unionSynapses: unionSynapses(cells, synapses, patterns),
    unionDensity: unionDensity(cells, active, patterns),
    log10UnionFalseMatch: log10(logUnionFalseMatch(setting, patterns)),
    log10UnionMembership: log10(logUnionMembership(cells, active, patterns)),
    thresholds: thresholdTable({ cells, active, synapses, silenced }),
    optimal: optimalThreshold({ cells, active, synapses, silenced }),
  };
}
