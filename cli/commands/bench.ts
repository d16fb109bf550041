/** `sparseland bench <model>`: the time of a saved model on this machine, beside the same model with dense kernels. */
import { availableParallelism } from "node:os";
import { Option } from "commander";
import { columnsText, thisMachine } from "../../papers/harness/index.js";
import { createEngine } from "../../src/engine/index.js";
import type { CommonOptions, Register } from "../command.js";
import { against } from "../network/against.js";
import { addSourceOptions, modelForms, readSource, type SourceFlags } from "../network/source.js";
import { printResult } from "../print.js";
import { milliseconds, times } from "../report/html.js";
import { positive } from "./model-argument.js";

interface Options extends CommonOptions, SourceFlags {
  readonly batch: readonly number[];
  readonly runs: number;
}

const batches = (text: string) => text.split(",").map((part) => positive(part.trim()));

/** The `bench` command. */
export const register: Register = (command, terminal) => {
  addSourceOptions(command.argument("<model>", modelForms))
    .addOption(new Option("--batch <list>", "batch sizes, separated by commas").argParser(batches).default([1, 64], "1,64"))
    .addOption(new Option("--runs <n>", "timed runs of each figure; the least counts").argParser(positive).default(50))
    .addHelpText("after", "\nWithout --threads it measures with one thread and with all. --seed and --out have no meaning here.")
    .action(async (path: string, options: Options) => {
      const { file, batch: own } = readSource(terminal, path, options);
      if (own !== "any") terminal.err(`batch ${own.fixed} only: ${own.reason}\n`);
      const wanted = own === "any" ? options.batch : [own.fixed];
      const name = file.metadata["name"] ?? path;
      const counts = options.threads === undefined ? [...new Set([1, availableParallelism()])] : [options.threads];
      const rows: {
        name: string;
        batch: number;
        threads: number;
        ms: number;
        denseMs: number;
        medianMs: number;
        denseMedianMs: number;
        speedup: number;
        sparseLayers: number;
      }[] = [];
      for (const threads of counts) {
        const engine = await createEngine({ threads });
        try {
          terminal.err(`timing with ${threads} thread${threads === 1 ? "" : "s"}\n`);
          const sizes = wanted.map((batch) => ({ batch, runs: options.runs }));
          const { times: found, layers } = await against(engine, file, file, sizes, terminal.now);
          const sparseLayers = layers.filter(({ choice }) => choice === "sparse").length;
          for (const time of found) rows.push({ name, threads, ...time, speedup: time.denseMs / time.ms, sparseLayers });
        } finally {
          engine.close();
        }
      }
      const machine = thisMachine();
      printResult(terminal, options, { machine, rows }, () => {
        const cells = rows.map((row) => [
          row.name,
          row.batch,
          row.threads,
          `${milliseconds(row.ms)} (${milliseconds(row.medianMs)})`,
          `${milliseconds(row.denseMs)} (${milliseconds(row.denseMedianMs)})`,
          times(row.speedup),
          row.sparseLayers,
        ]);
        const table = columnsText(
          ["model", "batch", "threads", "ms", "dense kernels, ms", "speed-up", "sparse layers"],
          cells,
          terminal.columns,
        );
        return `${table}\n\nLeast (median) of ${options.runs} runs in turns, on ${machine.cpu}; the speed-up is of the least.`;
      });
    });
};
