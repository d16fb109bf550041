/** `sparseland sdr`: the mathematics of sparse distributed representations for one setting, as tables and plots. */
import { join, resolve } from "node:path";
import { Option } from "commander";
import { columnsText } from "../../papers/harness/index.js";
import { writeWhole } from "../../src/core/files.node.js";
import { createRng, InputError, requireInteger } from "../../src/core/index.js";
import {
  falseMiss,
  logFalseMatch,
  type SdrFigure,
  type SdrSetting,
  sdrFigures,
  sdrSummary,
  simulateFalseMatch,
  simulateFalseMiss,
} from "../../src/memory/index.js";
import type { CommonOptions, Register } from "../command.js";
import { printResult } from "../print.js";
import { createProgress } from "../progress.js";
import { figureFile } from "../report/plots.js";
import type { Terminal } from "../terminal.js";

interface Options extends CommonOptions {
  readonly cells: string;
  readonly active: string;
  readonly synapses: string;
  readonly threshold: string;
  readonly silenced?: string;
  readonly patterns: string;
  readonly trials: string;
}

function whole(name: string, text: string, least: number, most: number): number {
  if (!/^\d+$/.test(text.trim()))
    throw new InputError(`--${name}: expected an integer in [${least}, ${most}], got ${JSON.stringify(text)}`);
  return requireInteger(`--${name}`, Number(text), least, most);
}

/** 10^x as a short text, also where it is below the smallest double. */
export function power(log10: number): string {
  if (log10 === Number.NEGATIVE_INFINITY) return "0";
  if (log10 > -4 && log10 < 6) return Number((10 ** log10).toPrecision(4)).toString();
  const exponent = Math.floor(log10);
  const mantissa = (10 ** (log10 - exponent)).toPrecision(3);
  return mantissa.startsWith("10") ? `1.00e${exponent + 1}` : `${mantissa}e${exponent}`;
}

/** A figure as text: one column of characters per point of its grid, one letter per series. */
export function textPlot(figure: SdrFigure, width: number): string {
  const points = figure.series.flatMap((series) => series.points);
  if (points.length === 0) return `${figure.title}: every probability is 0`;
  const wide = Math.max(20, Math.min(width - 12, 64));
  const high = 12;
  const scale = (value: number) => (figure.x.scale === "log" ? Math.log10(value) : value);
  const xs = points.map(({ x }) => scale(x));
  const ys = points.map(({ y }) => y);
  const [x0, x1] = [Math.min(...xs), Math.max(...xs)];
  const [y0, y1] = [Math.min(...ys), Math.max(...ys)];
  const grid = Array.from({ length: high }, () => new Array<string>(wide).fill(" "));
  figure.series.forEach((series, i) => {
    for (const { x, y } of series.points) {
      const column = Math.round(((scale(x) - x0) / (x1 - x0 || 1)) * (wide - 1));
      const row = Math.round(((y1 - y) / (y1 - y0 || 1)) * (high - 1));
      grid[row]![column] = String.fromCharCode(97 + i);
    }
  });
  const label = (row: number) => (row === 0 ? y1 : row === high - 1 ? y0 : (y0 + y1) / 2).toFixed(1).padStart(9);
  const rows = grid.map(
    (line, row) => `${row === 0 || row === high - 1 || row === high >> 1 ? label(row) : " ".repeat(9)} |${line.join("")}`,
  );
  const end = (value: number) => Number((figure.x.scale === "log" ? 10 ** value : value).toPrecision(4)).toString();
  const foot = end(x0) + end(x1).padStart(Math.max(1, wide - end(x0).length));
  const key = figure.series.map(({ name }, i) => `${String.fromCharCode(97 + i)}  ${name}`);
  return [
    figure.title,
    ...rows,
    `${" ".repeat(9)} +${"-".repeat(wide)}`,
    `${" ".repeat(11)}${foot}`,
    `${" ".repeat(11)}x: ${figure.x.label}${figure.x.scale === "log" ? " (logarithmic)" : ""}; y: ${figure.y.label}`,
    ...key.map((line) => `${" ".repeat(11)}${line}`),
  ].join("\n");
}

function simulate(setting: SdrSetting, silenced: number, trials: number, seed: number, terminal: Terminal) {
  const rng = createRng(seed);
  const progress = createProgress(terminal);
  const bar = progress.bar("simulation", 2);
  try {
    const match = simulateFalseMatch(setting, trials, rng.split("match"));
    bar.update(1, "false matches");
    const miss = simulateFalseMiss({ ...setting, silenced }, trials, rng.split("miss"));
    bar.update(2, "misses");
    return { falseMatch: match, falseMiss: miss };
  } finally {
    progress.stop();
  }
}

/** The `sdr` command. */
export const register: Register = (command, terminal) => {
  command
    .addOption(new Option("--cells <n>", "cells in the population").default("2048"))
    .addOption(new Option("--active <a>", "active cells of a pattern").default("40"))
    .addOption(new Option("--synapses <s>", "synapses of a segment, sampled from a pattern").default("20"))
    .addOption(new Option("--threshold <t>", "active synapses that make the segment fire").default("10"))
    .addOption(new Option("--silenced <c>", "cells of the pattern lost to noise (default: a third)"))
    .addOption(new Option("--patterns <m>", "patterns stored in a union").default("10"))
    .addOption(new Option("--trials <n>", "Monte Carlo trials beside the formulas; 0 for none").default("0"))
    .addHelpText("after", "\n--out <folder> receives sdr.json and one SVG file per figure. --threads has no meaning here.")
    .action((options: Options) => {
      const cells = whole("cells", options.cells, 1, 1_000_000);
      const active = whole("active", options.active, 1, cells);
      const synapses = whole("synapses", options.synapses, 1, active);
      const threshold = whole("threshold", options.threshold, 0, 1_000_000);
      const silenced = options.silenced === undefined ? Math.round(active / 3) : whole("silenced", options.silenced, 0, active);
      const patterns = whole("patterns", options.patterns, 0, 1_000_000);
      const trials = whole("trials", options.trials, 0, 100_000_000);
      const setting = { cells, active, synapses, threshold };
      const summary = sdrSummary(setting, silenced, patterns);
      const figures = sdrFigures(setting);
      const simulated = trials > 0 ? simulate(setting, silenced, trials, options.seed ?? 0, terminal) : undefined;
      const document = { setting: { ...setting, silenced, patterns }, ...summary, ...(simulated ? { simulated } : {}), figures };
      if (options.out !== undefined) {
        const folder = resolve(terminal.folder, options.out);
        for (const figure of figures) writeWhole(join(folder, `sdr-${figure.name}.svg`), figureFile(figure));
        writeWhole(join(folder, "sdr.json"), `${JSON.stringify(document, null, 2)}\n`);
      }
      printResult(terminal, options, document, () => {
        const rows: (readonly [string, string])[] = [
          ["distinct patterns, C(n, a)", power(summary.log10Capacity)],
          ["false match of the segment", power(summary.log10FalseMatch)],
          [`missed with ${silenced} of ${active} cells silent`, power(Math.log10(falseMiss({ ...setting, silenced })))],
          ["lost cells survived with certainty", String(Math.max(0, synapses - threshold))],
          [`union of ${patterns}: distinct synapses`, summary.unionSynapses.toFixed(2)],
          [`union of ${patterns}: false match`, power(summary.log10UnionFalseMatch)],
          [`union of ${patterns}: share of the mask that is on`, summary.unionDensity.toFixed(4)],
          [`union of ${patterns}: random pattern inside the mask`, power(summary.log10UnionMembership)],
          [
            "best threshold (least false match + miss)",
            `${summary.optimal.threshold} (${power(Math.log10(summary.optimal.total))})`,
          ],
        ];
        if (simulated) {
          const show = (name: string, { rate, low, high }: { rate: number; low: number; high: number }, formula: number) =>
            rows.push([
              `simulated ${name}, ${trials} trials`,
              `${rate} (99 %: ${low.toPrecision(3)} to ${high.toPrecision(3)}; formula ${formula.toPrecision(4)})`,
            ]);
          show("false match", simulated.falseMatch, Math.exp(logFalseMatch(setting)));
          show("miss", simulated.falseMiss, falseMiss({ ...setting, silenced }));
        }
        const thresholds = summary.thresholds.map((row) => [
          String(row.threshold),
          power(Math.log10(row.falseMatch)),
          power(Math.log10(row.falseMiss)),
          row.threshold === summary.optimal.threshold ? "best" : "",
        ]);
        return [
          `n = ${cells} cells, a = ${active} active (${((100 * active) / cells).toFixed(2)} %), s = ${synapses} synapses, threshold ${threshold}`,
          "",
          columnsText(["quantity", "value"], rows, terminal.columns),
          "",
          columnsText(["threshold", "false match", `missed, ${silenced} silent`, ""], thresholds, terminal.columns),
          ...figures.flatMap((figure) => ["", textPlot(figure, terminal.columns)]),
        ].join("\n");
      });
    });
};
