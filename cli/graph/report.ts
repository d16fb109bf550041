/** The comparison report of `sparseland graph sample`: one HTML page with the degree distributions and both tables. */
import type { Figure, Series } from "../../papers/harness/index.js";
import { type DegreeHistogram, type Digraph, degreeCorrelationMatrix, marginal } from "../../src/graphs/index.js";
import { html, Markup } from "../report/html.js";
import { legend, lineChart, pagePalette } from "../report/plots.js";
import { style } from "../report/style.js";

/** A graph and what it is called. */
export interface NamedGraph {
  readonly name: string;
  readonly graph: Digraph;
}

/** A table as it is printed. */
export interface ReportTable {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** Points of a distribution are thinned to at most this many, evenly in the logarithm. */
const MOST_POINTS = 60;

/** Share of the nodes that have a degree of at least d, for every d >= 1 that occurs. */
export function atLeast({ degrees, counts }: DegreeHistogram, nodes: number): Series["points"] {
  const points: { x: number; y: number }[] = [];
  let above = 0;
  for (let i = degrees.length - 1; i >= 0 && degrees[i]! > 0; i--) {
    above += counts[i]!;
    points.push({ x: degrees[i]!, y: above / nodes });
  }
  points.reverse();
  const step = Math.log(points.at(-1)?.x ?? 1) / MOST_POINTS;
  let last = Number.NEGATIVE_INFINITY;
  return points.filter(({ x }, i) => {
    if (i < points.length - 1 && Math.log(x) - last < step) return false;
    last = Math.log(x);
    return true;
  });
}

function figure(title: string, axis: "rows" | "cols", graphs: readonly NamedGraph[]): Figure {
  return {
    title,
    x: { label: "degree d", scale: "log" },
    y: { label: "share of nodes of degree at least d", scale: "log" },
    series: graphs
      .map(({ name, graph }) => ({ name, points: atLeast(marginal(degreeCorrelationMatrix(graph), axis), graph.nodes) }))
      .filter(({ points }) => points.length > 0),
  };
}

const chart = (drawn: Figure): Markup =>
  drawn.series.length === 0
    ? html``
    : html`<figure><figcaption>${drawn.title}</figcaption>${new Markup(
        legend(
          drawn.series.map(({ name }) => name),
          pagePalette,
        ),
      )}${new Markup(lineChart(drawn, pagePalette))}</figure>`;

const table = ({ title, columns, rows }: ReportTable): Markup =>
  html`<h2>${title}</h2><div class="scroll"><table><thead><tr>${columns.map((name) => html`<th>${name}</th>`)}</tr></thead>
<tbody>${rows.map(([first, ...rest]) => html`<tr><th scope="row">${first}</th>${rest.map((cell) => html`<td>${cell}</td>`)}</tr>`)}</tbody></table></div>`;

/**
 * The page.
 *
 * @param graphs the original first, then the samples
 * @param notes  what was dropped and repaired, in sentences
 * @returns      a complete HTML document without scripts and without references to anything outside it
 */
export function graphReport(
  title: string,
  notes: readonly string[],
  graphs: readonly NamedGraph[],
  tables: readonly ReportTable[],
): string {
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<title>Sparseland: ${title}</title><style>${new Markup(style)}</style></head>
<body><header><h1>${title}</h1>${notes.map((note) => html`<p class="faint">${note}</p>`)}</header>
<main><h2>Degree distributions</h2><div class="charts">${chart(figure("Out-degree", "cols", graphs))}${chart(figure("In-degree", "rows", graphs))}</div>
${tables.map(table)}</main><footer>Made by sparseland graph sample.</footer></body></html>
`.text;
}
