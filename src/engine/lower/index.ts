/** Which rule lowers which operation. */
import { InputError } from "../../core/index.js";
import { BINARY, UNARY } from "../../kernels/index.js";
import type { Operation } from "../../program/index.js";
import type { Lowering } from "../lowering.js";
import { lowerBatchNorm, lowerBatchNormGrad, lowerBatchNormInference, lowerReluGrad } from "./batch-norm.js";
import { lowerBroadcast, lowerWhere } from "./broadcast.js";
import { lowerConv } from "./conv.js";
import { lowerConvInputGrad, lowerConvWeightGrad } from "./conv-gradients.js";
import { lowerBinary, lowerCast, lowerConstant, lowerPassed, lowerUnary } from "./elementwise.js";
import { lowerGather, lowerOneHot, lowerRandom, lowerRowSums, lowerTopK } from "./gather.js";
import { lowerConvInt8, lowerDequantise, lowerQuantise } from "./int8.js";
import { lowerLinearInt8, lowerMaxPoolInt8, lowerMeanInt8 } from "./int8-pool.js";
import { lowerLayerNorm, lowerLayerNormGrad } from "./layer-norm.js";
import { lowerMatmul } from "./matmul.js";
import { lowerAdam, lowerSgd } from "./optimiser.js";
import { lowerPool, lowerPoolGrad } from "./pool.js";
import { lowerArgmax, lowerPick, lowerPickGrad, lowerReduce, lowerSoftmax, lowerSoftmaxGrad } from "./reduce.js";
import { lowerConcat, lowerPad, lowerReshape, lowerScatterSlice, lowerSlice, lowerTranspose } from "./shape.js";

type Rule = (l: Lowering, operation: Operation) => void;

const rules: Record<string, Rule> = {
  constant: lowerConstant,
  stopGradient: lowerUnary,
  customGradient: lowerPassed,
  where: lowerWhere,
  broadcastTo: lowerBroadcast,
  cast: lowerCast,
  reshape: lowerReshape,
  transpose: lowerTranspose,
  slice: lowerSlice,
  scatterSlice: lowerScatterSlice,
  pad: lowerPad,
  concat: lowerConcat,
  sum: lowerReduce,
  mean: lowerReduce,
  reduceMax: lowerReduce,
  reduceMin: lowerReduce,
  sumSquares: lowerReduce,
  softmax: lowerSoftmax,
  logSoftmax: lowerSoftmax,
  softmaxGrad: lowerSoftmaxGrad,
  logSoftmaxGrad: lowerSoftmaxGrad,
  pick: lowerPick,
  pickGrad: lowerPickGrad,
  argmax: lowerArgmax,
  matmul: lowerMatmul,
  conv2d: lowerConv,
  conv2dInputGrad: lowerConvInputGrad,
  conv2dWeightGrad: lowerConvWeightGrad,
  maxPool2d: lowerPool,
  avgPool2d: lowerPool,
  maxPool2dGrad: lowerPoolGrad,
  avgPool2dGrad: lowerPoolGrad,
  batchNorm: lowerBatchNorm,
  batchNormGrad: lowerBatchNormGrad,
  batchNormInference: lowerBatchNormInference,
  layerNorm: lowerLayerNorm,
  rmsNorm: lowerLayerNorm,
  layerNormGrad: lowerLayerNormGrad,
  rmsNormGrad: lowerLayerNormGrad,
  gather: lowerGather,
  scatterAddRows: lowerRowSums,
  segmentSum: lowerRowSums,
  topK: lowerTopK,
  oneHot: lowerOneHot,
  randomUniform: lowerRandom,
  randomNormal: lowerRandom,
  dropoutMask: lowerRandom,
  sgd: lowerSgd,
  adam: lowerAdam,
  quantise: lowerQuantise,
  dequantise: lowerDequantise,
  conv2dInt8: lowerConvInt8,
  meanInt8: lowerMeanInt8,
  maxPoolInt8: lowerMaxPoolInt8,
  linearInt8: lowerLinearInt8,
};
for (const op of Object.keys(UNARY)) rules[op] ??= lowerUnary;
for (const op of Object.keys(BINARY)) rules[op] ??= lowerBinary;
rules["reluGrad"] = (l, operation) => lowerReluGrad(l, operation, () => lowerBinary(l, operation));

/** @throws InputError when the engine has no rule for the operation */
export function lower(l: Lowering, operation: Operation): void {
  const rule = rules[operation.op];
  if (!rule) throw new InputError(`engine: there is no rule for the operation "${operation.op}"`);
  rule(l, operation);
}
