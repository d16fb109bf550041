/** `sparseland inspect <model>`: layers, sparsity, what was chosen for each and why, and where sparsity would begin to pay. */
import { Option } from "commander";
import { columnsText } from "../../papers/harness/index.js";
import { sizeOf } from "../../src/core/index.js";
import { createEngine } from "../../src/engine/index.js";
import { layersOf } from "../../src/models/index.js";
import { chooseNetwork } from "../network/choose.js";
import { forecast } from "../network/forecast.js";
import { nonZerosOf } from "../network/model-file.js";
import { printResult } from "../program.js";
import type { CommonOptions, Register } from "../registry.js";
import { amount, bytes, milliseconds, percent, whole } from "../report/html.js";
import { positive, readModel } from "./model-argument.js";

interface Options extends CommonOptions {
  readonly batch: number;
  readonly runs: number;
}

/** The `inspect` command. */
export const register: Register = (command, terminal) => {
  command
    .argument("<model>", "a model file (.safetensors) that sparseland run wrote")
    .addOption(new Option("--batch <n>", "batch size to measure at").argParser(positive).default(1))
    .addOption(new Option("--runs <n>", "timed runs of each variant").argParser(positive).default(10))
    .addHelpText("after", "\n--seed and --out have no meaning here; --threads is the number of threads to measure with (default 1).")
    .action(async (path: string, options: Options) => {
      const { network, bytesOnDisk } = readModel(terminal, path);
      const engine = await createEngine({ threads: options.threads ?? 1 });
      try {
        const choice = chooseNetwork(engine, network, options.batch, options.runs, terminal.now);
        const foreseen = new Map(forecast(engine, network, options.batch, options.runs, terminal.now).map((item) => [item.path, item]));
        const chosen = new Map(choice.layers.map((layer) => [layer.path, layer]));
        const layers = layersOf(network.model)
          .filter(({ kind }) => kind === "weight")
          .map(({ path: name, shape, uses, prunable }) => {
            const params = sizeOf(shape);
            const nonZeros = network.masked.includes(name) ? nonZerosOf(network.params[name]!) : params;
            const found = chosen.get(name);
            const seen = foreseen.get(name);
            return {
              name,
              shape,
              prunable,
              params,
              nonZeros,
              sparsity: 1 - nonZeros / params,
              theoreticalFlops: 2 * uses * nonZeros,
              kernel: found?.kernel ?? "dense",
              reason: found?.reason ?? "not pruned",
              denseMs: found?.denseMs ?? seen?.denseMs ?? null,
              sparseMs: found?.sparseMs ?? null,
              breakEven: seen?.breakEven ?? null,
            };
          });
        const total = (of: (layer: (typeof layers)[number]) => number) => layers.reduce((sum, layer) => sum + of(layer), 0);
        const prunable = layers.filter((layer) => layer.prunable);
        const zeros = prunable.reduce((sum, { params, nonZeros }) => sum + params - nonZeros, 0);
        const params = Object.values(network.model.module.params).reduce((sum, { kind, shape }) => sum + (kind === "statistic" ? 0 : sizeOf(shape)), 0);
        const document = {
          model: network.model.name,
          options: network.model.options,
          notes: network.notes,
          batch: options.batch,
          threads: engine.threads,
          params,
          nonZeros: params - zeros,
          sparsity: zeros / prunable.reduce((sum, layer) => sum + layer.params, 0),
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
            layer.prunable ? (layer.breakEven === null ? "never" : percent(layer.breakEven, 0)) : "-",
          ]);
          const head = `${network.model.name}: ${whole(params)} parameters, ${whole(document.nonZeros)} non-zero (sparsity ${percent(document.sparsity)}), ${bytes(bytesOnDisk)} on disk, ${amount(document.theoreticalFlops)} theoretical FLOPs`;
          const table = columnsText(["layer", "shape", "non-zeros", "sparsity", "FLOPs", "dense, ms", "sparse, ms", "taken", "pays above"], rows, terminal.columns);
          const why = choice.layers.map(({ path: name, reason }) => `  ${name}: ${reason}`).join("\n");
          return `${head}\n\n${table}\n\nMeasured at batch ${options.batch}, ${engine.threads} thread${engine.threads === 1 ? "" : "s"}; a layer's times are of its operation alone.${why === "" ? "" : `\n${why}`}`;
        });
      } finally {
        engine.close();
      }
    });
};
