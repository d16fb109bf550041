/**
 * What int8 costs on real weights and real pictures: top-1 of MobileNetV1-0.25-128 and MobileNetV2-1.0-224 in f32 and quantised, dense,
 * and with their 1x1 convolutions pruned in 4x4 blocks (least-squares repair, no fine-tuning).
 *
 *     SPARSELAND_DATA=../shared/data npx tsx bench/inference/int8-accuracy.ts [pictures]
 *
 * The data folder holds `mobilenet/` (TFLite files and weights) and `imagenet-sample/` (labels.csv, images). Every fifth picture calibrates,
 * the others are counted.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import jpeg from "jpeg-js";
import { createRng, type Tensor, type Tree } from "../../src/core/index.js";
import { createEngine } from "../../src/engine/index.js";
import { joinTflite } from "../../src/formats/testing/tflite-graph.node.js";
import { type BatchProgram, importTflite } from "../../src/program/index.js";
import { createSession, type ModelFile, packModel, readModel, writeModel } from "../../src/runtime/index.js";
import { type Calibration, pruneProgram, quantise } from "../../src/train/index.js";

const limit = Number(process.argv[2] ?? 500);
const data = process.env["SPARSELAND_DATA"] ?? "../shared/data";
const dataFile = (path: string): Uint8Array => readFileSync(join(data, path));
const text = (path: string) => new TextDecoder().decode(dataFile(path));

interface Pictures {
  readonly x: readonly Float32Array[];
  readonly labels: readonly number[];
}

/** Pictures as (pixel - 128) / 128, bilinear at pixel centres. */
function pictures(size: number): Pictures {
  const lines = text("imagenet-sample/labels.csv")
    .trim()
    .split("\n")
    .slice(1, limit + 1);
  const x = lines.map((line) => {
    const image = jpeg.decode(dataFile(`imagenet-sample/images/${line.split(",")[0]}`), { useTArray: true });
    const step = image.width / size;
    const out = new Float32Array(3 * size * size);
    for (let p = 0; p < size * size; p++) {
      const [v, u] = [Math.floor(p / size), p % size].map((i) => Math.max(0, (i + 0.5) * step - 0.5)) as [number, number];
      const [r, c] = [Math.floor(v), Math.floor(u)];
      const [a, b] = [v - r, u - c];
      for (let k = 0; k < 3; k++) {
        const pixel = (i: number, j: number): number =>
          image.data[4 * (Math.min(i, image.height - 1) * image.width + Math.min(j, image.width - 1)) + k]!;
        const mixed =
          (1 - a) * ((1 - b) * pixel(r, c) + b * pixel(r, c + 1)) + a * ((1 - b) * pixel(r + 1, c) + b * pixel(r + 1, c + 1));
        out[k * size * size + p] = (Math.round(mixed) - 128) / 128;
      }
    }
    return out;
  });
  return { x, labels: lines.map((line) => Number(line.split(",")[1])) };
}

const engine = await createEngine();

/** Top-1 of a model file over the pictures that do not calibrate. Class 0 of these networks is the background. */
async function top1(file: ModelFile, { x, labels }: Pictures): Promise<number> {
  const session = await createSession(readModel(writeModel(file)), { engine });
  const [input] = Object.keys(session.inputs) as [string];
  let right = 0;
  let count = 0;
  x.forEach((picture, i) => {
    if (i % 5 === 0) return;
    const [output] = Object.values(session.run({ [input]: picture }));
    const best = output!.data.reduce((top, v, k) => (v > output!.data[top]! ? k : top), 0);
    count++;
    if (best - 1 === labels[i]) right++;
  });
  session.close();
  return right / count;
}

interface Row {
  readonly network: string;
  readonly sparsity: number;
  readonly f32: number;
  readonly int8: number;
  readonly bytes: number;
  /** Of the dense f32 file. */
  readonly share: number;
  readonly stays: string;
}

async function rows(network: string, model: { program: BatchProgram; params: Tree<Tensor> }, size: number): Promise<void> {
  const seen = pictures(size);
  const [input] = Object.keys(model.program.one.inputs) as [string];
  const batchSize = 4;
  const chosen = seen.x.filter((_, i) => i % 5 === 0).slice(0, 64);
  const batches = Array.from({ length: Math.floor(chosen.length / batchSize) }, (_, i) => {
    const batch = new Float32Array(batchSize * chosen[0]!.length);
    for (let k = 0; k < batchSize; k++) batch.set(chosen[i * batchSize + k]!, k * chosen[0]!.length);
    return { [input]: batch };
  });
  const calibration: Calibration = { batchSize, batches };
  const dense = writeModel(packModel(model)).length;
  for (const sparsity of [0, 0.5, 0.7]) {
    const common = { ...model, engine, calibration };
    const pruned =
      sparsity === 0
        ? { params: model.params, masks: {} }
        : pruneProgram({
            ...common,
            ...{ method: "magnitude", sparsity, repair: "least-squares", pattern: { kind: "block", rows: 4, cols: 4 } },
            rng: createRng(0),
          });
    const made = quantise({ ...common, params: pruned.params });
    const file = packModel({ program: made.program, params: made.params, int8: made.scales });
    const bytes = writeModel(file).length;
    const stays = new Set(made.notes.filter(({ int8 }) => !int8).map(({ op, reason }) => `${op} (${reason})`));
    const row: Row = {
      network,
      sparsity,
      f32: await top1(packModel({ program: model.program, params: pruned.params, masks: pruned.masks }), seen),
      int8: await top1(file, seen),
      bytes,
      share: bytes / dense,
      stays: [...stays].join(", "),
    };
    console.log(JSON.stringify(row));
  }
}

const V2 = "mobilenet/mobilenet_v2_1.0_224_quant";
await rows("MobileNetV1-0.25-128", importTflite(dataFile("mobilenet/mobilenet_v1_0.25_128_quant.tflite")), 128);
await rows("MobileNetV2-1.0-224", importTflite(joinTflite(join(data, V2))), 224);
engine.close();
