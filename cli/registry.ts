/**
 * The subcommands: each one a file of `cli/commands/`, loaded only when it is asked for.
 *
 * To add one: write `cli/commands/<name>.ts` with
 * `export const register: Register = (command, terminal) => { command.argument(...).option(...).action(async (...) => { ... }); }`
 * and list it here. `--json`, `--seed`, `--threads`, `--out` and `--verbose` are there already (`CommonOptions`).
 */
import type { CommandEntry } from "./command.js";

/** All subcommands, in the order of `--help`. */
export const commands: readonly CommandEntry[] = [
  {
    name: "run",
    summary: "train the networks of a recipe, save, reload and time them, write a report",
    load: () => import("./commands/run.js"),
  },
  {
    name: "methods",
    summary: "the catalogue of methods, with method cards and options",
    load: () => import("./commands/methods.js"),
  },
  {
    name: "report",
    summary: "write report.html again from results.json, one run or several joined",
    load: () => import("./commands/report.js"),
  },
  {
    name: "inspect",
    summary: "a model's layers: sparsity, the kernel taken and why, where sparsity begins to pay",
    load: () => import("./commands/inspect.js"),
  },
  {
    name: "bench",
    summary: "time a model on this machine, beside the same model with dense kernels",
    load: () => import("./commands/bench.js"),
  },
  {
    name: "prune",
    summary: "make a trained network sparse or smaller, and say what it cost and what it brings",
    load: () => import("./commands/prune.js"),
  },
  {
    name: "convert",
    summary: "write a model in another form: ONNX for any runtime, or a model file of Sparseland",
    load: () => import("./commands/convert.js"),
  },
  {
    name: "reproduce",
    summary: "measure the claims of papers and print them beside the published numbers",
    load: () => import("./commands/reproduce.js"),
  },
  {
    name: "index",
    summary: "learned sparse retrieval: build, describe, search, evaluate and tune an index",
    load: () => import("./commands/index.js"),
  },
  {
    name: "query",
    summary: "search an index with words or a vector",
    load: () => import("./commands/query.js"),
  },
  {
    name: "sdr",
    summary: "sparse distributed representations: false matches and misses of one setting",
    load: () => import("./commands/sdr.js"),
  },
  { name: "graph", summary: "directed graphs: sample, describe, convert", load: () => import("./commands/graph.js") },
];
