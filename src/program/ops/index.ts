/** All operations: functions that append to a trace, and the registry of definitions. */
import { InputError } from "../../core/index.js";
import type { OpDef } from "../graph.js";
import * as arithmetic from "./arithmetic.js";
import * as batchNorms from "./batch-norm.js";
import * as choose from "./choose.js";
import * as compare from "./compare.js";
import * as control from "./control.js";
import * as conv from "./conv2d.js";
import * as custom from "./custom-gradient.js";
import * as indexing from "./indexing.js";
import * as int8 from "./int8.js";
import * as layerNorms from "./layer-norm.js";
import * as layout from "./layout.js";
import * as matmuls from "./matmul.js";
import * as optimise from "./optimise.js";
import * as pools from "./pool.js";
import * as random from "./random.js";
import * as reduce from "./reduce.js";
import * as softmaxes from "./softmax.js";
import { unaryOps } from "./unary.js";

const families = [
  arithmetic,
  batchNorms,
  choose,
  compare,
  conv,
  indexing,
  int8,
  layout,
  matmuls,
  optimise,
  reduce,
  softmaxes,
  control,
  custom,
  layerNorms,
  pools,
  random,
];
const isOp = (value: unknown): value is OpDef => typeof value === "object" && value !== null && "reference" in value;

/** Every operation definition by name. */
export const operations: ReadonlyMap<string, OpDef> = new Map(
  [...families.flatMap((family): unknown[] => Object.values(family)).filter(isOp), ...(Object.values(unaryOps) as OpDef[])].map(
    (def) => [def.name, def],
  ),
);

/** The definition of an operation. @throws InputError when there is none of that name */
export function operationNamed(name: string): OpDef {
  const def = operations.get(name);
  if (!def) throw new InputError(`unknown operation "${name}"; operations are ${[...operations.keys()].join(", ")}`);
  return def;
}

export { add, affine, broadcastTo, constant, div, mul, neg, reshape, sub, sum } from "./arithmetic.js";
export { batchNorm, batchNormGrad, batchNormInference } from "./batch-norm.js";
export { max, min, pow, where } from "./choose.js";
export { equal, greater, greaterEqual, reluGrad } from "./compare.js";
export { scan, stopGradient, straightThrough } from "./control.js";
export { type ConvAttrs, type ConvOptions, conv2d, conv2dInputGrad, conv2dWeightGrad, windowsOf } from "./conv2d.js";
export { customGradient, type Flow } from "./custom-gradient.js";
export { argmax, cast, gather, oneHot, pick, pickGrad, scatterAddRows, segmentSum, topK } from "./indexing.js";
export {
  conv2dInt8Op,
  dequantiseOp,
  INT8_TOP,
  type Int8ConvAttrs,
  type Int8Range,
  int8Constants,
  int8RowSums,
  int8Weights,
  linearInt8Op,
  maxPoolInt8Op,
  meanInt8Op,
  quantiseOp,
} from "./int8.js";
export { layerNorm, layerNormGrad, rmsNorm, rmsNormGrad } from "./layer-norm.js";
export { concat, pad, scatterSlice, slice, sliceAxis, stack, transpose } from "./layout.js";
export { linear, type MatmulOptions, matmul } from "./matmul.js";
export { adamStep, sgdStep } from "./optimise.js";
export { avgPool2d, avgPool2dGrad, maxPool2d, maxPool2dGrad, type PoolOptions } from "./pool.js";
export { dropout, dropoutMask, randomNormal, randomUniform } from "./random.js";
export { mean, reduceMax, reduceMin, sumSquares } from "./reduce.js";
export { crossEntropy, logSoftmax, logSoftmaxGrad, softmax, softmaxGrad } from "./softmax.js";
export type { Operand } from "./support.js";
export * from "./unary.js";
