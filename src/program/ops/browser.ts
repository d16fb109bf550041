/** Operations on int8 values: their kernels are a module of its own, and the browser has a bundle with them and one without. */
export const INT8_OPS: ReadonlySet<string> = new Set([
  "quantise",
  "dequantise",
  "conv2dInt8",
  "meanInt8",
  "maxPoolInt8",
  "linearInt8",
]);

/** Operations that the browser's bundle for float weights is built without: those of training, and those on int8 values. */
export const NOT_IN_BROWSER_OPS: ReadonlySet<string> = new Set([
  "batchNorm",
  "batchNormGrad",
  "reluGrad",
  "softmaxGrad",
  "logSoftmaxGrad",
  "pick",
  "pickGrad",
  "conv2dInputGrad",
  "conv2dWeightGrad",
  "maxPool2dGrad",
  "avgPool2dGrad",
  "layerNormGrad",
  "rmsNormGrad",
  "scatterAddRows",
  "scatterSlice",
  "segmentSum",
  "randomUniform",
  "randomNormal",
  "dropoutMask",
  "sgd",
  "adam",
  ...INT8_OPS,
]);
