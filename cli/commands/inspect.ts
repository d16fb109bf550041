/** `sparseland inspect <model>`: layers, sparsity, the kernel that is taken for each and why, and where sparsity begins to pay. */
import { Option } from "commander";
import { columnsText } from "../../papers/harness/index.js";
import { createEngine } from "../../src/engine/index.js";
import type { CommonOptions, Register } from "../command.js";
import { adviceText } from "../network/advice.js";
import { addSourceOptions, modelForms, readSource, type SourceFlags } from "../network/source.js";
import { survey } from "../network/survey.js";
import { printResult } from "../print.js";
import { readPatternName } from "../prune/options.js";
import { amount, bytes, milliseconds, percent, whole } from "../report/html.js";
import { fraction, positive } from "./model-argument.js";

interface Options extends CommonOptions, SourceFlags {
  readonly batch: number;
  readonly sparsity: number;
  readonly pattern: string;
}

const time = (ms: number | null): string => (ms === null ? "-" : milliseconds(ms));

/** The `inspect` command. */
export const register: Register = (command, terminal) => {
  addSourceOptions(command.argument("<model>", modelForms))
    .addOption(new Option("--batch <n>", "batch size to measure at").argParser(positive).default(1))
    .addOption(
      new Option("--sparsity <fraction>", "foresee the layers that are dense yet at this sparsity")
        .argParser(fraction)
        .default(0.9),
    )
    .addOption(
      new Option("--pattern <name>", "foresee in this pattern: unstructured, N:M, block:2x1, kernels:G").default("unstructured"),
    )
    .addHelpText(
      "after",
      "\n--threads is the number of threads to measure with (default 1). --seed and --out have no meaning here.",
    )
    .action(async (path: string, options: Options) => {
      const pattern = readPatternName(options.pattern);
      const { file, bytesOnDisk, batch: own } = readSource(terminal, path, options);
      const batch = own === "any" ? options.batch : own.fixed;
      const engine = await createEngine({ threads: options.threads ?? 1 });
      try {
        const found = await survey(engine, file, { ...options, batch, pattern, now: terminal.now });
        const document = {
          file: path,
          metadata: file.metadata,
          batch,
          threads: engine.threads,
          bytesOnDisk,
          ...found,
        };
        printResult(terminal, options, document, () => {
          const rows = found.layers.map((layer) => [
            layer.name,
            layer.shape.join("x"),
            percent(layer.sparsity, 1),
            layer.pattern,
            time(layer.predictedDenseMs),
            time(layer.denseMs),
            time(layer.predictedSparseMs),
            time(layer.sparseMs),
            layer.forecast.length === 0 ? "-" : layer.breakEven === null ? "never" : percent(layer.breakEven, 0),
            layer.kernel,
            layer.reason,
          ]);
          const head = `${file.metadata["model"] ?? path}: ${whole(found.params)} parameters, ${whole(found.nonZeros)} non-zero (sparsity of weights ${percent(found.sparsity)}), ${bytes(bytesOnDisk)} on disk, ${amount(found.theoreticalFlops)} theoretical FLOPs`;
          const names = [
            "layer",
            "shape",
            "sparsity",
            "pattern",
            "dense*",
            "dense",
            "sparse*",
            "sparse",
            "pays above",
            "runs",
            "why",
          ];
          const legend = [
            `Milliseconds at batch ${batch}, ${engine.threads} thread${engine.threads === 1 ? "" : "s"}; a layer's times are of its operation alone, * = predicted: dense from its multiplications and`,
            `this machine's speed on a small network, sparse from random masks (dense layers: at ${percent(options.sparsity, 0)}, ${options.pattern}).`,
            '"pays above": the sparsity from which compressed weights are faster than dense ones on this machine.',
          ].join("\n");
          const advice = found.advice
            ? `\n\n${adviceText(found.advice, `${percent(options.sparsity, 0)} (${options.pattern}) of the dense layers`).join("\n")}`
            : "";
          return `${head}\n\n${columnsText(names, rows, terminal.columns)}\n\n${legend}${advice}`;
        });
      } finally {
        engine.close();
      }
    });
};
