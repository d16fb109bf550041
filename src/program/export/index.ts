/** Programs in the file forms of other tools. */
export { EXPORT_OPSET, type ExportInput, type ExportOptions, exportOnnx } from "./onnx.js";
