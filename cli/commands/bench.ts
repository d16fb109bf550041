/** `sparseland bench <model>`: the time of a saved model on this machine, beside the same model with dense kernels. */
import { availableParallelism } from "node:os";
import { Option } from "commander";
import { columnsText, thisMachine } from "../../papers/harness/index.js";
import { sizeOf } from "../../src/core/index.js";
import { createEngine } from "../../src/engine/index.js";
import { chooseNetwork } from "../network/choose.js";
import { compileNetwork } from "../network/compiled.js";
import { timeInTurns } from "../network/timing.js";
import { printResult } from "../program.js";
import { createProgress } from "../progress.js";
import type { CommonOptions, Register } from "../registry.js";
import { milliseconds, times } from "../report/html.js";
import { positive, readModel } from "./model-argument.js";

interface Options extends CommonOptions {
  readonly batch: readonly number[];
  readonly runs: number;
}

const batches = (text: string) => text.split(",").map((part) => positive(part.trim()));

/** The `bench` command. */
export const register: Register = (command, terminal) => {
  command
    .argument("<model>", "a model file (.safetensors) that sparseland run wrote")
    .addOption(new Option("--batch <list>", "batch sizes, separated by commas").argParser(batches).default([1, 64], "1,64"))
    .addOption(new Option("--runs <n>", "timed runs of each figure; the median counts").argParser(positive).default(50))
    .addHelpText("after", "\nWithout --threads it measures with one thread and with all. --seed and --out have no meaning here.")
    .action(async (path: string, options: Options) => {
      const { network } = readModel(terminal, path);
      const counts = options.threads === undefined ? [...new Set([1, availableParallelism()])] : [options.threads];
      const progress = createProgress(terminal);
      const rows: { name: string; batch: number; threads: number; ms: number; denseMs: number; speedup: number; sparseLayers: number }[] = [];
      try {
        for (const threads of counts) {
          const engine = await createEngine({ threads });
          try {
            for (const batch of options.batch) {
              progress.log(`batch ${batch}, ${threads} thread${threads === 1 ? "" : "s"}`);
              const { sparse } = chooseNetwork(engine, network, batch, Math.max(3, Math.ceil(options.runs / 5)), terminal.now);
              const plans = [sparse, []].map((paths) => compileNetwork(engine, network, batch, { sparse: paths }));
              const inputs = new Float32Array(batch * sizeOf(network.model.inputShape)).fill(0.5);
              const [ms, denseMs] = timeInTurns(
                plans.map((plan) => ({ run: () => plan.run(inputs) })),
                options.runs,
                terminal.now,
              ) as [number, number];
              for (const plan of plans) plan.close();
              rows.push({ name: network.model.name, batch, threads, ms, denseMs, speedup: denseMs / ms, sparseLayers: sparse.length });
            }
          } finally {
            engine.close();
          }
        }
      } finally {
        progress.stop();
      }
      const machine = thisMachine();
      printResult(terminal, options, { machine, rows }, () => {
        const cells = rows.map((row) => [row.name, row.batch, row.threads, milliseconds(row.ms), milliseconds(row.denseMs), times(row.speedup), row.sparseLayers]);
        const table = columnsText(["model", "batch", "threads", "ms", "dense kernels, ms", "speed-up", "sparse layers"], cells, terminal.columns);
        return `${table}\n\nMedian of ${options.runs} runs in turns, on ${machine.cpu}.`;
      });
    });
};
