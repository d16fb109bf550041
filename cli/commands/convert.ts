/** `sparseland convert <model>`: a model in another form, for Sparseland (safetensors) or for any other runtime (ONNX). */
import { extname, resolve } from "node:path";
import { Option } from "commander";
import { writeWhole } from "../../src/core/files.node.js";
import { InputError } from "../../src/core/index.js";
import { exportOnnx } from "../../src/program/index.js";
import { denseOf, packModel, writeModel } from "../../src/runtime/index.js";
import type { CommonOptions, Register } from "../command.js";
import { countsOf, masksOfFile } from "../network/file.js";
import { folded } from "../network/fold.js";
import { addSourceOptions, modelForms, readSource, type SourceFlags } from "../network/source.js";
import { printResult } from "../print.js";
import { bytes, percent, whole } from "../report/html.js";

interface Options extends CommonOptions, SourceFlags {
  readonly sparse?: true;
  readonly fold: boolean;
}

/** The `convert` command. */
export const register: Register = (command, terminal) => {
  addSourceOptions(command.argument("<model>", modelForms))
    .addOption(
      new Option("--sparse", "ONNX only: write pruned weights as sparse initialisers (onnxruntime reads them, many tools do not)"),
    )
    .addOption(new Option("--no-fold", "keep batch norm as its own layers"))
    .addHelpText(
      "after",
      "\n--out is the file to write: .onnx (standard operators, operator set 17) or .safetensors (a model file of Sparseland, pruned weights\ncompressed). Zeros that are there already stay; nothing is pruned. --seed and --threads have no meaning here.",
    )
    .action((path: string, options: Options) => {
      const form = extname(options.out ?? "").toLowerCase();
      if (options.out === undefined || (form !== ".onnx" && form !== ".safetensors"))
        throw new InputError(
          `--out: expected the file to write, such as --out model.onnx or --out model.safetensors, got ${options.out ?? "none"}`,
        );
      if (options.sparse && form !== ".onnx")
        throw new InputError("--sparse: only ONNX has a choice; safetensors are always compressed");
      const source = readSource(terminal, path, options);
      const place = resolve(terminal.folder, options.out);
      if (place === resolve(terminal.folder, path))
        throw new InputError(`--out: ${options.out} is the model itself; name another file`);
      const bytesInside = Object.values(source.file.params).some(({ kind }) => kind === "int8");
      if (bytesInside && form === ".onnx")
        throw new InputError(
          `${path}: is quantised to int8, ONNX is written of f32 models; prune without --quantise and convert that`,
        );
      const masks = masksOfFile(source.file);
      const { program, params } = options.fold ? folded(source.program, source.params) : source;
      const content =
        form === ".onnx"
          ? exportOnnx(
              { program, params, masks },
              { sparse: options.sparse === true, name: source.name, metadata: source.metadata },
            )
          : writeModel(bytesInside ? source.file : packModel({ program, params, masks, metadata: source.metadata }));
      writeWhole(place, content);
      const counts = Object.entries(source.file.params).map(([key, param]) => ({
        ...countsOf(param),
        zeros: denseOf(param).data.reduce((n, w) => n + Number(w === 0), 0),
        pruned: key in masks,
      }));
      const pruned = counts.filter((count) => count.pruned);
      const sum = (list: typeof counts, key: "params" | "zeros") => list.reduce((n, count) => n + count[key], 0);
      const document = {
        model: path,
        file: options.out,
        bytes: { given: source.bytesOnDisk, written: content.length },
        params: sum(counts, "params"),
        prunedWeights: pruned.length,
        sparsity: pruned.length === 0 ? 0 : sum(pruned, "zeros") / sum(pruned, "params"),
        batch: source.batch,
      };
      printResult(terminal, options, document, () => {
        const sparse =
          pruned.length === 0 ? "no pruned weights" : `${pruned.length} pruned weights (${percent(document.sparsity, 1)} zeros)`;
        const batch = source.batch === "any" ? "" : `\nbatch ${source.batch.fixed} only: ${source.batch.reason}`;
        return `${options.out}: ${bytes(content.length)} (${path}: ${bytes(source.bytesOnDisk)}), ${whole(document.params)} parameters, ${sparse}${batch}`;
      });
    });
};
