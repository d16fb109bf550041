/** The file that a prune writes: batch norm folded, masked weights compressed in the form that has kernels. */
import type { Tensor, Tree } from "../../src/core/index.js";
import { compressDense } from "../../src/formats/index.js";
import { anyBatch, atBatch, type BatchProgram, foldBatchNorm } from "../../src/program/index.js";
import { type FileParam, type ModelFile, packModel } from "../../src/runtime/index.js";
import type { Mask } from "../../src/sparsity/index.js";
import type { PrunePlan } from "./options.js";

/** Batch norm folded into the products before it, for every batch size. */
export function folded(program: BatchProgram, params: Tree<Tensor>): { program: BatchProgram; params: Tree<Tensor> } {
  return {
    program: anyBatch((batch) => foldBatchNorm(atBatch(program, batch), params).program),
    params: foldBatchNorm(program.one, params).params,
  };
}

/** The model file. Blocks of 2x1 and 4x1 are stored as such; every other mask as compressed rows. */
export function packPruned(
  program: BatchProgram,
  params: Tree<Tensor>,
  masks: Tree<Mask>,
  pattern: PrunePlan["pattern"],
  metadata: Tree<string>,
): ModelFile {
  const file = packModel({ program, params, masks, metadata });
  if (pattern.kind !== "block" || pattern.cols !== 1 || (pattern.rows !== 2 && pattern.rows !== 4)) return file;
  const { rows } = pattern;
  const packed = Object.entries(file.params).map(([path, param]): [string, FileParam] => {
    if (param.kind === "dense" || param.value.shape[0]! % rows !== 0) return [path, param];
    const value = params[path]!;
    return [
      path,
      {
        kind: "sparse",
        value: compressDense(value.data, { shape: value.shape, layout: "block", block: [rows, 1] }, masks[path]!.data),
      },
    ];
  });
  return { ...file, params: Object.fromEntries(packed) };
}
