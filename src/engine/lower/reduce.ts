/** Reductions, softmax and its relatives, picks: along one run of neighbouring axes, row-major; means over pixels stay in planes. */
import { InputError } from "../../core/index.js";
import { REDUCE } from "../../kernels/index.js";
import type { Operation } from "../../program/index.js";
import { cutChannels, cutRows, pixelOf } from "../cut.js";
import { type Planes, ROWS } from "../layout.js";
import { at, type Lowering, local, ONE, type Placed, whole } from "../lowering.js";
import { flatCount } from "./elementwise.js";

const KINDS: Readonly<Record<string, number>> = {
  sum: REDUCE.sum,
  mean: REDUCE.mean,
  reduceMax: REDUCE.max,
  reduceMin: REDUCE.min,
  sumSquares: REDUCE.sumSquares,
};

/** The runs of neighbouring axes, as [first, last] pairs. */
function runs(axes: readonly number[]): [number, number][] {
  const found: [number, number][] = [];
  for (const axis of axes) {
    const last = found.at(-1);
    if (last && last[1] + 1 === axis) last[1] = axis;
    else found.push([axis, axis]);
  }
  return found;
}

const product = (dims: readonly number[]): number => dims.reduce((a, b) => a * b, 1);

/** sum, mean, max, min, sum of squares over axes. */
export function lowerReduce(l: Lowering, operation: Operation): void {
  const [x] = operation.inputs as [number];
  const [y] = operation.outputs as [number];
  const axes = operation.attrs["axes"] as readonly number[];
  const kind = KINDS[operation.op]!;
  const shape = l.type(x).shape;
  if (l.type(x).pattern !== undefined) {
    reduceLive(l, operation, kind);
    return;
  }
  const any = l.any(x);
  if (any.layout.kind === "planes" && operation.op === "mean" && axes.join() === "2,3") {
    meanOverPixels(l, any, y);
    return;
  }
  if (any.layout.kind === "columns" && axes.join() === "0" && shape.length === 2) {
    reduceColumns(l, any, y, kind);
    return;
  }
  if (any.layout.kind === "planes" && axes.join() === "0,2,3" && (operation.op === "sum" || operation.op === "mean")) {
    sumChannels(l, any, y, operation.op);
    return;
  }
  // Inner runs first: the axes of outer runs keep their positions.
  let from: Placed = l.rows(x);
  const dims = [...shape];
  const list = runs(axes);
  if (list.length === 0) list.push([0, -1]);
  list.reverse().forEach(([a, b], i) => {
    const outer = product(dims.slice(0, a));
    const axis = product(dims.slice(a, b + 1));
    const inner = product(dims.slice(b + 1));
    for (let d = a; d <= b; d++) dims[d] = 1;
    const last = i === list.length - 1;
    const to: Placed = last
      ? l.allocate(y, ROWS)
      : { buffer: l.temporary(outer * inner * 4, "partial reduction"), offset: 0, layout: ROWS, clean: false };
    const source = from;
    // Squares are taken once, by the first run.
    const own = i > 0 && kind === REDUCE.sumSquares ? REDUCE.sum : kind;
    l.step({
      name: operation.op,
      domain: ONE,
      reads: [whole(source)],
      writes: [whole(to)],
      emit: (call) =>
        call("reduce", {
          outer,
          axis,
          inner,
          kind: own,
          x: at(source),
          so: axis * inner * 4,
          sa: inner * 4,
          y: at(to),
          yo: inner * 4,
        }),
    });
    from = to;
  });
}

function reduceLive(l: Lowering, operation: Operation, kind: number): void {
  const [x] = operation.inputs as [number];
  const [y] = operation.outputs as [number];
  if (operation.op === "mean" || l.size(y) !== 1)
    throw new InputError(`engine: ${operation.op} of a sparse value must be a full reduction other than the mean`);
  const from = l.any(x);
  const to = l.allocate(y, ROWS);
  const axis = flatCount(l, x, from.layout);
  l.step({
    name: operation.op,
    domain: ONE,
    reads: [whole(from)],
    writes: [whole(to)],
    emit: (call) => call("reduce", { outer: 1, axis, inner: 1, kind, x: at(from), so: 0, sa: 4, y: at(to), yo: 4 }),
  });
}

/** Mean over the pixels of planes: [n, c], row-major. */
function meanOverPixels(l: Lowering, from: Placed, y: number): void {
  const layout = from.layout as Planes;
  const to = l.allocate(y, ROWS);
  const { h, w } = layout.geometry;
  const { c, lanes, n } = layout;
  const pooled = l.temporary(layout.groups * c * lanes * 4, "pooled");
  const cut = cutChannels(l, layout, l.bounds.get(from.buffer));
  l.step({
    name: "mean over pixels",
    domain: cut.domain,
    reads: [local(from)],
    writes: [whole(to), { buffer: pooled, local: true }],
    emit(call, { unit }) {
      const piece = cut.piece(unit);
      const { group, c0, c: channels } = piece;
      const own = pooled.address + (group * c + c0) * lanes * 4;
      const images = Math.min(lanes, n - group * lanes);
      call(lanes === 4 ? "gap_n4" : "gap_n1", {
        c: channels,
        h,
        w,
        x: pixelOf(from as Placed & { layout: Planes }, piece),
        xps: layout.plane,
        xrs: layout.row,
        y: own,
      });
      const y = at(to) + (group * lanes * c + c0) * 4;
      call("transpose2d", { rows: channels, cols: images, x: own, xs: lanes * 4, y, ys: c * 4 });
    },
  });
}

/** Sums over images and pixels, one per channel: what a convolution's bias gets. */
function sumChannels(l: Lowering, from: Placed, y: number, op: "sum" | "mean"): void {
  const layout = from.layout as Planes;
  const to = l.allocate(y, ROWS);
  const { c, lanes, n } = layout;
  const { h, w } = layout.geometry;
  const partial = l.temporary(layout.groups * c * 4, "channel sums");
  const pooled = l.temporary(layout.groups * c * lanes * 4, "pooled");
  l.step({
    name: "mean over pixels",
    domain: l.groupDomain(layout),
    reads: [local(from)],
    writes: [
      { buffer: partial, local: true },
      { buffer: pooled, local: true },
    ],
    emit(call, { unit }) {
      const own = pooled.address + unit * c * lanes * 4;
      const images = Math.min(lanes, n - unit * lanes);
      call(lanes === 4 ? "gap_n4" : "gap_n1", {
        c,
        h,
        w,
        x: at(from) + unit * layout.group + layout.origin,
        xps: layout.plane,
        xrs: layout.row,
        y: own,
      });
      call("reduce", {
        outer: c,
        axis: images,
        inner: 1,
        kind: REDUCE.sum,
        x: own,
        so: lanes * 4,
        sa: 4,
        y: partial.address + unit * c * 4,
        yo: 4,
      });
    },
  });
  l.step({
    name: op,
    domain: ONE,
    reads: [{ buffer: partial, local: false }],
    writes: [whole(to)],
    emit(call) {
      call("accumulate", { n: c, parts: layout.groups, stride: c * 4, x: partial.address, y: at(to), acc: 0 });
      const scale = op === "sum" ? h * w : 1 / n;
      call("unary", { n: c, kind: 10, x: at(to), y: at(to), a: scale, b: 0 });
    },
  });
}

function reduceColumns(l: Lowering, from: Placed, y: number, kind: number): void {
  const layout = from.layout as { kind: "columns"; n: number; f: number; stride: number };
  const to = l.allocate(y, ROWS);
  l.step({
    name: "reduce over the batch",
    domain: ONE,
    reads: [whole(from)],
    writes: [whole(to)],
    emit: (call) =>
      call("reduce", { outer: layout.f, axis: layout.n, inner: 1, kind, x: at(from), so: layout.stride, sa: 4, y: at(to), yo: 4 }),
  });
}

/** [outer, axis, inner] of a value along one axis. */
function split(shape: readonly number[], axis: number) {
  return { outer: product(shape.slice(0, axis)), axis: shape[axis]!, inner: product(shape.slice(axis + 1)) };
}

/** softmax and log-softmax. */
export function lowerSoftmax(l: Lowering, operation: Operation): void {
  const [x] = operation.inputs as [number];
  const [y] = operation.outputs as [number];
  const dims = split(l.type(x).shape, operation.attrs["axis"] as number);
  const from = l.rows(x);
  const to = l.allocate(y, ROWS, { value: x, placed: from });
  const so = dims.axis * dims.inner * 4;
  const sa = dims.inner * 4;
  const cut = cutRows(l, dims.outer, dims.axis * dims.inner);
  l.step({
    name: operation.op,
    domain: cut.domain,
    reads: [local(from)],
    writes: [local(to)],
    emit(call, { unit }) {
      const { from: first, count } = cut.range(unit);
      const [x, y] = [at(from) + first * so, at(to) + first * so];
      const kernel = operation.op === "softmax" ? "softmax" : "logsoftmax";
      call(kernel, { ...dims, outer: count, x, so, sa, y, yo: so, ya: sa });
    },
  });
}

/** Gradients of softmax and log-softmax, from dy and the output. */
export function lowerSoftmaxGrad(l: Lowering, operation: Operation): void {
  const [dy, y] = operation.inputs as [number, number];
  const [dx] = operation.outputs as [number];
  const dims = split(l.type(y).shape, operation.attrs["axis"] as number);
  const a = l.rows(dy);
  const b = l.rows(y);
  const to = l.allocate(dx, ROWS);
  const so = dims.axis * dims.inner * 4;
  const sa = dims.inner * 4;
  l.step({
    name: operation.op,
    domain: ONE,
    reads: [whole(a), whole(b)],
    writes: [whole(to)],
    emit: (call) =>
      call(operation.op === "softmaxGrad" ? "softmax_grad" : "logsoftmax_grad", {
        ...dims,
        dy: at(a),
        dyo: so,
        da: sa,
        y: at(b),
        so,
        sa,
        dx: at(to),
        xo: so,
        xa: sa,
      }),
  });
}

/** x[i, labels[i]]. */
export function lowerPick(l: Lowering, operation: Operation): void {
  const [x, labels] = operation.inputs as [number, number];
  const [y] = operation.outputs as [number];
  const [n, k] = l.type(x).shape as [number, number];
  const a = l.rows(x);
  const b = l.rows(labels);
  const to = l.allocate(y, ROWS);
  l.step({
    name: "pick",
    domain: ONE,
    reads: [whole(a), whole(b)],
    writes: [whole(to)],
    emit: (call) => call("pick", { outer: n, axis: k, inner: 1, x: at(a), so: k * 4, sa: 4, labels: at(b), y: at(to) }),
  });
}

/** The adjoint of pick. */
export function lowerPickGrad(l: Lowering, operation: Operation): void {
  const [dy, labels] = operation.inputs as [number, number];
  const [dx] = operation.outputs as [number];
  const [n, k] = l.type(dx).shape as [number, number];
  const a = l.rows(dy);
  const b = l.rows(labels);
  const to = l.allocate(dx, ROWS);
  l.step({
    name: "pickGrad",
    domain: ONE,
    reads: [whole(a), whole(b)],
    writes: [whole(to)],
    emit: (call) => call("pick_grad", { outer: n, axis: k, inner: 1, dy: at(a), labels: at(b), dx: at(to), xo: k * 4, xa: 4 }),
  });
}

/** Position of the greatest value along an axis. */
export function lowerArgmax(l: Lowering, operation: Operation): void {
  const [x] = operation.inputs as [number];
  const [y] = operation.outputs as [number];
  const dims = split(l.type(x).shape, operation.attrs["axis"] as number);
  const a = l.rows(x);
  const to = l.allocate(y, ROWS);
  l.step({
    name: "argmax",
    domain: ONE,
    reads: [whole(a)],
    writes: [whole(to)],
    emit: (call) => call("argmax", { ...dims, x: at(a), so: dims.axis * dims.inner * 4, sa: dims.inner * 4, y: at(to) }),
  });
}
