/** The suite of single kernels against the machine's roofline, one thread. */
import { type Row, type SuiteOptions, wanted } from "../row.js";
import { convolutionBench } from "./convolution.js";
import { gemmBench } from "./gemm.js";
import { spgemvBench } from "./spgemv.js";
import { spmmBench } from "./spmm.js";

/** Kernels against the roofline loop of the same run. */
export async function* suite(options: SuiteOptions): AsyncGenerator<Row> {
  for (const bench of [spmmBench, spgemvBench, gemmBench, convolutionBench]) {
    for await (const { flops, ...row } of bench()) {
      if (wanted(options, row.name)) yield { ...row, note: `${(flops / row.sparselandMs / 1e6).toFixed(1)} GFLOPS` };
    }
  }
}
