/** Structured cuts of networks that others trained: the cut network computes what the masked one computes. Missing files are skipped. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createRng, type Tensor, type Tree, tensor } from "../../core/index.js";
import { createEngine, type Engine } from "../../engine/index.js";
import { readSafetensors } from "../../formats/index.js";
import { inferenceProgram, resnet } from "../../models/index.js";
import { worst } from "../../program/import/testing/onnxruntime.js";
import { dataFile, fromGraph, hasData, ocrModels } from "../../program/import/testing/real-files.js";
import { anyBatch, atBatch, type BatchProgram, importOnnx, importTflite, interpret, maskChannels } from "../../program/index.js";
import { storeOf } from "./calibration.js";
import { pruneChannels } from "./index.js";

let engine: Engine;
beforeAll(async () => void (engine = await createEngine()));
afterAll(() => engine.close());

type Network = { readonly program: BatchProgram; readonly params: Tree<Tensor> };

/** All outputs at batch 1 on numbers without order, in the engine or in the reference interpreter. */
function outputs({ program, params }: Network, reference = false): Float32Array[] {
  const one = atBatch(program, 1);
  const rng = createRng(7);
  const inputs = Object.fromEntries(
    Object.entries(one.inputs).map(([name, id]) => {
      const { shape } = one.values[id]!;
      return [
        name,
        tensor(
          shape,
          Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => rng.normal()),
        ),
      ];
    }),
  );
  if (reference) return Object.values(interpret(one, { params, inputs }).outputs).map(({ data }) => data as Float32Array);
  const store = storeOf(engine, one, params);
  const plan = engine.compile(one, store, { frozen: true });
  const found = Object.values(plan.run(inputs)).map(({ data }) => data.slice() as Float32Array);
  plan.close();
  store.close();
  return found;
}

const safetensors = (depth: number, name: string) => (): Network => {
  const model = resnet({ depth });
  const { tensors } = readSafetensors(dataFile(`cifar10-resnet/${name}.safetensors`));
  const params = Object.fromEntries(
    Object.entries(model.module.params).map(([path, { shape }]) => [path, tensor(shape, tensors[path]!.data as Float32Array)]),
  );
  return { program: anyBatch((batch) => inferenceProgram(model, batch)), params };
};
const onnx = (name: string, dims: Record<string, number>) => (): Network =>
  importOnnx(readFileSync(join(ocrModels!, name)), { dims });

/** Name, whether its files are there, how to read it, whether to compare bit for bit in the reference too (seconds). */
const networks: [string, boolean, () => Network, inReference?: true][] = [
  ["ResNet-20", hasData("cifar10-resnet"), safetensors(20, "resnet20"), true],
  ["ResNet-56", hasData("cifar10-resnet"), safetensors(56, "resnet56")],
  ["ResNet-8, .tflite", hasData("mlperf-tiny"), () => importTflite(dataFile("mlperf-tiny/pretrainedResnet.tflite")), true],
  ["MobileNetV1-0.25, .tflite", hasData("mobilenet"), () => importTflite(dataFile("mobilenet/mobilenet_v1_0.25_128_quant.tflite"))],
  ["MobileNetV2-1.0", hasData("mobilenet"), () => importTflite(fromGraph("mobilenet/mobilenet_v2_1.0_224_quant"))],
  ["PP-OCRv4 detection", ocrModels !== undefined, onnx("ch_PP-OCRv4_det_infer.onnx", { "x.2": 96, "x.3": 96 })],
  ["PP-OCRv4 recognition", ocrModels !== undefined, onnx("ch_PP-OCRv4_rec_infer.onnx", { "x.3": 96 })],
  ["PP-OCR orientation", ocrModels !== undefined, onnx("ch_ppocr_mobile_v2.0_cls_infer.onnx", { "x.2": 48, "x.3": 192 }), true],
];

describe("a cut network that others trained", () => {
  for (const [name, there, make, inReference] of networks) {
    it.skipIf(!there)(
      `${name}: computes what the masked one does`,
      () => {
        const { program, params } = make();
        const cut = pruneChannels({ engine, program, params, method: "magnitude", sparsity: 0.3, rng: createRng(1) });
        const size = (tree: Tree<Tensor>) => Object.values(tree).reduce((n, { data }) => n + data.length, 0);
        expect(size(cut.params)).toBeLessThan(0.65 * size(params));
        const masked = { program, params: maskChannels(params, cut.removed) };
        // Kernels sum in another order when there are fewer channels: last bits differ, layer after layer. The reference has none of that.
        const [got, expected] = [outputs(cut), outputs(masked)];
        for (const [k, out] of expected.entries()) expect(worst(got[k]!, out)).toBeLessThan(1e-5);
        if (inReference) expect(outputs(cut, true)).toEqual(outputs(masked, true));
      },
      60_000,
    );
  }
});
