/** `report.html`: one file, no network, no scripts, made from results alone. One run, or several joined. */
import type { EntryResult, RunResults } from "../run/results.js";
import { amount, bytes, html, Markup, milliseconds, percent, points, times, whole } from "./html.js";
import { barChart, type Look, legend, lineChart, pagePalette, shareGrid } from "./plots.js";
import { style } from "./style.js";

/** A run's results with the name it is shown by. */
export interface NamedRun {
  readonly name: string;
  readonly results: RunResults;
}

/** An entry with the run it belongs to; names are told apart when several runs are joined. */
interface Row {
  readonly entry: EntryResult;
  readonly label: string;
  readonly dense: EntryResult | undefined;
  readonly run: NamedRun;
}

function rowsOf(runs: readonly NamedRun[]): Row[] {
  return runs.flatMap((run) => {
    const dense = run.results.entries.find(({ method }) => method === "dense");
    return run.results.entries.map((entry) => ({
      entry,
      dense,
      run,
      label: runs.length > 1 ? `${run.name}: ${entry.name}` : entry.name,
    }));
  });
}

const isSparse = ({ entry }: Row) => entry.realisedSparsity > 0;

function tiles(rows: readonly Row[]): Markup {
  const dense = rows.find(({ entry }) => entry.method === "dense");
  const sparse = rows.filter((row) => isSparse(row) && row.dense);
  const best = [...sparse].sort((a, b) => b.entry.testAccuracy - a.entry.testAccuracy)[0];
  if (!dense || !best) return html``;
  const { entry } = best;
  const base = best.dense!;
  return html`<p class="lead">Most accurate sparse network: <strong>${best.label}</strong>, ${points(entry.testAccuracy - base.testAccuracy)} points against dense.</p>
<ul class="tiles">
<li>test accuracy<strong>${percent(entry.testAccuracy)}</strong><span class="faint">dense ${percent(base.testAccuracy)}</span></li>
<li>bytes on disk<strong>${percent(entry.bytesOnDisk / base.bytesOnDisk, 1)}</strong><span class="faint">${bytes(entry.bytesOnDisk)} of ${bytes(base.bytesOnDisk)}</span></li>
<li>measured speed-up, batch 1<strong>${times(entry.speedupBatch1)}</strong><span class="faint">${milliseconds(entry.msBatch1)} ms against ${milliseconds(base.msBatch1)} ms, one thread</span></li>
<li>measured speed-up, batch 64<strong>${times(entry.speedupBatch64)}</strong><span class="faint">${milliseconds(entry.msBatch64)} ms against ${milliseconds(base.msBatch64)} ms, one thread</span></li>
</ul>`;
}

const threadsOf = (rows: readonly Row[]) => Math.max(...rows.map(({ run }) => run.results.machine.threads));

const speed = (ratio: number, { entry, dense }: Row) =>
  dense === entry
    ? html`<td>–</td>`
    : html`<td class="${ratio > 1.005 ? "good" : ratio < 0.995 ? "bad" : ""}">${times(ratio)}</td>`;

/** The least time, and the median where the results hold it. */
function time(entry: EntryResult, key: keyof NonNullable<EntryResult["medians"]>): string {
  const median = entry.medians?.[key];
  return milliseconds(entry[key]) + (median === undefined ? "" : ` (${milliseconds(median)})`);
}

function table(rows: readonly Row[]): Markup {
  const line = (row: Row) => {
    const { entry, label, dense } = row;
    return html`<tr><th scope="row">${label}</th><td>${percent(entry.realisedSparsity)}</td>
<td>${percent(entry.testAccuracy)}</td><td>${dense && dense !== entry ? points(entry.testAccuracy - dense.testAccuracy) : ""}</td>
<td>${whole(entry.nonZeros)}</td><td>${bytes(entry.bytesOnDisk)}</td><td>${dense ? percent(entry.bytesOnDisk / dense.bytesOnDisk, 1) : ""}</td>
<td>${amount(entry.theoreticalFlops)}</td><td>${entry.trainingKernels}</td>
<td>${time(entry, "msBatch1")}</td>${speed(entry.speedupBatch1, row)}<td>${time(entry, "msBatch64")}</td>${speed(entry.speedupBatch64, row)}</tr>`;
  };
  return html`<div class="scroll" role="region" aria-label="Results" tabindex="0"><table>
<thead>
<tr><th rowspan="2" scope="col">network</th><th rowspan="2" scope="col">sparsity</th><th colspan="2" class="group" scope="colgroup">test accuracy</th>
<th rowspan="2" scope="col">non-zero<br>parameters</th><th colspan="2" class="group" scope="colgroup">bytes on disk</th>
<th class="group" scope="colgroup">theory</th><th class="group" scope="colgroup">simulation</th><th colspan="4" class="group" scope="colgroup">measured, one thread</th></tr>
<tr><th scope="col">share</th><th scope="col">vs dense,<br>points</th><th scope="col">file</th><th scope="col">of dense</th><th scope="col">FLOPs</th><th scope="col">trained<br>with</th>
<th scope="col">batch 1,<br>ms</th><th scope="col">speed-<br>up</th><th scope="col">batch 64,<br>ms</th><th scope="col">speed-<br>up</th></tr>
</thead><tbody>${rows.map(line)}</tbody></table></div>
<p class="faint">Theory counts two operations per non-zero multiply-add of one image. Simulation says how training ran: <em>simulated</em> is a mask on dense kernels, which saves no time;
<em>sparse</em> touches non-zeros only. Measured is the least wall time of the compiled model after reloading it from disk, with the median of the same runs in brackets; speed-up is the dense network's least
time over it.</p>`;
}

function details(rows: readonly Row[]): Markup {
  const line = (row: Row) => {
    const { entry, label } = row;
    return html`<tr><th scope="row">${label}</th><td>${percent(entry.targetSparsity)}</td><td>${percent(entry.realisedSparsity)}</td><td>${whole(entry.params)}</td>
<td>${time(entry, "msBatch1Threads")}</td>${speed(entry.speedupBatch1Threads, row)}<td>${time(entry, "msBatch64Threads")}</td>${speed(entry.speedupBatch64Threads, row)}
<td>${entry.speedupSparseLayers === undefined ? "" : times(entry.speedupSparseLayers)}</td><td>${entry.trainSeconds.toFixed(1)}</td><td>${entry.reloadedEqual ? "same" : html`<span class="bad">differ</span>`}</td></tr>`;
  };
  return html`<h3>All ${threadsOf(rows)} threads, the sparse layers alone, training</h3><div class="scroll" role="region" aria-label="More figures" tabindex="0"><table>
<thead><tr><th rowspan="2" scope="col">network</th><th colspan="2" class="group" scope="colgroup">sparsity</th><th rowspan="2" scope="col">parameters</th>
<th colspan="4" class="group" scope="colgroup">measured, ${threadsOf(rows)} threads</th><th class="group" scope="colgroup">measured, one thread</th><th colspan="2" class="group" scope="colgroup">made by</th></tr>
<tr><th scope="col">target</th><th scope="col">realised</th><th scope="col">batch 1,<br>ms</th><th scope="col">speed-<br>up</th><th scope="col">batch 64,<br>ms</th><th scope="col">speed-<br>up</th>
<th scope="col">sparse layers,<br>speed-up</th><th scope="col">training, s</th><th scope="col">predictions<br>reloaded</th></tr></thead><tbody>${rows.map(line)}</tbody></table></div>
<p class="faint">Sparse layers: the time of the layers that run sparse inside the dense network's plan, over their time inside this network's plan, batch 1. Small networks
gain little from a second thread at batch 1: there the threads' meetings take as long as the work.</p>`;
}

const figure = (title: string, caption: string, chart: string, key = ""): Markup =>
  html`<figure role="group" aria-label="${title}"><h3>${title}</h3>${new Markup(key)}${new Markup(chart.replace("<svg ", `<svg role="img" aria-label="${title.replace(/["&<>]/g, "")}" `))}<figcaption>${caption}</figcaption></figure>`;

function accuracyChart(rows: readonly Row[]): Markup {
  const groups = new Map<string, Row[]>();
  for (const row of rows.filter(isSparse)) {
    const name = rows[0]!.run === rows.at(-1)!.run ? row.entry.method : `${row.run.name}: ${row.entry.method}`;
    groups.set(name, [...(groups.get(name) ?? []), row]);
  }
  if (groups.size === 0) return html``;
  const series = [...groups].map(([name, members]) => ({
    name,
    points: members
      .map(({ entry }) => ({ x: 100 * entry.realisedSparsity, y: 100 * entry.testAccuracy }))
      .sort((a, b) => a.x - b.x),
  }));
  const rules = rows
    .filter((row) => !isSparse(row))
    .map(({ entry, label }) => ({ y: 100 * entry.testAccuracy, label: `${label}, ${amount(entry.params)} parameters` }));
  const data = { title: "", x: { label: "realised sparsity, %" }, y: { label: "test accuracy, %" }, series };
  const names = series.map(({ name }) => name);
  return figure(
    "Accuracy against sparsity",
    "Dashed: networks without sparsity. A small dense network with the same number of parameters is the bar to clear.",
    lineChart(data, pagePalette, { rules }),
    legend(names, pagePalette),
  );
}

/** One colour for each method, one kind of line for each of its sparsities. */
function looksOf(rows: readonly Row[]): Look[] {
  const keys = rows.map(({ entry, run }) => `${run.name}/${entry.method}`);
  const methods = [...new Set(keys)];
  return keys.map((key, i) => ({ colour: methods.indexOf(key), dash: keys.slice(0, i).filter((other) => other === key).length }));
}

function curves(rows: readonly Row[]): Markup[] {
  const looks = looksOf(rows);
  const names = rows.map(({ label }) => label);
  const chart = (title: string, label: string, caption: string, y: (point: EntryResult["curve"][number]) => number) =>
    figure(
      title,
      caption,
      lineChart(
        {
          title,
          x: { label: "epoch" },
          y: { label },
          series: rows.map(({ entry, label: name }) => ({
            name,
            points: entry.curve.map((point) => ({ x: point.epoch, y: y(point) })),
          })),
        },
        pagePalette,
        { looks, integers: true },
      ),
      legend(names, pagePalette, looks),
    );
  return [
    chart("Test accuracy while training", "test accuracy, %", "After each epoch.", (point) => 100 * point.testAccuracy),
    chart("Training loss", "loss", "Mean over the epoch.", (point) => point.trainLoss),
    chart(
      "Sparsity while training",
      "sparsity, %",
      "Zeros among prunable weights at the end of each epoch.",
      (point) => 100 * point.sparsity,
    ),
  ];
}

function layersGrid(rows: readonly Row[]): Markup {
  const sparse = rows.filter(isSparse);
  const cells = sparse.flatMap(({ entry, label }) =>
    entry.layers.map(({ name, sparsity }) => ({ row: name, column: label, share: sparsity })),
  );
  if (cells.length === 0) return html``;
  return figure(
    "Sparsity of each layer, %",
    "Zeros among the weights of the layer. Layers that are not pruned stand at 0.",
    shareGrid(cells),
  );
}

function bars(rows: readonly Row[]): Markup[] {
  const chart = (
    title: string,
    x: string,
    caption: string,
    value: (entry: EntryResult) => number,
    label: (value: number) => string,
  ) =>
    figure(
      title,
      caption,
      barChart(
        rows.map((row) => ({
          name: row.label,
          value: value(row.entry),
          label: label(value(row.entry)),
          group: isSparse(row) ? 0 : 6,
        })),
        { x, palette: pagePalette },
      ),
    );
  return [
    chart(
      "Time per image, batch 1",
      "milliseconds, one thread",
      "Grey: networks without sparsity.",
      ({ msBatch1 }) => msBatch1,
      (value) => `${milliseconds(value)} ms`,
    ),
    chart(
      "Time for 64 images",
      "milliseconds, one thread",
      "Grey: networks without sparsity.",
      ({ msBatch64 }) => msBatch64,
      (value) => `${milliseconds(value)} ms`,
    ),
    chart(
      "Bytes on disk",
      "kilobytes",
      "The saved model, indices included.",
      ({ bytesOnDisk }) => bytesOnDisk / 1000,
      (value) => bytes(Math.round(1000 * value)),
    ),
  ];
}

function layerTables(rows: readonly Row[]): Markup[] {
  return rows.map(
    ({ entry, label }) => html`<details><summary>${label}</summary><div class="scroll"><table>
<thead><tr><th scope="col">layer</th><th scope="col">shape</th><th scope="col">weights</th><th scope="col">non-zero</th><th scope="col">sparsity</th><th scope="col">ms</th><th scope="col">dense ms</th><th scope="col" class="text">kernel</th><th scope="col" class="text">why</th></tr></thead>
<tbody>${entry.layers.map(
      (
        layer,
      ) => html`<tr><th scope="row">${layer.name}</th><td>${layer.shape.join(" × ")}</td><td>${whole(layer.params)}</td><td>${whole(layer.nonZeros)}</td><td>${percent(layer.sparsity)}</td>
<td>${layer.ms === undefined ? "" : milliseconds(layer.ms)}</td><td>${layer.denseMs === undefined ? "" : milliseconds(layer.denseMs)}</td><td class="text">${layer.kernel ?? ""}</td><td class="text">${layer.reason ?? ""}</td></tr>`,
    )}</tbody></table></div></details>`,
  );
}

/** camelCase -> words. */
const words = (key: string) => key.replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase();

function readable(value: unknown): Markup {
  if (value === null || value === undefined) return html`none`;
  if (Array.isArray(value))
    return value.every((item) => typeof item !== "object")
      ? html`${value.join(", ")}`
      : html`${value.map((item) => html`<div>${readable(item)}</div>`)}`;
  if (typeof value === "object")
    return html`<dl>${Object.entries(value).map(([key, item]) => html`<dt>${words(key)}</dt><dd>${readable(item)}</dd>`)}</dl>`;
  if (typeof value === "number") return html`${Number.isInteger(value) ? whole(value) : Number(value.toPrecision(5))}`;
  return html`${String(value)}`;
}

function cards(rows: readonly Row[]): Markup[] {
  return rows
    .filter(({ entry }) => entry.card !== null && entry.card !== undefined)
    .map(({ entry, label }) => html`<details><summary>${label}</summary>${readable(entry.card)}</details>`);
}

/**
 * The report of one run or of several.
 *
 * @param runs at least one, each with its results
 * @returns a complete HTML document without scripts and without references to anything outside it
 */
export function reportPage(runs: readonly NamedRun[]): string {
  const rows = rowsOf(runs);
  const title = runs.map(({ name }) => name).join(", ");
  const machines = runs.map(
    ({ name, results: { machine, seed, sparseland, quick } }) => html`<dl>
<dt>run</dt><dd>${name}${quick ? " (quick: a smaller setting; accuracies are below what the full recipe reaches)" : ""}</dd>
<dt>processor</dt><dd>${machine.cpu}, ${machine.cores} cores</dd><dt>threads</dt><dd>${machine.threads}</dd><dt>memory</dt><dd>${machine.memoryGiB} GiB</dd>
<dt>system</dt><dd>${machine.platform}, Node ${machine.node}</dd><dt>Sparseland</dt><dd>${sparseland}</dd><dt>seed</dt><dd>${seed}</dd></dl>`,
  );
  const body =
    rows.length === 0
      ? html`<p>No network of this run is finished yet.</p>`
      : html`${tiles(rows)}
<h2 id="results">Results</h2>${table(rows)}${details(rows)}
<h2 id="charts">Charts</h2><div class="charts">${accuracyChart(rows)}${bars(rows)}${curves(rows)}</div>
<h2 id="layers">Layers</h2>${layersGrid(rows)}${layerTables(rows)}
<h2 id="cards">Method cards</h2>${cards(rows)}`;
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<title>Sparseland: ${title}</title><style>${new Markup(style)}</style></head>
<body><header><h1>${title}</h1><p class="faint">Sparse networks beside dense ones, measured on this machine: ${[...new Set(runs.map(({ results }) => `${results.machine.cpu}, ${results.machine.threads} threads`))].join("; ")}.</p></header>
<main>${body}
<h2 id="machine">Machine and settings</h2>${machines}
${runs.map(({ name, results }) => html`<details><summary>Recipe of ${name}</summary><pre>${JSON.stringify(results.recipe, null, 2)}</pre></details>`)}
</main><footer>Made by Sparseland from results.json. Accuracies come from one seed unless the run says otherwise.</footer></body></html>
`.text;
}
