/** Prints the kernels' rates: npx tsx bench/kernels/main.ts [spmm|gemm|convolution|spgemv] */
import { convolutionBench } from "./convolution.js";
import { gemmBench } from "./gemm.js";
import { describeRow } from "./measure.js";
import { spgemvBench } from "./spgemv.js";
import { spmmBench } from "./spmm.js";

const suites = { spmm: spmmBench, gemm: gemmBench, convolution: convolutionBench, spgemv: spgemvBench };
for (const name of process.argv.slice(2).length ? process.argv.slice(2) : Object.keys(suites)) {
  const suite = suites[name as keyof typeof suites];
  if (!suite) throw new Error(`expected one of ${Object.keys(suites).join(", ")}, got ${name}`);
  for await (const row of suite()) console.log(describeRow(row, row.flops));
}
