/** Charts as SVG text, drawn by Observable Plot on a light document (no browser needed). */
import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import type { Figure } from "../../papers/harness/index.js";
import { escapeHtml } from "./html.js";

/** Colours of series: names of CSS variables for a page, literal ones for a file of its own. */
export type Palette = readonly string[];

/** For pages: the style sheet defines the variables for light and dark. */
export const pagePalette: Palette = Array.from({ length: 8 }, (_, i) => `var(--series-${i})`);

/** For SVG files on any background: distinguishable with colour-blind eyes (Okabe and Ito 2008), dark enough on white. */
export const filePalette: Palette = ["#0072b2", "#d55e00", "#008a64", "#b5508a", "#b87f00", "#3a93c9", "#6b6b6b", "#8c510a"];

const symbols = ["circle", "square", "triangle", "diamond", "star", "cross", "wye", "hexagon"] as const;

function draw(options: Plot.PlotOptions): string {
  const { document } = parseHTML("<!doctype html><html><body></body></html>");
  return Plot.plot({ ...options, document: document as unknown as Document }).outerHTML;
}

const size = { width: 640, height: 340, marginLeft: 56, marginRight: 24, marginBottom: 44, marginTop: 24 };

/** How one series is drawn; without one the n-th series has the n-th colour. */
export interface Look {
  /** Place in the palette, which also picks the symbol. */
  readonly colour: number;
  /** 0 is a full line; higher numbers are ever shorter dashes. */
  readonly dash: number;
}

const dashes = ["none", "7 4", "3 3", "1 3"] as const;

/** Colour and symbol of a series; beyond the palette they combine anew. */
const lookOf = ({ colour: i, dash }: Look, palette: Palette) => ({
  colour: palette[i % palette.length]!,
  symbol: symbols[(i + Math.floor(i / palette.length)) % symbols.length]!,
  dash: dashes[dash % dashes.length]!,
});

/** Further wishes for a line chart. */
export interface LineOptions {
  /** Horizontal marks such as "dense". */
  readonly rules?: readonly { readonly y: number; readonly label: string }[];
  /** One per series. */
  readonly looks?: readonly Look[];
  /** The x axis counts: no fractions on its ticks. */
  readonly integers?: boolean;
}

/** Lines with dots, intervals as whiskers, one symbol and colour per series. */
export function lineChart(
  figure: Figure,
  palette: Palette,
  { rules = [], looks = [], integers = false }: LineOptions = {},
): string {
  const marks: Plot.Markish[] = [];
  for (const { y, label } of rules) {
    marks.push(Plot.ruleY([y], { stroke: "currentColor", strokeDasharray: "5 4", strokeOpacity: 0.7 }));
    marks.push(Plot.text([label], { y: () => y, frameAnchor: "left", dy: -7, dx: 4, textAnchor: "start", fill: "currentColor" }));
  }
  figure.series.forEach(({ name, points }, i) => {
    const { colour, symbol, dash } = lookOf(looks[i] ?? { colour: i, dash: 0 }, palette);
    const whiskers = points.filter(({ low, high }) => low !== undefined && high !== undefined && high > low);
    const title = (point: { x: number; y: number }) =>
      `${name}: ${Number(point.x.toPrecision(5))}, ${Number(point.y.toPrecision(5))}`;
    marks.push(Plot.ruleX(whiskers, { x: "x", y1: "low", y2: "high", stroke: colour, strokeOpacity: 0.6 }));
    if (points.length > 1)
      marks.push(Plot.line(points, { x: "x", y: "y", stroke: colour, strokeWidth: 1.75, strokeDasharray: dash }));
    if (points.length <= 40) marks.push(Plot.dot(points, { x: "x", y: "y", fill: colour, symbol, r: 4, title }));
  });
  const xs = figure.series.flatMap(({ points }) => points.map(({ x }) => x));
  const most = Math.max(...xs);
  const every = Math.max(1, Math.ceil((most - Math.min(...xs)) / 12));
  const ticks =
    integers && xs.length > 0
      ? Array.from({ length: Math.floor(most / every) + 1 }, (_, i) => i * every).filter((x) => x >= Math.min(...xs))
      : undefined;
  return draw({
    ...size,
    grid: true,
    style: { fontSize: "12px", background: "transparent" },
    x: {
      label: figure.x.label,
      labelArrow: "none",
      labelAnchor: "center",
      type: figure.x.scale ?? "linear",
      inset: 12,
      ...(ticks ? { ticks, tickFormat: "d" } : {}),
    },
    y: { label: figure.y.label, labelArrow: "none", type: figure.y.scale ?? "linear", nice: true, inset: 6 },
    marks,
  });
}

/** The key to a line chart, as markup: a mark and a name per series. */
export function legend(names: readonly string[], palette: Palette, looks: readonly Look[] = []): string {
  const items = names.map((name, i) => {
    const { colour, symbol, dash } = lookOf(looks[i] ?? { colour: i, dash: 0 }, palette);
    const mark = draw({
      width: 26,
      height: 14,
      margin: 0,
      axis: null,
      x: { domain: [0, 1] },
      y: { domain: [0, 1] },
      marks: [
        Plot.ruleY([0.5], { x1: 0, x2: 1, stroke: colour, strokeWidth: 1.75, strokeDasharray: dash }),
        Plot.dot([[0.5, 0.5]], { fill: colour, symbol, r: 4 }),
      ],
    }).replace("<svg ", '<svg aria-hidden="true" ');
    return `<li>${mark}${escapeHtml(name)}</li>`;
  });
  return `<ul class="legend">${items.join("")}</ul>`;
}

/** One bar per item, its value written beside it. */
export function barChart(
  items: readonly { readonly name: string; readonly value: number; readonly label: string; readonly group: number }[],
  { x, palette, log = false }: { x: string; palette: Palette; log?: boolean },
): string {
  const names = items.map(({ name }) => name);
  const values = items.map(({ value }) => value).filter((value) => value > 0);
  const least = Math.min(...values) / 2;
  return draw({
    ...size,
    height: 60 + 26 * items.length,
    marginLeft: 190,
    marginRight: 96,
    style: { fontSize: "12px", background: "transparent" },
    x: {
      label: x,
      labelArrow: "none",
      grid: true,
      type: log ? "log" : "linear",
      ...(log ? { domain: [least, Math.max(...values) * 1.1] } : {}),
    },
    y: { label: null, domain: names, tickSize: 0, padding: 0.25 },
    marks: [
      Plot.barX(items, {
        x1: log ? () => least : () => 0,
        x2: "value",
        y: "name",
        fill: ({ group }: { group: number }) => palette[group % palette.length]!,
        title: ({ name, label }: { name: string; label: string }) => `${name}: ${label}`,
      }),
      Plot.text(items, { x: "value", y: "name", text: "label", dx: 6, textAnchor: "start", fill: "currentColor" }),
    ],
  });
}

/** A grid of shares in [0, 1]: rows by columns, the percentage in each cell. */
export function shareGrid(cells: readonly { readonly row: string; readonly column: string; readonly share: number }[]): string {
  const rows = [...new Set(cells.map(({ row }) => row))];
  const columns = [...new Set(cells.map(({ column }) => column))];
  const longest = Math.max(...rows.map((row) => row.length));
  // Slanted by 35 degrees, a letter of the heads rises four pixels.
  const top = 26 + Math.min(160, 4.2 * Math.max(...columns.map((column) => column.length)));
  return draw({
    width: Math.max(640, 150 + 74 * columns.length),
    height: 20 + top + 26 * rows.length,
    marginLeft: Math.min(220, 24 + 7 * longest),
    marginTop: top,
    marginBottom: 8,
    marginRight: 40,
    style: { fontSize: "12px", background: "transparent" },
    x: { axis: "top", label: null, domain: columns, tickRotate: -35, tickSize: 0 },
    y: { label: null, domain: rows, tickSize: 0 },
    marks: [
      Plot.cell(cells, {
        x: "column",
        y: "row",
        inset: 1,
        rx: 2,
        fill: () => "var(--series-0)",
        fillOpacity: ({ share }: { share: number }) => 0.06 + 0.5 * share ** 3,
        title: ({ row, column, share }: { row: string; column: string; share: number }) =>
          `${column}, ${row}: ${(100 * share).toFixed(2)} %`,
      }),
      Plot.text(cells, {
        x: "column",
        y: "row",
        text: ({ share }: { share: number }) => (100 * share).toFixed(1),
        fill: "currentColor",
      }),
    ],
    opacity: { type: "identity" },
  });
}

/** A figure as an SVG file of its own, title and key included. */
export function figureFile(figure: Figure): string {
  const chart = lineChart(figure, filePalette);
  const rowHeight = 20;
  const keyTop = 34;
  const columns = 2;
  const rows = Math.ceil(figure.series.length / columns);
  const top = keyTop + rows * rowHeight + 6;
  const keys = figure.series.map(({ name }, i) => {
    const x = 60 + (i % columns) * 290;
    const y = keyTop + Math.floor(i / columns) * rowHeight + 12;
    return `<rect x="${x}" y="${y - 9}" width="12" height="10" rx="2" fill="${lookOf({ colour: i, dash: 0 }, filePalette).colour}"/><text x="${x + 18}" y="${y}">${escapeHtml(name)}</text>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size.width} ${top + size.height}" width="${size.width}" height="${top + size.height}" role="img" aria-label="${escapeHtml(figure.title)}" font-family="system-ui, sans-serif" font-size="12" color="#1c1e21">`,
    '<rect width="100%" height="100%" fill="white"/>',
    `<text x="56" y="22" font-size="14" font-weight="600" fill="#1c1e21">${escapeHtml(figure.title)}</text>`,
    `<g fill="#1c1e21">${keys.join("")}</g>`,
    `<g transform="translate(0 ${top})">${chart}</g>`,
    "</svg>\n",
  ].join("\n");
}
