/** The products in plain TypeScript: the paper's order of loops against its rivals, where no kernel of ours has a hand in it. */
import { createRng } from "../../src/core/index.js";
import { compressDense } from "../../src/formats/index.js";
import type { JobContext } from "../harness/index.js";
import { type PlainConfig, type PlainTime, type Result, shapes } from "./config.js";
import { randomBlocks } from "./kernels.js";
import { pack } from "./packing.js";
import { denseByChannel, denseByPixel, gatherByPixel, scalarProduct, sparseProduct } from "./products.js";

/** Strip width of the kernels (MR): 32, as XNNPACK ships for vectors; 8 on a processor without. */
const STRIP = 32;
/** Of `shapes`: an early, a middle and a late layer. */
const timed = [6, 13, 17] as const;

/** Measures one round. */
export async function measurePlain({ seed, runs }: PlainConfig, { now, progress }: JobContext): Promise<Result> {
  const times: PlainTime[] = [];
  let differing = 0;
  for (const [i, at] of timed.entries()) {
    const [pixels, outputs, inputs] = shapes[at]!;
    for (const sparsity of [0.8, 0.9]) {
      progress(i / timed.length, `plain TypeScript, ${pixels} x ${outputs} x ${inputs}`);
      const rng = createRng(seed).split(`${at} ${sparsity}`);
      const { data } = randomBlocks(outputs, inputs, 1, sparsity, rng);
      const fours = randomBlocks(outputs, inputs, 4, sparsity, rng).data;
      const x = Float32Array.from({ length: inputs * pixels }, () => rng.normal());
      const y = new Float32Array(outputs * pixels);
      const csr = compressDense(data, { shape: [outputs, inputs], layout: "csr" });
      const rows = {
        rowPtr: Int32Array.from(csr.rowPtr),
        columns: Int32Array.from(csr.columns),
        values: csr.values as Float32Array,
      };
      const packed = pack(data, outputs, inputs);
      const packedFours = pack(fours, outputs, inputs);
      const work: Readonly<Record<keyof Omit<PlainTime, "shape" | "sparsity">, () => void>> = {
        denseByChannel: () => denseByChannel(data, x, y, outputs, pixels),
        denseByPixel: () => denseByPixel(data, x, y, outputs, pixels),
        gatherByPixel: () => gatherByPixel(rows, x, y, inputs, pixels),
        single: () => sparseProduct(packed, x, y, pixels, STRIP),
        fours: () => sparseProduct(packedFours, x, y, pixels, STRIP),
      };
      const samples = Object.fromEntries(Object.keys(work).map((name) => [name, [] as number[]]));
      for (let round = -2; round < runs; round++) {
        for (const [name, run] of Object.entries(work)) {
          const start = now();
          run();
          if (round >= 0) samples[name]!.push(now() - start);
        }
      }
      const found = Object.fromEntries(Object.entries(samples).map(([name, list]) => [name, Math.min(...list)]));
      times.push({ shape: at, sparsity, ...(found as Omit<PlainTime, "shape" | "sparsity">) });

      const truth = new Float32Array(y.length);
      scalarProduct(data, new Float32Array(outputs), x, truth, pixels);
      for (const strip of [8, 16, 32]) {
        sparseProduct(packed, x, y, pixels, strip);
        for (let k = 0; k < y.length; k++) if (y[k] !== truth[k]) differing++;
      }
    }
  }
  return { part: "plain", times, differing };
}
