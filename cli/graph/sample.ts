/** `sparseland graph sample`: a small graph with the degree structure of a large one, compared with classical sampling. */
import { resolve } from "node:path";
import { type Command, Option } from "commander";
import { columnsText } from "../../papers/harness/index.js";
import { writeWhole } from "../../src/core/files.node.js";
import { createRng, OptionError } from "../../src/core/index.js";
import {
  type BaselineName,
  baselineNames,
  baselineSample,
  degreeDistances,
  type GraphFormat,
  graphFormats,
  graphProfile,
  sampleDigraph,
} from "../../src/graphs/index.js";
import { printResult } from "../print.js";
import { createProgress } from "../progress.js";
import type { Terminal } from "../terminal.js";
import { describe, loadGraph, type ReadFlags, readLine, readOptions, saveGraph } from "./files.js";
import { graphReport } from "./report.js";
import { bounds, distanceRow, profileRows, round } from "./tables.js";

interface SampleFlags extends ReadFlags {
  readonly ratio: string;
  readonly outFormat?: GraphFormat;
  readonly swaps: string;
  readonly compare: string;
  readonly report?: string;
  readonly profile: boolean;
}

/** Beyond this many arcs the properties that take long (clustering, PageRank) are left out unless asked for. */
const PROFILE_ARCS = 3_000_000;

const DISTANCES = ["sample", "nodes", "arcs", "KS in", "KS out", "TV in x out", "TV joint", "seconds"];

/** Which baselines to run: none, all, or a list of names. */
function chosenBaselines(text: string): BaselineName[] {
  if (text === "none") return [];
  if (text === "all") return [...baselineNames];
  return text.split(",").map((name) => {
    const found = baselineNames.find((known) => known === name.trim());
    if (!found) throw new OptionError("--compare", `none, all, or names out of ${baselineNames.join(", ")}`, name);
    return found;
  });
}

function number(name: string, text: string): number {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (!Number.isFinite(value)) throw new OptionError(name, "a number", text);
  return value;
}

function sample(file: string, flags: SampleFlags, terminal: Terminal): void {
  const ratio = number("--ratio", flags.ratio);
  if (!(ratio > 0 && ratio <= 1)) throw new OptionError("--ratio", "a ratio in (0, 1]", ratio);
  const swaps = number("--swaps", flags.swaps);
  const baselines = chosenBaselines(flags.compare);
  const progress = createProgress(terminal);
  const bar = progress.bar("graph sample", 3 + baselines.length);
  const seed = flags.seed ?? 0;
  try {
    bar.update(0, "reading");
    const original = loadGraph(file, flags, terminal);
    bar.update(1, "sampling");
    const start = terminal.now();
    const result = sampleDigraph(original.graph, { ratio, rng: createRng(seed), swapsPerArc: swaps });
    const seconds = (terminal.now() - start) / 1000;
    const distances = degreeDistances(original.graph, result.graph);
    if (flags.out !== undefined) saveGraph(flags.out, result.graph, flags.outFormat, undefined, terminal);
    bar.update(2, "comparing");
    const others = baselines.map((name, i) => {
      const from = terminal.now();
      const graph = baselineSample(name, original.graph, ratio, createRng(seed).split(name));
      const took = (terminal.now() - from) / 1000;
      bar.update(3 + i, name);
      return { name, graph, seconds: took, distances: degreeDistances(original.graph, graph) };
    });
    const withProfile = flags.profile && original.graph.arcs <= PROFILE_ARCS;
    const profiles = withProfile ? [graphProfile(original.graph), graphProfile(result.graph)] : [];
    const limit = bounds(result);
    const { correlation: _c, joint: _j, ...account } = result.rescaled;
    const document = {
      file,
      ratio,
      seed,
      original: describe(original),
      sample: { seconds, swaps: result.swaps, distances, bounds: limit, ...account },
      baselines: others.map(({ name, graph, seconds: took, distances: far }) => ({
        name,
        nodes: graph.nodes,
        arcs: graph.arcs,
        seconds: took,
        distances: far,
      })),
      ...(withProfile ? { profile: { original: profiles[0], sample: profiles[1] } } : {}),
      ...(flags.out === undefined ? {} : { out: flags.out }),
      ...(flags.report === undefined ? {} : { report: flags.report }),
    };
    const rows = [
      distanceRow("degree matrices (this method)", result.graph, distances, seconds),
      [
        "  at most, by construction",
        "",
        "",
        ...[limit.ksIn, limit.ksOut, Math.min(1, limit.tvCorrelation), Math.min(1, limit.tvJoint)].map(round),
        "",
      ],
      ...others.map(({ name, graph, distances: far, seconds: took }) => distanceRow(name, graph, far, took)),
    ].map((row) => row.map(String));
    const { rescaled } = result;
    const stubs =
      rescaled.cappedIn + rescaled.cappedOut > 0
        ? [`stubs above the highest degree that fits (of the original): ${rescaled.cappedOut} out, ${rescaled.cappedIn} in`]
        : [];
    const distanceTable = { title: "Distances from the original", columns: DISTANCES, rows };
    const profileTable = {
      title: "Properties",
      columns: ["property", "original", "sample"],
      rows: profileRows(profiles).map((row) => row.map(String)),
    };
    if (flags.report !== undefined) {
      const graphs = [
        { name: "original", graph: original.graph },
        { name: "degree matrices (this method)", graph: result.graph },
        ...others,
      ];
      const notes = [`${readLine(file, original)}; ratio ${ratio}, seed ${seed}.`, ...rescaled.repairs, ...stubs];
      writeWhole(
        resolve(terminal.folder, flags.report),
        graphReport(`Sample of ${file}`, notes, graphs, withProfile ? [distanceTable, profileTable] : [distanceTable]),
      );
    }
    progress.stop();
    printResult(terminal, flags, document, () =>
      [
        readLine(file, original),
        "",
        columnsText(DISTANCES, rows, terminal.columns),
        ...(rescaled.repairs.length > 0
          ? ["", "Infeasible as asked, repaired:", ...rescaled.repairs.map((repair) => `  ${repair}`)]
          : []),
        ...stubs.map((line) => `  ${line}`),
        ...(withProfile ? ["", columnsText(profileTable.columns, profileTable.rows, terminal.columns)] : []),
        ...(flags.out === undefined ? [] : ["", `written to ${flags.out}`]),
        ...(flags.report === undefined ? [] : [`report in ${flags.report}`]),
      ].join("\n"),
    );
  } finally {
    progress.stop();
  }
}

/** Adds `sample` to the `graph` command. */
export function registerSample(command: Command, terminal: Terminal): void {
  const sub = readOptions(
    command
      .command("sample")
      .description("a small graph with the degree matrices of a large one, compared with classical sampling"),
  )
    .argument("<file>", "edge list, GraphML, GML or Matrix Market; .gz is unpacked")
    .addOption(new Option("--ratio <p>", "nodes of the sample per node of the original, in (0, 1]").default("0.1"))
    .addOption(new Option("--out-format <name>", "format of --out (default: by its name)").choices([...graphFormats]))
    .addOption(new Option("--swaps <n>", "rewiring attempts per arc that keep both degree matrices").default("1"))
    .addOption(
      new Option("--compare <names>", `none, all, or a list of ${baselineNames.join(", ")}`).default(
        "random-node,random-edge,random-walk,forest-fire",
      ),
    )
    .addOption(new Option("--report <file>", "write the comparison as one HTML page, with the degree distributions"))
    .addOption(
      new Option("--no-profile", `leave out clustering, components and PageRank (left out anyway beyond ${PROFILE_ARCS} arcs)`),
    )
    .addHelpText("after", "\nAlso: --json, --seed <n>, --out <file> (the sample), --verbose.");
  sub.action((file: string) => sample(file, sub.optsWithGlobals<SampleFlags>(), terminal));
}
