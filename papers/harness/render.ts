/** Results for people: columns in a terminal, tables in Markdown. */
import type { ClaimResult, PaperResult, Table } from "./types.js";

/** A number with about four digits, without noise. */
export function short(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return String(value);
  const size = Math.abs(value);
  return size >= 1e6 || (size > 0 && size < 1e-3) ? value.toExponential(2) : String(Number(value.toPrecision(4)));
}

const measuredText = ({ measured, low, high }: ClaimResult) =>
  low === high ? short(measured) : `${short(measured)} [${short(low)}, ${short(high)}]`;

const claimColumns = ["claim", "where", "paper", "measured [95 %]", "unit", "verdict"] as const;

const claimRow = (claim: ClaimResult): string[] => [
  claim.says + (claim.note === undefined ? "" : ` (${claim.note})`),
  claim.where,
  claim.paper === null ? "-" : short(claim.paper),
  measuredText(claim),
  claim.unit,
  claim.verdict,
];

/** Breaks text into lines of at most `width` characters, at spaces where it can. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

/** A number with its unit, or a dash where there is none. */
const NUMERIC = /^(-|[+−-]?\d[\d,]*(\.\d+)?(e[+-]?\d+)? ?(%|×|[kMGTP]?B|[kMGTP])?)$/;

/** Rows as aligned columns; the first column wraps so that a line fits `width` where it can. Numbers stand to the right. */
export function columnsText(columns: readonly string[], rows: readonly (readonly (string | number)[])[], width = 120): string {
  const cells = [columns, ...rows].map((row) => row.map((cell) => (typeof cell === "number" ? short(cell) : cell)));
  const widths = columns.map((_, i) => Math.max(...cells.map((row) => row[i]?.length ?? 0)));
  const others = widths.slice(1).reduce((sum, w) => sum + w + 2, 0);
  widths[0] = Math.min(widths[0]!, Math.max(24, width - others));
  const right = columns.map(
    (_, i) => rows.length > 0 && rows.every((row) => typeof row[i] === "number" || NUMERIC.test(row[i] ?? "")),
  );
  const line = (row: readonly string[]) => {
    const first = wrap(row[0] ?? "", widths[0]!);
    return first
      .map((part, k) =>
        [
          part.padEnd(widths[0]!),
          ...row
            .slice(1)
            .map((cell, i) => (k > 0 ? "" : right[i + 1] ? cell.padStart(widths[i + 1]!) : cell.padEnd(widths[i + 1]!))),
        ]
          .join("  ")
          .trimEnd(),
      )
      .join("\n");
  };
  return [line(cells[0]!), widths.map((w) => "-".repeat(w)).join("  "), ...cells.slice(1).map(line)].join("\n");
}

/** The table claim / where / paper / measured / verdict, with the paper's further tables, for a terminal. */
export function resultText(result: PaperResult, width = 120): string {
  const { title, arxiv, scale, setting, seeds, claims, tables } = result;
  return [
    `${title} (${arxiv})`,
    `${scale} scale: ${setting}; ${seeds.length} seed${seeds.length === 1 ? "" : "s"}`,
    "",
    columnsText(claimColumns, claims.map(claimRow), width),
    ...tables.flatMap((table) => ["", table.title, columnsText(table.columns, table.rows, width)]),
  ].join("\n");
}

const cell = (value: string | number) =>
  (typeof value === "number" ? short(value) : value).replaceAll("|", "\\|").replaceAll("\n", " ");

const markdownTable = (columns: readonly string[], rows: readonly (readonly (string | number)[])[]): string =>
  [columns, columns.map(() => "---"), ...rows].map((row) => `| ${row.map(cell).join(" | ")} |`).join("\n");

/** A table in Markdown. */
export const tableMarkdown = ({ title, columns, rows }: Table): string => `**${title}**\n\n${markdownTable(columns, rows)}`;

/** `papers/RESULTS.md`: every paper's claims beside what was measured, and where. */
export function resultsMarkdown(results: readonly PaperResult[]): string {
  const claims = results.flatMap((result) => result.claims);
  const count = (verdict: string) => claims.filter((claim) => claim.verdict === verdict).length;
  const parts = results.map((result) => {
    const { slug, title, arxiv, scale, setting, seeds, machine, tables, figure } = result;
    return [
      `## ${slug}`,
      "",
      `*${title}*, ${/^\d{4}\.\d{4,5}$/.test(arxiv) ? `[arXiv:${arxiv}](https://arxiv.org/abs/${arxiv})` : arxiv}`,
      "",
      `${scale} scale: ${setting}; seeds ${seeds.join(", ")}. Machine: ${machine.cpu}, ${machine.cores} cores, ${machine.platform}, Node ${machine.node}.`,
      "",
      markdownTable(claimColumns, result.claims.map(claimRow)),
      "",
      ...tables.flatMap((table) => [tableMarkdown(table), ""]),
      ...(figure === null ? [] : [`![${title}: measured](results/${figure})`, ""]),
    ].join("\n");
  });
  return [
    "# Results",
    "",
    "Written by `sparseland reproduce --all`; do not edit. Each claim of a paper stands beside what was measured here, with a 95 % interval over seeds",
    "and the verdict by a rule that was fixed beforehand (`claims.ts` of the paper's folder). A claim that did not hold is listed like the others.",
    "",
    `${claims.length} claims of ${results.length} papers: ${count("reproduced")} reproduced, ${count("direction only")} direction only, ${count("not reproduced")} not reproduced.`,
    "",
    ...parts,
  ].join("\n");
}
