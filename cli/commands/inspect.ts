/** `sparseland inspect <model>`: layers, sparsity, the kernel that is taken for each and why, and where sparsity begins to pay. */
import { Option } from "commander";
import { columnsText } from "../../papers/harness/index.js";
import { createEngine } from "../../src/engine/index.js";
import { timeLayers } from "../../src/runtime/index.js";
import type { CommonOptions, Register } from "../command.js";
import { layersOfFile, totalsOf } from "../network/file.js";
import { forecast } from "../network/forecast.js";
import { timingReason } from "../network/reason.js";
import { addSourceOptions, modelForms, readSource, type SourceFlags } from "../network/source.js";
import { printResult } from "../print.js";
import { amount, bytes, milliseconds, percent, whole } from "../report/html.js";
import { positive } from "./model-argument.js";

interface Options extends CommonOptions, SourceFlags {
  readonly batch: number;
}

/** The `inspect` command. */
export const register: Register = (command, terminal) => {
  addSourceOptions(command.argument("<model>", modelForms))
    .addOption(new Option("--batch <n>", "batch size to measure at").argParser(positive).default(1))
    .addHelpText(
      "after",
      "\n--threads is the number of threads to measure with (default 1). --seed and --out have no meaning here.",
    )
    .action(async (path: string, options: Options) => {
      const { file, bytesOnDisk } = readSource(terminal, path, options);
      const engine = await createEngine({ threads: options.threads ?? 1 });
      try {
        const weights = layersOfFile(file);
        const paths = weights.map((layer) => layer.path);
        const timed = new Map(
          timeLayers(engine, file.program, file.params, options.batch, terminal.now).map((timing) => [timing.path, timing]),
        );
        const foreseen = new Map(forecast(engine, file, paths, options.batch, terminal.now).map((item) => [item.path, item]));
        const layers = weights.map(({ path: name, shape, params, nonZeros, uses }) => {
          const timing = timed.get(name);
          const seen = foreseen.get(name);
          return {
            name,
            shape,
            params,
            nonZeros,
            sparsity: 1 - nonZeros / params,
            theoreticalFlops: 2 * uses * nonZeros,
            kernel: timing?.choice ?? "dense",
            reason: timing ? timingReason(timing) : "not pruned",
            denseMs: timing?.denseMs ?? seen?.denseMs ?? null,
            sparseMs: timing?.sparseMs ?? null,
            breakEven: seen?.breakEven ?? null,
            forecast: seen?.sparseMs ?? [],
          };
        });
        const total = (of: (layer: (typeof layers)[number]) => number) => layers.reduce((sum, layer) => sum + of(layer), 0);
        const document = {
          file: path,
          metadata: file.metadata,
          batch: options.batch,
          threads: engine.threads,
          ...totalsOf(file),
          sparsity: 1 - total(({ nonZeros }) => nonZeros) / total(({ params }) => params),
          bytesOnDisk,
          theoreticalFlops: total(({ theoreticalFlops }) => theoreticalFlops),
          layers,
        };
        printResult(terminal, options, document, () => {
          const rows = layers.map((layer) => [
            layer.name,
            layer.shape.join("x"),
            whole(layer.nonZeros),
            percent(layer.sparsity, 1),
            amount(layer.theoreticalFlops),
            layer.denseMs === null ? "-" : milliseconds(layer.denseMs),
            layer.sparseMs === null ? "-" : milliseconds(layer.sparseMs),
            layer.kernel,
            layer.forecast.length === 0 ? "-" : layer.breakEven === null ? "never" : percent(layer.breakEven, 0),
          ]);
          const head = `${file.metadata["model"] ?? path}: ${whole(document.params)} parameters, ${whole(document.nonZeros)} non-zero (sparsity of weights ${percent(document.sparsity)}), ${bytes(bytesOnDisk)} on disk, ${amount(document.theoreticalFlops)} theoretical FLOPs`;
          const table = columnsText(
            ["layer", "shape", "non-zeros", "sparsity", "FLOPs", "dense, ms", "sparse, ms", "taken", "pays above"],
            rows,
            terminal.columns,
          );
          return `${head}\n\n${table}\n\nMeasured at batch ${options.batch}, ${engine.threads} thread${engine.threads === 1 ? "" : "s"}; a layer's times are of its operation alone. "pays above": the sparsity from which\ncompressed weights are faster than dense ones on this machine, fitted to random masks.`;
        });
      } finally {
        engine.close();
      }
    });
};
