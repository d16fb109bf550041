/** Resizing of planes: nearest, linear and cubic, separable, each axis one product with a table of weights. */
import { InputError } from "../../../core/index.js";
import type { Value } from "../../graph.js";
import * as op from "../../ops/index.js";
import { type NodeView, type Rule, refuse } from "../node.js";

/** One axis to resize. */
export interface Axis {
  readonly axis: number;
  readonly from: number;
  readonly to: number;
  readonly scale: number;
}

/** The place in the input that output position `i` looks at. */
function placeOf(mode: string, i: number, { from, to, scale }: Axis): number {
  switch (mode) {
    case "half_pixel":
      return (i + 0.5) / scale - 0.5;
    case "half_pixel_symmetric": {
      const adjusted = to / (scale * from);
      return (from / 2) * (1 - adjusted) + (i + 0.5) / scale - 0.5;
    }
    case "pytorch_half_pixel":
      return to > 1 ? (i + 0.5) / scale - 0.5 : 0;
    case "align_corners":
      return to > 1 ? (i * (from - 1)) / (to - 1) : 0;
    case "asymmetric":
      return i / scale;
    case "tf_half_pixel_for_nn":
      return (i + 0.5) / scale;
    default:
      return refuse(`coordinate_transformation_mode "${mode}"`);
  }
}

function nearest(mode: string, place: number): number {
  switch (mode) {
    case "round_prefer_floor":
      return Math.ceil(place - 0.5);
    case "round_prefer_ceil":
      return Math.floor(place + 0.5);
    case "floor":
      return Math.floor(place);
    case "ceil":
      return Math.ceil(place);
    default:
      return refuse(`nearest_mode "${mode}"`);
  }
}

/** Keys 1981 with parameter a, at distance t in [0, 2). */
function cubic(t: number, a: number): number {
  if (t <= 1) return (a + 2) * t ** 3 - (a + 3) * t ** 2 + 1;
  return a * t ** 3 - 5 * a * t ** 2 + 8 * a * t - 4 * a;
}

/** Weights [to, from] of linear interpolation. */
export function linearTable(coordinate: string, axis: Axis): Float64Array {
  const { from, to } = axis;
  const weights = new Float64Array(to * from);
  for (let i = 0; i < to; i++) {
    const inside = Math.min(Math.max(placeOf(coordinate, i, axis), 0), from - 1);
    const low = Math.floor(inside);
    weights[i * from + low]! += 1 - (inside - low);
    weights[i * from + Math.min(low + 1, from - 1)]! += inside - low;
  }
  return weights;
}

/** Weights [to, from] of one axis. */
function table(kind: string, n: NodeView, coordinate: string, axis: Axis): Float64Array {
  if (kind === "linear") return linearTable(coordinate, axis);
  const { from, to } = axis;
  const weights = new Float64Array(to * from);
  const put = (i: number, at: number, w: number) => {
    weights[i * from + Math.min(Math.max(at, 0), from - 1)]! += w;
  };
  for (let i = 0; i < to; i++) {
    const place = placeOf(coordinate, i, axis);
    if (kind === "nearest") put(i, nearest(n.text("nearest_mode", "round_prefer_floor"), place), 1);
    else {
      if (n.int("exclude_outside", 0)) refuse("cubic resizing with exclude_outside");
      const low = Math.floor(place);
      for (let k = -1; k <= 2; k++) put(i, low + k, cubic(Math.abs(place - low - k), n.float("cubic_coeff_a", -0.75)));
    }
  }
  return weights;
}

/** Whether each input is repeated `times` times in a row. */
function repeats(weights: Float64Array, { from, to }: Axis): number | undefined {
  if (to % from !== 0) return undefined;
  const times = to / from;
  for (let i = 0; i < to; i++) if (weights[i * from + Math.floor(i / times)] !== 1) return undefined;
  return times;
}

/** Weights of one axis that are kept. */
export const MOST = 2 ** 20;

/** Resizes one axis by its weights [to, from]. */
export function along(x: Value, weights: Float64Array, axis: Axis): Value {
  const rank = x.shape.length;
  const { axis: at, from, to } = axis;
  const times = repeats(weights, axis);
  if (times !== undefined) {
    const apart = [...x.shape.slice(0, at + 1), 1, ...x.shape.slice(at + 1)];
    const wide = apart.map((d, i) => (i === at + 1 ? times : d));
    return op.reshape(
      op.broadcastTo(op.reshape(x, apart), wide),
      x.shape.map((d, i) => (i === at ? to : d)),
    );
  }
  const matrix = op.constant(x.graph, [to, from], Array.from(weights, Math.fround));
  const swap = x.shape.map((_, i) => (i === at ? rank - 1 : i === rank - 1 ? at : i));
  return op.transpose(op.matmul(op.transpose(x, swap), matrix, { transposeB: true }), swap);
}

function resizeTo(n: NodeView, axes: readonly Axis[], kind: string, coordinate: string): Value {
  let y = n.value(0);
  for (const axis of axes) {
    if (axis.from === axis.to && axis.scale === 1) continue;
    if (axis.from * axis.to > MOST) refuse(`resizing from ${axis.from} to ${axis.to}`);
    y = along(y, table(kind, n, coordinate, axis), axis);
  }
  return y;
}

const resize: Rule = (n) => {
  const shape = n.shape(0);
  const eleven = n.opset >= 11;
  const scalesAt = eleven ? 2 : 1;
  const filled = (i: number): boolean => n.has(i) && n.shape(i).join() !== "0";
  const axes = (n.ints("axes") ?? shape.map((_, i) => i)).map((a) => n.axis(a, shape.length));
  const list = (values: readonly number[], what: string) => {
    if (values.length !== axes.length) throw new InputError(`${what} are [${values.join(", ")}], expected ${axes.length} numbers`);
    return values;
  };
  const plan = ((): Axis[] => {
    if (eleven && filled(3)) {
      const sizes = list(n.integers(3, "sizes"), "sizes");
      if (n.text("keep_aspect_ratio_policy", "stretch") !== "stretch") refuse("keep_aspect_ratio_policy");
      return axes.map((axis, i) => ({ axis, from: shape[axis]!, to: sizes[i]!, scale: sizes[i]! / shape[axis]! }));
    }
    const scales = list(filled(scalesAt) ? n.numbers(scalesAt, "scales") : (n.floats("scales") ?? []), "scales");
    return axes.map((axis, i) => ({ axis, from: shape[axis]!, to: Math.floor(shape[axis]! * scales[i]!), scale: scales[i]! }));
  })();
  for (const { to } of plan)
    if (!Number.isSafeInteger(to) || to < 1) throw new InputError(`resizing to ${to} pixels, expected at least 1`);
  const kind = n.text("mode", "nearest");
  if (!["nearest", "linear", "cubic"].includes(kind)) refuse(`mode "${kind}"`);
  if (n.int("antialias", 0) && plan.some((a) => a.to < a.from)) refuse("antialias when shrinking");
  // Before operator set 11 there were no modes: positions divide by the scale, and nearest rounds down.
  if (!eleven) return resizeOld(n, plan, kind);
  return resizeTo(n, plan, kind, n.text("coordinate_transformation_mode", "half_pixel"));
};

function resizeOld(n: NodeView, plan: readonly Axis[], kind: string): Value {
  let y = n.value(0);
  for (const axis of plan) {
    if (axis.from === axis.to) continue;
    if (axis.from * axis.to > MOST) refuse(`resizing from ${axis.from} to ${axis.to}`);
    const weights = new Float64Array(axis.from * axis.to);
    for (let i = 0; i < axis.to; i++) {
      const place = Math.min(i / axis.scale, axis.from - 1);
      const low = Math.floor(place);
      const part = kind === "linear" ? place - low : 0;
      weights[i * axis.from + low]! += 1 - part;
      weights[i * axis.from + Math.min(low + 1, axis.from - 1)]! += part;
    }
    y = along(y, weights, axis);
  }
  return y;
}

/** Resizing operators by name. */
export const resizeRules: Readonly<Record<string, Rule>> = { Resize: resize, Upsample: resize };
