/** Whole networks at batch 1, one thread, timed in turns: dense kernels, group kernels (4 filters x 1 input), unstructured kernels. */
import { createRng, type Tensor, type Tree, tensor } from "../../src/core/index.js";
import { createEngine } from "../../src/engine/index.js";
import { compressDense } from "../../src/formats/index.js";
import { createModel, inferenceProgram } from "../../src/models/index.js";
import { initParams } from "../../src/nn/index.js";
import { anyBatch, atBatch, foldBatchNorm } from "../../src/program/index.js";
import { createSession, type FileParam, type ModelFile, packModel, type Session } from "../../src/runtime/index.js";
import { type PrunedProgram, pruneProgram } from "../../src/train/index.js";
import { type JobContext, median } from "../harness/index.js";
import { type Latency, type LatencyConfig, type Result, ratios } from "./config.js";

/** Measures one round. Weights are random: time depends on where zeros lie, not on values. */
export async function measureLatency({ seed, width, pixels, runs }: LatencyConfig, { now, progress }: JobContext): Promise<Result> {
  const rng = createRng(seed);
  const model = createModel("mobilenetV1", { inputShape: [3, pixels, pixels], width });
  const params = initParams(model.module, rng);
  const engine = await createEngine({ threads: 1 });
  const program = anyBatch((n) => inferenceProgram(model, n));
  const pack = ({ params: values, masks }: Pick<PrunedProgram, "params" | "masks">, block: boolean): ModelFile => {
    const folded = foldBatchNorm(program.one, values).params;
    const file = packModel({ program: anyBatch((n) => foldBatchNorm(atBatch(program, n), values).program), params: folded, masks });
    return block ? { ...file, params: inBlocks(file, folded, masks) } : file;
  };
  const times: Latency[] = [];
  const x = new Float32Array(3 * pixels * pixels).fill(0.1);
  try {
    for (const [i, ratio] of ratios.entries()) {
      progress(i / ratios.length, `latency at ${ratio}`);
      const common = { engine, program, params, method: "random", sparsity: ratio, rng } as const;
      const groups = pruneProgram({ ...common, pattern: { kind: "kernels", filters: 4 } });
      const free = pruneProgram(common);
      const sessions: Session[] = [];
      try {
        sessions.push(await createSession(pack({ params, masks: {} }, false), { engine, kernels: "dense", now }));
        sessions.push(await createSession(pack(groups, true), { engine, kernels: "sparse", now }));
        sessions.push(await createSession(pack(free, false), { engine, kernels: "sparse", now }));
        const samples: number[][] = sessions.map(() => []);
        for (let warm = 0; warm < 20; warm++) for (const session of sessions) session.run({ x });
        for (let round = 0; round < runs; round++) {
          sessions.forEach((session, k) => {
            const start = now();
            session.run({ x });
            samples[k]!.push(now() - start);
          });
        }
        const [denseMs, groupMs, unstructuredMs] = samples.map((list) => Math.min(...list)) as [number, number, number];
        const [dense, group, unstructured] = samples.map((list) => median(list)) as [number, number, number];
        times.push({ ratio, denseMs, groupMs, unstructuredMs, medians: { dense, group, unstructured } });
      } finally {
        for (const session of sessions) session.close();
      }
    }
    return { part: "latency", times };
  } finally {
    engine.close();
  }
}

/** Masked 1x1 and linear weights as blocks of 4 filters by 1 input. */
function inBlocks(file: ModelFile, values: Tree<Tensor>, masks: PrunedProgram["masks"]): Tree<FileParam> {
  return Object.fromEntries(
    Object.entries(file.params).map(([path, param]): [string, FileParam] => {
      if (!masks[path] || param.value.shape[0]! % 4 !== 0) return [path, param];
      const { shape, data } = tensor(values[path]!.shape, values[path]!.data);
      return [path, { kind: "sparse", value: compressDense(data, { shape, layout: "block", block: [4, 1] }, masks[path]!.data) }];
    }),
  );
}
