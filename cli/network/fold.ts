/** The program that a prune writes: batch norm folded. */
import type { Tensor, Tree } from "../../src/core/index.js";
import { anyBatch, atBatch, type BatchProgram, foldBatchNorm } from "../../src/program/index.js";

/** Batch norm folded into the products before it, for every batch size. */
export function folded(program: BatchProgram, params: Tree<Tensor>): { program: BatchProgram; params: Tree<Tensor> } {
  return {
    program: anyBatch((batch) => foldBatchNorm(atBatch(program, batch), params).program),
    params: foldBatchNorm(program.one, params).params,
  };
}
