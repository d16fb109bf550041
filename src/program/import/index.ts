/** Models of other tools as programs. */
export { type Imported, type ImportOptions, importOnnx, onnxExternalFiles, type Port, supportedOnnxOperators, type Unsupported, unsupportedOperators } from "./onnx.js";
export { importTflite, type TfliteOptions, supportedTfliteOperators, unsupportedTfliteOperators } from "./tflite.js";
