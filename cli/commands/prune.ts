/** `sparseland prune <model>`: makes a trained network sparse or smaller, writes it, and says what it cost and what it brings. */
import { join, resolve } from "node:path";
import { InvalidArgumentError, Option } from "commander";
import { thisMachine } from "../../papers/harness/index.js";
import { writeWhole } from "../../src/core/files.node.js";
import { InputError, sizeOf, type Tensor, type Tree } from "../../src/core/index.js";
import { createEngine } from "../../src/engine/index.js";
import { channelGraph, describeChannels } from "../../src/program/index.js";
import { packModel, readModel, writeModel } from "../../src/runtime/index.js";
import type { Register } from "../command.js";
import { adviceText } from "../network/advice.js";
import { against } from "../network/against.js";
import { folded } from "../network/fold.js";
import { addSourceOptions, modelForms, readSource } from "../network/source.js";
import { printResult } from "../print.js";
import { createProgress } from "../progress.js";
import { normalisationNotes, readData } from "../prune/data.js";
import { foresee } from "../prune/foresee.js";
import { optionsOf, type PruneFlags, planOf } from "../prune/options.js";
import { pruneSource } from "../prune/prune.js";
import { int8Report, layerReports, type PruneReport, reportText } from "../prune/report.js";
import { forgetCheckpoint } from "../prune/tuning.js";
import { percent } from "../report/html.js";
import { lockFolder } from "../run/lock.js";
import { fraction } from "./model-argument.js";

const whole =
  (least: number) =>
  (text: string): number => {
    if (!/^\d{1,9}$/.test(text) || Number(text) < least)
      throw new InvalidArgumentError(`Expected an integer of at least ${least}.`);
    return Number(text);
  };
const positiveNumber = (text: string): number => {
  const value = Number(text);
  if (!(value > 0 && value < Number.POSITIVE_INFINITY)) throw new InvalidArgumentError("Expected a number above 0.");
  return value;
};
const numbers = (text: string): number[] => {
  const values = text.split(",").map(Number);
  if (values.some((v) => !Number.isFinite(v))) throw new InvalidArgumentError("Expected numbers separated by commas.");
  return values;
};
const collect = (text: string, before: readonly string[]): string[] => [...before, text];

/** Timed runs of the whole network. */
const RUNS = 30;

/** The `prune` command. */
export const register: Register = (command, terminal) => {
  addSourceOptions(command.argument("<model>", modelForms))
    .addOption(new Option("--method <name>", "ranks weights by: magnitude, random, wanda, sparsegpt").default("magnitude"))
    .addOption(
      new Option("--sparsity <fraction>", "share of zeros among the pruned weights, or of channels that go").argParser(fraction),
    )
    .addOption(new Option("--pattern <name>", "unstructured, row, N:M, block:RxC, kernels:G, channels").default("unstructured"))
    .addOption(
      new Option(
        "--distribution <name>",
        "how the sparsity is split over layers: uniform, uniform+, er, erk, erk+, global",
      ).default("uniform"),
    )
    .addOption(new Option("--repair <name>", "new values for kept weights from calibration data: none, least-squares, obs"))
    .addOption(
      new Option(
        "--data <name>",
        "for accuracy, calibration and fine-tuning: fashion-mnist, mnist, cifar10, a folder of pictures (train/ and test/, a folder per class, or labels.csv), or arrays by input name (.npz, .npy)",
      ),
    )
    .addOption(
      new Option("--label-offset <n>", "added to the class numbers of pictures: 1 where output 0 is the background")
        .argParser(whole(0))
        .default(0),
    )
    .addOption(new Option("--calibrate <n>", "training examples to calibrate on").argParser(whole(1)).default(256))
    .addOption(new Option("--finetune <epochs>", "epochs of training under the mask; resumable").argParser(whole(0)).default(0))
    .addOption(new Option("--rate <r>", "highest learning rate of the fine-tuning").argParser(positiveNumber).default(0.02))
    .addOption(new Option("--gradual", "raise the sparsity over the first half of the fine-tuning (Zhu and Gupta)"))
    .addOption(
      new Option("--exclude <layer>", "leave a layer dense: a path, or a pattern with *; may be repeated")
        .argParser(collect)
        .default([], "none"),
    )
    .addOption(
      new Option("--layer <layer=sparsity>", "a layer's own sparsity; may be repeated, later rules win")
        .argParser(collect)
        .default([], "none"),
    )
    .addOption(
      new Option("--also-prune <kind>", "prune what stays dense by default: first, depthwise, last; may be repeated")
        .argParser(collect)
        .default([], "none"),
    )
    .addOption(new Option("--rearrange", "first put channels into an order in which groups keep more (SparseByteNN)"))
    .addOption(
      new Option("--quantise <type>", "int8: weights and activations as bytes, ranges from calibration data; pairs with block:4x4"),
    )
    .addOption(new Option("--no-reestimate", "keep batch-norm statistics as they are"))
    .addOption(new Option("--no-fold", "write batch norm as its own layers, to prune the file again later"))
    .addOption(new Option("--mean <list>", "mean of each input channel, on the scale 0 to 1").argParser(numbers))
    .addOption(new Option("--std <list>", "deviation of each input channel").argParser(numbers))
    .addOption(new Option("--limit <n>", "use the first n training and test examples").argParser(whole(1)))
    .addOption(new Option("--explain", "only print the channel groups, what cutting one unit removes and why; prune nothing"))
    .addHelpText(
      "after",
      "\n--out is the folder for model.safetensors, report.json and report.txt. The first convolution, depthwise convolutions and the last\nlayer stay dense unless --also-prune or --layer says otherwise. A fine-tuning that was stopped goes on after its last finished epoch when the same command is given again.\n--threads defaults to 1: times are comparable.",
    )
    .action(async (path: string, flags: PruneFlags) => {
      if (flags.explain) {
        const { program } = readSource(terminal, path, flags);
        const graph = channelGraph(program.one);
        printResult(terminal, flags, graph, () => describeChannels(graph));
        return;
      }
      const plan = planOf(flags);
      if (flags.out === undefined)
        throw new InputError("--out: expected a folder for the model and the report, such as --out pruned");
      const out = resolve(terminal.folder, flags.out);
      const source = readSource(terminal, path, flags);
      const data = await readData(terminal, flags, source);
      const progress = createProgress(terminal);
      const release = flags.finetune > 0 ? lockFolder(out) : () => {};
      const engine = await createEngine({ threads: flags.threads ?? 1 });
      const bar = progress.bar("prune", 1000);
      try {
        for (const note of data?.notes ?? []) progress.log(note);
        const advice = await foresee(engine, source, plan, terminal.now);
        for (const line of adviceText(advice, `${percent(plan.sparsity, 1)} (${flags.pattern})`)) progress.log(line);
        const pruned = await pruneSource(source, plan, flags, {
          engine,
          data,
          seed: flags.seed ?? 0,
          folder: out,
          now: terminal.now,
          progress: (done, total, words) => bar.update((1000 * done) / total, words),
          log: progress.log,
        });
        const pack = (program: typeof source.program, params: Tree<Tensor>) =>
          flags.fold ? folded(program, params) : { program, params };
        const small = pack(pruned.program, pruned.params);
        const metadata = { ...source.metadata, ...normalisationNotes(data), "sparseland.prune": JSON.stringify(optionsOf(flags)) };
        const content = writeModel(packModel({ ...small, masks: pruned.masks, int8: pruned.int8?.scales ?? {}, metadata }));
        const given = pack(source.program, source.params);
        const dense = packModel({ ...given, metadata: source.metadata });
        const reread = readModel(content);
        progress.log("timing, dense and sparse in turns");
        const { times, layers: timings } = await against(engine, reread, dense, [{ batch: 1, runs: RUNS }], terminal.now);
        const fileScore = data ? await data.scoreFile(engine, reread) : { accuracy: null, deviation: null };
        const count = (params: Tree<Tensor>) => Object.values(params).reduce((n, { shape }) => n + sizeOf(shape), 0);
        const weights = pruned.layers.reduce((n, layer) => n + layer.weights, 0);
        const zeros = pruned.layers.reduce((n, layer) => n + layer.weights - layer.kept, 0);
        const touched = pruned.layers.filter(({ path: layer }) => pruned.masks[layer]).reduce((n, layer) => n + layer.weights, 0);
        const report: PruneReport = {
          model: source.name,
          options: optionsOf(flags),
          machine: { ...thisMachine() },
          threads: engine.threads,
          stages: pruned.stages,
          accuracyOfFile: fileScore.accuracy,
          deviationOfFile: fileScore.deviation,
          params: { before: count(given.params), after: count(small.params), nonZero: count(small.params) - zeros },
          sparsity: touched === 0 ? null : { prunedLayers: zeros / touched, allWeights: zeros / weights },
          bytes: { given: source.bytesOnDisk, dense: writeModel(dense).length, pruned: content.length },
          time: {
            denseMs: times[0]!.denseMs,
            prunedMs: times[0]!.ms,
            speedup: times[0]!.denseMs / times[0]!.ms,
            medians: { denseMs: times[0]!.denseMedianMs, prunedMs: times[0]!.medianMs },
          },
          forecast: advice,
          layers: layerReports(pruned.layers, timings, pruned.int8?.scales),
          int8: pruned.int8 ? int8Report(pruned.int8.notes) : null,
          groups: pruned.groups,
          rearranged: pruned.rearranged,
          curve: pruned.curve,
        };
        writeWhole(join(out, "model.safetensors"), content);
        if (pruned.channels !== null) writeWhole(join(out, "channels.txt"), `${pruned.channels}\n`);
        writeWhole(join(out, "report.txt"), `${reportText(report, 160)}\n`);
        writeWhole(join(out, "report.json"), `${JSON.stringify(report, null, 2)}\n`);
        forgetCheckpoint(out);
        printResult(
          terminal,
          flags,
          report,
          () =>
            `${reportText(report, terminal.columns)}\n\nwritten: ${join(flags.out!, "model.safetensors")}, report.json, report.txt`,
        );
      } finally {
        bar.stop();
        progress.stop();
        engine.close();
        release();
      }
    });
};
