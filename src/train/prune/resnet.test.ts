/** ResNet-20 that others trained, on real pictures: what repair gives back. Skipped where the data folder is absent. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { createRng, tensor } from "../../core/index.js";
import { makeDataset, take } from "../../data/index.js";
import { loadDataset } from "../../data/index.node.js";
import { createEngine } from "../../engine/index.js";
import { readSafetensors } from "../../formats/index.js";
import { createModel, inferenceProgram } from "../../models/index.js";
import { anyBatch } from "../../program/index.js";
import { accuracyOf, calibrationOf, pruneProgram } from "./index.js";

const folder = process.env["SPARSELAND_DATA"] ?? "../shared/data";
const weights = join(folder, "cifar10-resnet/resnet20.safetensors");
const present = existsSync(weights) && existsSync(join(folder, "cifar10"));

it.skipIf(!present)(
  "70 % of ResNet-20 in one shot: least-squares repair gives back most of what magnitude pruning loses",
  async () => {
    const file = readSafetensors(readFileSync(weights));
    const model = createModel("resnet20");
    const params = Object.fromEntries(
      Object.entries(model.module.params).map(([path, { shape }]) => [
        path,
        tensor(shape, file.tensors[path]!.data as Float32Array),
      ]),
    );
    const program = anyBatch((batch) => inferenceProgram(model, batch));
    const splits = await loadDataset({ name: "cifar10", source: join(folder, "cifar10"), limit: 300 });
    const normalisation = { scale: 1 / 255, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
    const [train, test] = [makeDataset({ ...splits.train, normalisation }), makeDataset({ ...splits.test, normalisation })];
    const engine = await createEngine();
    try {
      const base = { engine, program, params, method: "magnitude", sparsity: 0.7, distribution: "erk", rng: createRng(1) } as const;
      const plain = accuracyOf(engine, program, pruneProgram(base).params, test, 100);
      const repaired = pruneProgram({
        ...base,
        repair: "least-squares",
        calibration: calibrationOf(program, take(train, 64), 64, createRng(2), 32),
      });
      const dense = accuracyOf(engine, program, params, test, 100);
      expect(dense).toBeGreaterThan(0.88);
      expect(plain).toBeLessThan(dense - 0.2);
      expect(accuracyOf(engine, program, repaired.params, test, 100)).toBeGreaterThan(dense - 0.08);
    } finally {
      engine.close();
    }
  },
  60_000,
);
