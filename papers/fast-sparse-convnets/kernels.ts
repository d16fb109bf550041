/** The 1x1 layers of MobileNetV2 on the kernels of the package: dense and sparse in turns, one thread. */
import { createRng, type Rng, tensor } from "../../src/core/index.js";
import { createEngine } from "../../src/engine/index.js";
import { compressDense } from "../../src/formats/index.js";
import { anyBatch, conv2d, matmul, trace } from "../../src/program/index.js";
import { type FileParam, timeLayers } from "../../src/runtime/index.js";
import { selectMask } from "../../src/sparsity/index.js";
import type { JobContext } from "../harness/index.js";
import { type Form, type KernelConfig, type KernelTime, type Result, shapes, sparsities } from "./config.js";

/** Rows of the blocks that are chosen, and of those that are held. */
const forms: Readonly<Record<Form, readonly [chosen: number, held: number]>> = {
  single: [1, 1],
  pairs: [2, 2],
  fours: [4, 4],
  "fours held single": [4, 1],
  "fours held in pairs": [4, 2],
};

/** Forms and sparsities that are timed: what is not compared is left out. */
const cases: readonly (readonly [Form, number])[] = [
  ...sparsities.map((sparsity) => ["single", sparsity] as const),
  ...([0.66, 0.8, 0.9, 0.95] as const).flatMap((sparsity) => [["pairs", sparsity] as const, ["fours", sparsity] as const]),
  ["fours held single", 0.9],
  ["fours held in pairs", 0.9],
];

/** A random weight [outputs, inputs] whose blocks of `chosen` rows live or die together, and the same mask each time for one seed. */
export function randomBlocks(outputs: number, inputs: number, chosen: number, sparsity: number, rng: Rng) {
  const shape = [outputs, inputs];
  const scores = Float32Array.from({ length: outputs * inputs }, () => rng.uniform());
  const pattern =
    chosen === 1 ? ({ kind: "unstructured", scope: "tensor" } as const) : ({ kind: "block", rows: chosen, cols: 1 } as const);
  const mask = selectMask(pattern, scores, shape, sparsity).data;
  return { mask, data: Float32Array.from(mask, (live) => (live ? rng.normal() || 1 : 0)) };
}

/** Measures one round. */
export async function measureKernels({ seed }: KernelConfig, { now, progress }: JobContext): Promise<Result> {
  const engine = await createEngine({ threads: 1 });
  const times: KernelTime[] = [];
  const byPixelMs: number[] = [];
  try {
    for (const [at, [pixels, outputs, inputs]] of shapes.entries()) {
      progress(at / shapes.length, `${pixels} x ${outputs} x ${inputs}`);
      // Planes as near to square as their number of pixels allows.
      const rows = Math.sqrt(pixels);
      const byChannel = anyBatch((batch) =>
        trace(({ params, inputs: given }) => ({ outputs: { y: conv2d(given["x"]!, params["w"]!) } }), {
          inputs: { x: { shape: [batch, inputs, rows, pixels / rows] } },
          params: { w: { shape: [outputs, inputs, 1, 1] } },
        }),
      );
      for (const [form, sparsity] of cases) {
        const [chosen, held] = forms[form];
        const rng = createRng(seed).split(`${at} ${chosen} ${sparsity}`);
        const { mask, data } = randomBlocks(outputs, inputs, chosen, sparsity, rng);
        const shape = [outputs, inputs, 1, 1];
        const how = held === 1 ? { shape, layout: "csr" as const } : { shape, layout: "block" as const, block: [held, 1] as const };
        const w: FileParam = { kind: "sparse", value: compressDense(tensor(shape, data).data, how, mask) };
        const [layer] = timeLayers(engine, byChannel, { w }, 1, now);
        times.push({ shape: at, form, sparsity, denseMs: layer!.denseMs, sparseMs: layer!.sparseMs });
      }
      const byPixel = anyBatch((batch) =>
        trace(({ params, inputs: given }) => ({ outputs: { y: matmul(given["x"]!, params["w"]!, { transposeB: true }) } }), {
          inputs: { x: { shape: [batch, inputs] } },
          params: { w: { shape: [outputs, inputs] } },
        }),
      );
      const { data } = randomBlocks(outputs, inputs, 1, 0.5, createRng(seed));
      const w: FileParam = { kind: "sparse", value: compressDense(data, { shape: [outputs, inputs], layout: "csr" }) };
      byPixelMs.push(timeLayers(engine, byPixel, { w }, pixels, now)[0]!.denseMs);
    }
    return { part: "kernels", times, byPixelMs };
  } finally {
    engine.close();
  }
}
