/** Normalisations and softmax. */
import { InputError, sizeOf } from "../../../core/index.js";
import type { Value } from "../../graph.js";
import * as op from "../../ops/index.js";
import { type NodeView, type Rule, refuse } from "../node.js";

const batchNorm: Rule = (n) => {
  if (n.int("training_mode", 0) !== 0) refuse("BatchNormalization in training mode");
  for (let i = 1; i < 5; i++) if (n.isUsed(i)) refuse("the statistics outputs of BatchNormalization");
  return op.batchNormInference(n.value(0), n.value(1), n.value(2), n.value(3), n.value(4), n.float("epsilon", 1e-5));
};

/** (x - mean) / sqrt(variance + eps) over axes. */
function standardised(x: Value, axes: readonly number[], eps: number): Value {
  const gap = op.sub(x, op.mean(x, axes, true));
  return op.mul(gap, op.rsqrt(op.affine(op.mean(op.square(gap), axes, true), 1, eps)));
}

/** A vector of channels beside [N, C, ...]. */
const perChannel = (v: Value, x: Value): Value =>
  op.reshape(
    v,
    x.shape.map((_, i) => (i === 1 ? v.shape[0]! : 1)),
  );

const instanceNorm: Rule = (n) => {
  const x = n.value(0);
  if (x.shape.length < 3) throw new InputError(`expected [N, C, ...], got [${x.shape.join(", ")}]`);
  const y = standardised(x, x.shape.map((_, i) => i).slice(2), n.float("epsilon", 1e-5));
  return op.add(op.mul(y, perChannel(n.value(1), x)), perChannel(n.value(2), x));
};

const groupNorm: Rule = (n) => {
  const x = n.value(0);
  const groups = n.int("num_groups", 0);
  const channels = x.shape[1] ?? 0;
  if (groups < 1 || channels % groups !== 0)
    throw new InputError(`num_groups is ${groups}, expected a divisor of ${channels} channels`);
  const flat = op.reshape(x, [x.shape[0]!, groups, -1]);
  const y = op.reshape(standardised(flat, [2], n.float("epsilon", 1e-5)), x.shape);
  // Before operator set 21, scale and bias are per group.
  const spread = (v: Value): Value => {
    if (v.shape[0] === channels) return perChannel(v, x);
    const wide = op.broadcastTo(op.reshape(v, [groups, 1]), [groups, channels / groups]);
    return perChannel(op.reshape(wide, [channels]), x);
  };
  return op.add(op.mul(y, spread(n.value(1))), spread(n.value(2)));
};

/** Normalisation over the axes from `axis` on, as one over the last axis of a matrix. */
function overTail(n: NodeView, f: (x: Value, scale: Value, bias: Value, eps: number) => Value): Value {
  const x = n.value(0);
  const axis = n.axis(n.int("axis", -1), x.shape.length);
  const width = sizeOf(x.shape.slice(axis));
  if (sizeOf(n.shape(1)) !== width)
    refuse(`a scale [${n.shape(1).join(", ")}] beside normalised axes [${x.shape.slice(axis).join(", ")}]`);
  const vector = (i: number): Value =>
    n.weight(i, n.shape(i).length === 1 ? {} : { shape: [width] }) ?? op.reshape(n.value(i), [width]);
  const bias = n.has(2) ? vector(2) : op.constant(n.graph, [width], 0);
  const flat = axis === x.shape.length - 1 ? x : op.reshape(x, [...x.shape.slice(0, axis), width]);
  return op.reshape(f(flat, vector(1), bias, n.float("epsilon", 1e-5)), x.shape);
}

const layerNorm: Rule = (n) => {
  if (n.isUsed(1) || n.isUsed(2)) refuse("the statistics outputs of LayerNormalization");
  return overTail(n, (x, scale, bias, eps) => op.layerNorm(x, scale, bias, eps));
};

const lpNorm: Rule = (n) => {
  const x = n.value(0);
  const axis = n.axis(n.int("axis", -1), x.shape.length);
  const p = n.int("p", 2);
  if (p !== 1 && p !== 2) throw new InputError(`p is ${p}, expected 1 or 2`);
  return op.div(x, p === 1 ? op.sum(op.abs(x), axis, true) : op.sqrt(op.sumSquares(x, axis, true)));
};

/** x / (bias + alpha / size * sum of squares over `size` neighbouring channels) ^ beta. */
const localResponse: Rule = (n) => {
  const x = n.value(0);
  const [size, channels] = [n.int("size", 0), x.shape[1] ?? 0];
  if (size < 1 || size > 2 * channels) throw new InputError(`size is ${size}, expected 1 to twice the ${channels} channels`);
  const before = Math.floor((size - 1) / 2);
  const sides = (v: number): number[] => x.shape.map((_, i) => (i === 1 ? v : 0));
  const wide = op.pad(op.square(x), sides(before), sides(size - 1 - before));
  let total = op.sliceAxis(wide, 1, 0, channels);
  for (let i = 1; i < size; i++) total = op.add(total, op.sliceAxis(wide, 1, i, i + channels));
  const base = op.affine(total, n.float("alpha", 1e-4) / size, n.float("bias", 1));
  return op.mul(x, op.powScalar(base, -n.float("beta", 0.75)));
};

/** Since operator set 13 along one axis; before, over all axes from it on. */
const along =
  (f: (x: Value, axis: number) => Value): Rule =>
  (n) => {
    const x = n.value(0);
    const axis = n.axis(n.int("axis", n.opset >= 13 ? -1 : 1), x.shape.length);
    if (n.opset >= 13 || axis === x.shape.length - 1) return f(x, axis);
    return op.reshape(f(op.reshape(x, [sizeOf(x.shape.slice(0, axis)), -1]), 1), x.shape);
  };

/** Normalisations by name. */
export const normRules: Readonly<Record<string, Rule>> = {
  BatchNormalization: batchNorm,
  InstanceNormalization: instanceNorm,
  GroupNormalization: groupNorm,
  LayerNormalization: layerNorm,
  RMSNormalization: (n) => overTail(n, (x, scale, _, eps) => op.rmsNorm(x, scale, eps)),
  LpNormalization: lpNorm,
  LRN: localResponse,
  MeanVarianceNormalization: (n) => standardised(n.value(0), n.ints("axes") ?? [0, 2, 3], 1e-9),
  Softmax: along((x, axis) => op.softmax(x, axis)),
  LogSoftmax: along((x, axis) => op.logSoftmax(x, axis)),
};
