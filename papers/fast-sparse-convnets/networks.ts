/** MobileNetV1 for small pictures: trained dense at several widths, and wider ones whose 1x1 layers become sparse while they train. */
import { createRng, type Tree } from "../../src/core/index.js";
import { createEngine } from "../../src/engine/index.js";
import { gradualMagnitude } from "../../src/methods/index.js";
import { createModel, inferenceProgram, type Model } from "../../src/models/index.js";
import { initParams } from "../../src/nn/index.js";
import { anyBatch, atBatch, foldBatchNorm } from "../../src/program/index.js";
import { createSession, type ModelFile, packModel, type Session } from "../../src/runtime/index.js";
import { countKept, keepCount, type Mask, randomMask, selectMask, type Updater } from "../../src/sparsity/index.js";
import { accuracyOf } from "../../src/train/index.js";
import { type JobContext, median } from "../harness/index.js";
import { costOf } from "../shared/cost.js";
import { splitsOf } from "../shared/datasets.js";
import { givenMasks } from "../shared/given-masks.js";
import { mobilenetTraining, trainToEnd } from "../shared/training.js";
import type { LatencyConfig, NetworkConfig, NetworkTime, Result } from "./config.js";

/** MobileNetV1 on 32 x 32 pictures; the first convolution has stride 2, as the paper's pipeline asks of its stem. */
export const network = (width: number): Model =>
  createModel("mobilenetV1", { inputShape: [3, 32, 32], classes: 10, width, firstStride: 2 });

/** Paths of the 1x1 convolutions: what the paper prunes. */
export const pointwise = (model: Model): string[] =>
  Object.entries(model.module.params)
    .filter(([, { kind, role, shape }]) => kind === "weight" && role === "conv" && shape[2] === 1 && shape[3] === 1)
    .map(([path]) => path);

/** The schedule: cubic, from 7 % to 70 % of training, a mask update every 2 %. */
export const scheduleOf = (steps: number): { begin: number; end: number; every: number } => ({
  begin: Math.round(0.07 * steps),
  end: Math.round(0.7 * steps),
  every: Math.max(1, Math.round(0.02 * steps)),
});

/** Trains one network. */
export async function measureNetwork(config: NetworkConfig, context: JobContext): Promise<Result> {
  const { seed, arm, width, sparsity, images, epochs, batch, rate } = config;
  const { train, test } = await splitsOf("cifar10", context.dataFolder, images);
  const model = network(width);
  const sparse = pointwise(model);
  const steps = epochs * Math.floor(train.count / batch);
  const masks = (): Tree<Mask> =>
    Object.fromEntries(
      sparse.map((path): [string, Mask] => {
        const { shape } = model.module.params[path]!;
        const keep = keepCount(
          shape.reduce((a, b) => a * b, 1),
          sparsity,
        );
        return [path, randomMask(shape, keep, createRng(seed).split(path))];
      }),
    );
  const updaters: Readonly<Record<NetworkConfig["arm"], () => Updater | undefined>> = {
    dense: () => undefined,
    gradual: () =>
      gradualMagnitude({
        sparsity,
        ...scheduleOf(steps),
        distribution: "uniform",
        exclude: Object.keys(model.module.params).filter(
          (path) => model.module.params[path]!.prunable && model.module.params[path]!.kind === "weight" && !sparse.includes(path),
        ),
      }),
    random: () =>
      givenMasks(masks(), {
        name: "random-pointwise",
        title: "random positions in the 1x1 layers, from the first step on",
        paper: null,
        criterion: "none",
        distribution: "uniform",
        ranking: "none",
        information: "none",
      }),
  };
  const engine = await createEngine({ threads: context.threads });
  try {
    const trained = await trainToEnd(
      engine,
      mobilenetTraining({ model, train, test, epochs, batch, rate, seed, updater: updaters[arm]() }),
      context,
    );
    const kept = sparse.reduce((n, path) => n + (trained.masks[path] ? countKept(trained.masks[path]!) : 0), 0);
    const all = sparse.reduce((n, path) => n + model.module.params[path]!.shape.reduce((a, b) => a * b, 1), 0);
    const { params, nonZeros, bestBytes } = costOf(model, trained.masks);
    const accuracy =
      100 *
      accuracyOf(
        engine,
        anyBatch((n) => inferenceProgram(model, n)),
        trained.params,
        test,
      );
    return { part: "network", accuracy, params, nonZeros, bestBytes, sparsity: arm === "dense" ? 0 : 1 - kept / all };
  } finally {
    engine.close();
  }
}

/** A network as a user loads it: batch norm folded, 1x1 layers sparse at random positions (time depends on where zeros lie). */
function fileOf(width: number, sparsity: number, blocks: boolean, seed: number): ModelFile {
  const model = network(width);
  const rng = createRng(seed).split(`${width} ${sparsity} ${blocks}`);
  const params = initParams(model.module, rng.split("params"));
  const program = anyBatch((n) => inferenceProgram(model, n));
  const masks: Record<string, Mask> = {};
  if (sparsity > 0) {
    for (const path of pointwise(model)) {
      const { shape } = model.module.params[path]!;
      const scores = Float32Array.from({ length: shape[0]! * shape[1]! }, () => rng.uniform());
      const pattern = blocks
        ? ({ kind: "block", rows: 4, cols: 1 } as const)
        : ({ kind: "unstructured", scope: "tensor" } as const);
      masks[path] = selectMask(pattern, scores, shape, sparsity);
    }
  }
  const folded = foldBatchNorm(program.one, params).params;
  return packModel({ program: anyBatch((n) => foldBatchNorm(atBatch(program, n), params).program), params: folded, masks });
}

/** Times every network through sessions, batch 1, one thread, in turns. */
export async function measureLatency(config: LatencyConfig, { now, progress }: JobContext): Promise<Result> {
  const { seed, runs, dense, width, sparsities } = config;
  const networks = [
    ...dense.map((w) => ({ width: w, sparsity: 0, blocks: false })),
    ...sparsities.flatMap((sparsity) => [false, true].map((blocks) => ({ width, sparsity, blocks }))),
  ];
  const engine = await createEngine({ threads: 1 });
  const sessions: Session[] = [];
  try {
    for (const { width: w, sparsity, blocks } of networks) {
      const kernels = sparsity > 0 ? "measured" : "dense";
      sessions.push(await createSession(fileOf(w, sparsity, blocks, seed), { engine, kernels, now }));
    }
    const x = new Float32Array(3 * 32 * 32).fill(0.1);
    const samples: number[][] = sessions.map(() => []);
    for (let round = -20; round < runs; round++) {
      if (round % 50 === 0) progress(Math.max(0, round) / runs, "networks in turns");
      sessions.forEach((session, k) => {
        const start = now();
        session.run({ x });
        if (round >= 0) samples[k]!.push(now() - start);
      });
    }
    return {
      part: "latency",
      times: networks.map((of, k): NetworkTime => ({ ...of, ms: Math.min(...samples[k]!), medianMs: median(samples[k]!) })),
    };
  } finally {
    for (const session of sessions) session.close();
    engine.close();
  }
}
