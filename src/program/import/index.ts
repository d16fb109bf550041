/** Models of other tools as programs. */
export type { Imported, ImportOptions, Port, Unsupported } from "./imported.js";
export { importOnnx, onnxExternalFiles, supportedOnnxOperators, unsupportedOperators } from "./onnx.js";
export { importTflite, supportedTfliteOperators, type TfliteOptions, unsupportedTfliteOperators } from "./tflite.js";
