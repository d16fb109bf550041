/** File formats: bytes to plain named arrays and back. Nothing here touches files or the network. */
export * from "./array.js";
export * from "./cifar.js";
export * from "./csv.js";
export { decodeGguf, type GgufFile, type GgufTensor, type GgufValue, loadGguf, readGguf } from "./gguf.js";
export { crc32, gunzip, gzip, isGzip } from "./gzip.js";
export * from "./idx.js";
export * from "./mat.js";
export { readNpy, writeNpy } from "./npy.js";
export * from "./npz.js";
export * from "./onnx.js";
export * from "./onnx-tensor.js";
export * from "./safetensors.js";
export * from "./sparse-safetensors.js";
export * from "./sparse-tensor.js";
export * from "./svmlight.js";
export { readTar } from "./tar.js";
export { type Quantization, readTflite, type TfliteModel, type TfliteOperator, type TfliteTensor } from "./tflite.js";
export { readZip, writeZip } from "./zip.js";
