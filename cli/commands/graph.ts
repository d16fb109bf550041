/** `sparseland graph sample|info|convert`: small directed graphs with the degree structure of large ones. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { gzipSync } from "node:zlib";
import { type Command, Option } from "commander";
import { columnsText } from "../../papers/harness/index.js";
import { writeWhole } from "../../src/core/files.node.js";
import { createRng, InputError, OptionError } from "../../src/core/index.js";
import { gunzip, isGzip } from "../../src/formats/index.js";
import {
  type BaselineName,
  baselineNames,
  baselineSample,
  type DegreeDistances,
  type Digraph,
  type DigraphSample,
  degreeDistances,
  type GraphFile,
  type GraphFormat,
  type GraphProfile,
  graphFormats,
  graphProfile,
  guessGraphFormat,
  type ReadOptions,
  readGraph,
  sampleDigraph,
  writeGraph,
} from "../../src/graphs/index.js";
import type { CommonOptions, Register } from "../command.js";
import { printResult } from "../print.js";
import { createProgress } from "../progress.js";
import type { Terminal } from "../terminal.js";

interface ReadFlags extends CommonOptions {
  readonly format?: GraphFormat;
  readonly selfLoops: "drop" | "refuse";
  readonly repeats: "drop" | "refuse";
  readonly undirected: "both" | "refuse";
}

interface SampleFlags extends ReadFlags {
  readonly ratio: string;
  readonly outFormat?: GraphFormat;
  readonly swaps: string;
  readonly compare: string;
  readonly profile: boolean;
}

/** Largest graph file, packed or unpacked: what one array of bytes can hold. */
const MAX_BYTES = 2 ** 31 - 1;
/** Beyond this many arcs the properties that take long (clustering, PageRank) are left out unless asked for. */
const PROFILE_ARCS = 3_000_000;

function readOptions(command: Command): Command {
  return command
    .addOption(
      new Option("--format <name>", "format of the file (default: by its name and first bytes)").choices([...graphFormats]),
    )
    .addOption(new Option("--self-loops <policy>", "self-loops in the file").choices(["drop", "refuse"]).default("drop"))
    .addOption(new Option("--repeats <policy>", "repeated arcs in the file").choices(["drop", "refuse"]).default("drop"))
    .addOption(
      new Option("--undirected <policy>", "edges without direction: two arcs each, or an error")
        .choices(["both", "refuse"])
        .default("both"),
    );
}

/** Reads a graph file, unpacking gzip. @throws InputError for a file that is absent, too large or malformed */
export function loadGraph(file: string, flags: ReadOptions & { readonly format?: GraphFormat }, terminal: Terminal): GraphFile {
  const path = resolve(terminal.folder, file);
  let bytes: Uint8Array = readFileSync(path);
  if (isGzip(bytes)) bytes = gunzip(bytes, MAX_BYTES);
  const format = flags.format ?? guessGraphFormat(path, bytes);
  try {
    return readGraph(bytes, format, flags);
  } catch (error) {
    if (error instanceof InputError) throw new InputError(`${file}: ${error.message}`);
    throw error;
  }
}

/** Writes a graph file whole or not at all; a name that ends in .gz is packed. */
export function saveGraph(
  file: string,
  graph: Digraph,
  format: GraphFormat | undefined,
  label: ((node: number) => string) | undefined,
  terminal: Terminal,
): void {
  const path = resolve(terminal.folder, file);
  const pieces: Buffer[] = [];
  for (const piece of writeGraph(graph, format ?? guessGraphFormat(path), label)) pieces.push(Buffer.from(piece));
  const bytes = Buffer.concat(pieces);
  writeWhole(path, path.endsWith(".gz") ? gzipSync(bytes) : bytes);
}

const describe = ({ graph, selfLoops, repeats, undirected }: GraphFile) => ({
  nodes: graph.nodes,
  arcs: graph.arcs,
  selfLoops,
  repeats,
  undirected,
});

function readLine(file: string, { graph, selfLoops, repeats, undirected }: GraphFile): string {
  const notes = [
    ...(selfLoops > 0 ? [`${selfLoops} self-loops dropped`] : []),
    ...(repeats > 0 ? [`${repeats} repeated arcs dropped`] : []),
    ...(undirected ? ["edges without direction became two arcs"] : []),
  ];
  return `${file}: ${graph.nodes} nodes, ${graph.arcs} arcs${notes.length > 0 ? ` (${notes.join("; ")})` : ""}`;
}

const round = (value: number) => (Number.isInteger(value) ? value : Number(value.toPrecision(4)));

/** The numbers of one graph as rows of a table. */
function profileRows(profiles: readonly GraphProfile[]): (readonly (string | number)[])[] {
  const row = (name: string, of: (profile: GraphProfile) => number) => [name, ...profiles.map((profile) => round(of(profile)))];
  return [
    row("nodes", (p) => p.nodes),
    row("arcs", (p) => p.arcs),
    row("largest in-degree", (p) => p.maxIn),
    row("largest out-degree", (p) => p.maxOut),
    row("degree correlation entries per node", (p) => p.correlationEntries),
    row("joint degree entries per arc", (p) => p.jointEntries),
    row("reciprocity", (p) => p.reciprocity),
    row("mean clustering", (p) => p.clustering),
    row("largest weak component, share", (p) => p.largestWeak),
    row("largest strong component, share", (p) => p.largestStrong),
    row("PageRank mass of the top tenth", (p) => p.pageRankTopDecile),
    row("assortativity out-in", (p) => p.assortativity.outIn),
    row("assortativity out-out", (p) => p.assortativity.outOut),
    row("assortativity in-in", (p) => p.assortativity.inIn),
    row("assortativity in-out", (p) => p.assortativity.inOut),
  ];
}

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

function distanceRow(name: string, graph: Digraph, d: DegreeDistances, seconds: number): readonly (string | number)[] {
  return [name, graph.nodes, graph.arcs, ...[d.ksIn, d.ksOut, d.tvCorrelation, d.tvJoint].map(round), round(seconds)];
}

/** What is guaranteed of a sample, beside what was measured. */
function bounds({ rescaled }: DigraphSample) {
  const ks = (deviation: number) => (rescaled.nodes === 0 ? 0 : (Math.max(1, deviation) + 0.5) / rescaled.nodes);
  return {
    ksIn: ks(rescaled.levelDeviationIn),
    ksOut: ks(rescaled.levelDeviationOut),
    tvCorrelation: rescaled.correlationStep.bound,
    tvJoint: rescaled.jointStep.bound,
  };
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
    };
    progress.stop();
    printResult(terminal, flags, document, () => {
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
      return [
        readLine(file, original),
        "",
        columnsText(["sample", "nodes", "arcs", "KS in", "KS out", "TV in x out", "TV joint", "seconds"], rows, terminal.columns),
        ...(rescaled.repairs.length > 0
          ? ["", "Infeasible as asked, repaired:", ...rescaled.repairs.map((repair) => `  ${repair}`)]
          : []),
        ...(rescaled.cappedIn + rescaled.cappedOut > 0
          ? [`  stubs above the highest degree that fits (of the original): ${rescaled.cappedOut} out, ${rescaled.cappedIn} in`]
          : []),
        ...(withProfile ? ["", columnsText(["property", "original", "sample"], profileRows(profiles), terminal.columns)] : []),
        ...(flags.out === undefined ? [] : ["", `written to ${flags.out}`]),
      ].join("\n");
    });
  } finally {
    progress.stop();
  }
}

/** The `graph` command. */
export const register: Register = (command, terminal) => {
  const flagsOf = <T>(sub: Command) => sub.optsWithGlobals() as T;
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
    .addOption(
      new Option("--no-profile", `leave out clustering, components and PageRank (left out anyway beyond ${PROFILE_ARCS} arcs)`),
    )
    .addHelpText("after", "\nAlso: --json, --seed <n>, --out <file> (the sample), --verbose.");
  sub.action((file: string) => sample(file, flagsOf<SampleFlags>(sub), terminal));

  const info = readOptions(command.command("info").description("the numbers of a graph")).argument(
    "<file>",
    "edge list, GraphML, GML or Matrix Market; .gz is unpacked",
  );
  info.action((file: string) => {
    const flags = flagsOf<ReadFlags>(info);
    const original = loadGraph(file, flags, terminal);
    const profile = graphProfile(original.graph);
    printResult(terminal, flags, { file, ...describe(original), profile }, () =>
      [readLine(file, original), "", columnsText(["property", "value"], profileRows([profile]), terminal.columns)].join("\n"),
    );
  });

  const convert = readOptions(command.command("convert").description("the same graph in another format"))
    .argument("<file>", "edge list, GraphML, GML or Matrix Market; .gz is unpacked")
    .argument("<to>", "file to write; its name gives the format")
    .addOption(new Option("--out-format <name>", "format to write (default: by its name)").choices([...graphFormats]));
  convert.action((file: string, to: string) => {
    const flags = flagsOf<ReadFlags & { readonly outFormat?: GraphFormat }>(convert);
    const original = loadGraph(file, flags, terminal);
    saveGraph(to, original.graph, flags.outFormat, original.label, terminal);
    printResult(terminal, flags, { file, to, ...describe(original) }, () => `${readLine(file, original)}\nwritten to ${to}`);
  });
  command.addHelpText("after", "\nExample: sparseland graph sample polblogs.gml.gz --ratio 0.3 --out small.graphml");
};
