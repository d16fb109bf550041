/** Reshape, transpose, slice, pad, concat: copies, or nothing where memory already lies right. */
import { InputError, sizeOf, stridesOf } from "../../core/index.js";
import type { Operation } from "../../program/index.js";
import { cutPlanes, cutRows, LEAST_FLOATS, pixelOf } from "../cut.js";
import { type Planes, planesOf, sameLayout } from "../layout.js";
import { at, type Lowering, local, ONE, type Placed, whole } from "../lowering.js";
import { cutPeriod, type PeriodCut, partsOf, pieceStart } from "../period.js";
import type { PlacedPlanes } from "../placed.js";
import type { Call } from "../step.js";
import { clearPiece } from "./convert.js";
import { alias } from "./elementwise.js";

/** Another shape for the same row-major memory. */
export function lowerReshape(l: Lowering, operation: Operation): void {
  const [x] = operation.inputs as [number];
  const [y] = operation.outputs as [number];
  if (l.type(y).pattern !== undefined) {
    alias(l, x, y);
    return;
  }
  // The same matrix with its rows in other dims: columns stay, and what is pending may still take what follows.
  if (l.type(x).shape.at(-1) === l.type(y).shape.at(-1)) {
    const pending = l.fusable(x);
    if (pending && pending.layout.kind !== "planes") {
      l.advance(x, y);
      return;
    }
    if (l.any(x).layout.kind === "columns") {
      alias(l, x, y);
      return;
    }
  }
  const from = l.rows(x);
  l.place(y, { ...from, clean: false });
}

/**
 * Copies a box of `dims` elements between strided memories (strides in elements), four dims to a call.
 */
export function copyBox(
  call: Call,
  dims: readonly number[],
  x: number,
  xs: readonly number[],
  y: number,
  ys: readonly number[],
): void {
  const d: number[] = [];
  const s: number[] = [];
  const t: number[] = [];
  dims.forEach((n, i) => {
    if (n === 1) return;
    const k = d.length - 1;
    if (k >= 0 && s[k] === xs[i]! * n && t[k] === ys[i]! * n) {
      d[k] = d[k]! * n;
      s[k] = xs[i]!;
      t[k] = ys[i]!;
    } else {
      d.push(n);
      s.push(xs[i]!);
      t.push(ys[i]!);
    }
  });
  while (d.length < 4) {
    d.unshift(1);
    s.unshift(0);
    t.unshift(0);
  }
  const extra = d.length - 4;
  const loops = d.slice(0, extra).reduce((a, b) => a * b, 1);
  for (let i = 0; i < loops; i++) {
    let rest = i;
    let from = x;
    let to = y;
    for (let k = extra - 1; k >= 0; k--) {
      const step = rest % d[k]!;
      rest = (rest - step) / d[k]!;
      from += step * s[k]! * 4;
      to += step * t[k]! * 4;
    }
    call("copy4", {
      d0: d[extra]!,
      d1: d[extra + 1]!,
      d2: d[extra + 2]!,
      d3: d[extra + 3]!,
      x: from,
      s0: s[extra]! * 4,
      s1: s[extra + 1]! * 4,
      s2: s[extra + 2]! * 4,
      s3: s[extra + 3]! * 4,
      y: to,
      t0: t[extra]! * 4,
      t1: t[extra + 1]! * 4,
      t2: t[extra + 2]! * 4,
      t3: t[extra + 3]! * 4,
    });
  }
}

function copyStep(l: Lowering, name: string, from: readonly Placed[], to: Placed, emit: (call: Call) => void): void {
  l.step({ name, domain: ONE, reads: from.map(whole), writes: [whole(to)], emit: (call) => emit(call) });
}

/** Permutes dims. */
export function lowerTranspose(l: Lowering, operation: Operation): void {
  const [x] = operation.inputs as [number];
  const [y] = operation.outputs as [number];
  const perm = operation.attrs["perm"] as readonly number[];
  const from = l.rows(x);
  const shape = l.type(x).shape;
  const placed = l.allocate(y, { kind: "rows" });
  if (perm.length === 2 && perm[0] === 1) {
    const [rows, cols] = shape as [number, number];
    copyStep(l, "transpose", [from], placed, (call) => {
      call("transpose2d", { rows, cols, x: at(from), xs: cols * 4, y: at(placed), ys: rows * 4 });
    });
    return;
  }
  const strides = stridesOf(shape);
  const out = l.type(y).shape;
  // The first dim that can be cut: its slices of the output do not depend on each other.
  const axis = Math.max(
    0,
    out.findIndex((n) => n > 1),
  );
  const cut = cutRows(l, out[axis] ?? 1, l.size(y) / (out[axis] ?? 1));
  l.step({
    name: "transpose",
    domain: cut.domain,
    reads: [whole(from)],
    writes: [local(placed)],
    emit(call, { unit }) {
      const { from: first, count } = cut.range(unit);
      const xs = perm.map((p) => strides[p]!);
      const ys = stridesOf(out);
      const dims = out.map((n, i) => (i === axis ? count : n));
      copyBox(call, dims, at(from) + first * (xs[axis] ?? 0) * 4, xs, at(placed) + first * (ys[axis] ?? 0) * 4, ys);
    },
  });
}

/** Byte offset of the first element of a slice, and its strides. */
function sliceOf(shape: readonly number[], starts: readonly number[], steps: readonly number[]) {
  const strides = stridesOf(shape);
  const offset = starts.reduce((sum, s, i) => sum + s * strides[i]!, 0) * 4;
  return { offset, strides: strides.map((s, i) => s * steps[i]!) };
}

/** Whether a box works image by image on whole channels, so that it can stay in planes. Spatial steps must agree with the geometry. */
function imageBox(shape: readonly number[]): boolean {
  return shape.length === 4;
}

/** x[starts : stops : steps]. */
export function lowerSlice(l: Lowering, operation: Operation): void {
  const [x] = operation.inputs as [number];
  const [y] = operation.outputs as [number];
  const starts = operation.attrs["starts"] as readonly number[];
  const steps = operation.attrs["steps"] as readonly number[];
  const shape = l.type(x).shape;
  const out = l.type(y).shape;
  const placed = l.any(x);
  if (placed.layout.kind === "planes" && imageBox(shape) && out[0] === shape[0]) {
    slicePlanes(l, placed, y, starts, steps);
    return;
  }
  const from = l.rows(x);
  const cut = cutPeriod(l, y);
  const start = pieceStart(shape, operation, out);
  const along = cut && start !== undefined && start % cut.period === 0;
  if (start !== undefined && l.options.frozen) {
    // Short vectors with a period are cut along it and in no other way.
    const part = !(along && l.size(y) < LEAST_FLOATS);
    l.place(y, { ...from, offset: from.offset + start * 4, clean: false, part });
    return;
  }
  const to = l.allocate(y, { kind: "rows" });
  if (along) {
    copyParts(l, "slice", cut, [{ from, start }], to, l.size(y));
    return;
  }
  const { offset, strides } = sliceOf(shape, starts, steps);
  copyStep(l, "slice", [from], to, (call) => copyBox(call, out, at(from) + offset, strides, at(to), stridesOf(out)));
}

/** Copies n elements from each operand, one behind the other, where all of them are cut along one period. */
function copyParts(
  l: Lowering,
  name: string,
  cut: PeriodCut,
  operands: readonly { readonly from: Placed; readonly start: number }[],
  to: Placed,
  n: number,
): void {
  l.step({
    name,
    domain: cut.domain,
    reads: operands.map(({ from }) => local(from)),
    writes: [local(to)],
    emit(call, { unit }) {
      const { from: own, outer, inner, stride } = partsOf(cut, unit, n);
      operands.forEach(({ from, start }, k) => {
        for (let i = 0; i < outer; i++) {
          const e = own + i * stride;
          call("copy", { bytes: inner * 4, x: at(from) + (start + e) * 4, y: at(to) + (k * n + e) * 4 });
        }
      });
    },
  });
}

function slicePlanes(l: Lowering, from: Placed, y: number, starts: readonly number[], steps: readonly number[]): void {
  const a = from.layout as Planes;
  const [, c, h, w] = l.type(y).shape as [number, number, number, number];
  const to = l.allocate(y, planesOf(a.n, c, a.lanes, l.geometry(h, w)));
  const b = to.layout as Planes;
  const [, c0, y0, x0] = starts as [number, number, number, number];
  const [, cs, sy, sx] = steps as [number, number, number, number];
  const cut = cutPlanes(l, b, l.bounds.get(from.buffer));
  const aligned = {
    groups: true,
    rows: y0 === 0 && a.geometry.h === h * sy,
    channels: c0 === 0 && cs === 1 && a.c === c,
  }[cut.by];
  l.step({
    name: "slice",
    domain: cut.domain,
    reads: [aligned ? local(from) : whole(from)],
    writes: [local(to)],
    emit(call, { unit }) {
      const piece = cut.piece(unit);
      const source = { ...piece, c0: c0 + piece.c0 * cs, r0: y0 + piece.r0 * sy };
      call(a.lanes === 4 ? "phase_copy_n4" : "phase_copy_n1", {
        ...{ c: piece.c, h: piece.rows, w, sy, sx },
        ...{ x: pixelOf(from as PlacedPlanes, source) + x0 * a.lanes * 4, xps: a.plane * cs, xrs: a.row },
        ...{ y: pixelOf(to as PlacedPlanes, piece), yps: b.plane, yrs: b.row },
      });
    },
  });
  l.bounds.set(to.buffer, cut.bounds);
}

/** The adjoint of slice: x's values in a box of zeros. */
export function lowerScatterSlice(l: Lowering, operation: Operation): void {
  const [x] = operation.inputs as [number];
  const [y] = operation.outputs as [number];
  const starts = operation.attrs["starts"] as readonly number[];
  const steps = operation.attrs["steps"] as readonly number[];
  boxIntoZeros(l, x, y, starts, steps, "scatterSlice", 0);
}

/** Which of n things that stand at start, start + step, ... lie in [first, first + size). */
function inside(first: number, size: number, start: number, step: number, n: number): { from: number; count: number } {
  const clamp = (i: number) => Math.min(n, Math.max(0, Math.ceil(i)));
  const from = clamp((first - start) / step);
  return { from, count: clamp((first + size - start) / step) - from };
}

/** Constant borders around x. */
export function lowerPad(l: Lowering, operation: Operation): void {
  const [x] = operation.inputs as [number];
  const [y] = operation.outputs as [number];
  const before = operation.attrs["before"] as readonly number[];
  boxIntoZeros(
    l,
    x,
    y,
    before,
    before.map(() => 1),
    "pad",
    (operation.attrs["value"] as number | undefined) ?? 0,
  );
}

function boxIntoZeros(
  l: Lowering,
  x: number,
  y: number,
  starts: readonly number[],
  steps: readonly number[],
  name: string,
  fill: number,
): void {
  const shape = l.type(x).shape;
  const out = l.type(y).shape;
  const placed = l.any(x);
  if (placed.layout.kind === "planes" && imageBox(shape) && out[0] === shape[0] && fill === 0) {
    const a = placed.layout;
    const to = l.allocate(y, l.planes(out));
    const b = to.layout as Planes;
    if (b.lanes === a.lanes) {
      const [, c, h, w] = shape as [number, number, number, number];
      const [, c0, y0, x0] = starts as [number, number, number, number];
      const [, cs, sy, sx] = steps as [number, number, number, number];
      const cut = cutPlanes(l, b);
      const aligned = cut.by === "groups" || (cut.by === "rows" && y0 === 0 && sy === 1 && h === b.geometry.h);
      l.step({
        name,
        domain: cut.domain,
        reads: [aligned ? local(placed) : whole(placed)],
        writes: [local(to)],
        emit(call, { unit }) {
          const piece = cut.piece(unit);
          clearPiece(call, to as PlacedPlanes, cut, piece);
          const own = { c: inside(piece.c0, piece.c, c0, cs, c), r: inside(piece.r0, piece.rows, y0, sy, h) };
          if (own.c.count <= 0 || own.r.count <= 0) return;
          const target = { ...piece, c0: c0 + own.c.from * cs, r0: y0 + own.r.from * sy };
          call(a.lanes === 4 ? "phase_add_n4" : "phase_add_n1", {
            ...{ c: own.c.count, h: own.r.count, w, sy, sx },
            ...{ x: pixelOf(to as PlacedPlanes, target) + x0 * b.lanes * 4, xps: b.plane * cs, xrs: b.row },
            ...{ y: pixelOf(placed as PlacedPlanes, { ...piece, c0: own.c.from, r0: own.r.from }), yps: a.plane, yrs: a.row },
          });
        },
      });
      l.bounds.set(to.buffer, cut.bounds);
      to.clean = true;
      return;
    }
  }
  const from = l.rows(x);
  const to = l.allocate(y, { kind: "rows" });
  const { offset, strides } = sliceOf(out, starts, steps);
  copyStep(l, name, [from], to, (call) => {
    call("fill", { n: sizeOf(out), value: fill, y: at(to) });
    copyBox(call, shape, at(from), stridesOf(shape), at(to) + offset, strides);
  });
}

/** Joins values along one axis. */
export function lowerConcat(l: Lowering, operation: Operation): void {
  const [y] = operation.outputs as [number];
  const axis = operation.attrs["axis"] as number;
  const first = l.any(operation.inputs[0]!).layout;
  if (first.kind === "planes" && axis === 1) {
    concatPlanes(l, operation, y);
    return;
  }
  const parts = operation.inputs.map((v) => l.rows(v));
  const to = l.allocate(y, { kind: "rows" });
  const strides = stridesOf(l.type(y).shape);
  const cuts = operation.inputs.map((v) => cutPeriod(l, v));
  const [n] = operation.inputs.map((v) => l.size(v));
  // Vectors of one length, one behind the other.
  const alike = operation.inputs.every((v, k) => l.size(v) === n && cuts[k]?.domain.key === cuts[0]?.domain.key);
  if (
    cuts[0] &&
    alike &&
    l
      .type(y)
      .shape.slice(0, axis)
      .every((d) => d === 1)
  ) {
    const operands = parts.map((from) => ({ from, start: 0 }));
    copyParts(l, "concat", cuts[0], operands, to, n!);
    return;
  }
  copyStep(l, "concat", parts, to, (call) => {
    let start = 0;
    parts.forEach((part, k) => {
      const shape = l.type(operation.inputs[k]!).shape;
      copyBox(call, shape, at(part), stridesOf(shape), at(to) + start * strides[axis]! * 4, strides);
      start += shape[axis]!;
    });
  });
}

function concatPlanes(l: Lowering, operation: Operation, y: number): void {
  const parts = operation.inputs.map((v) => l.as(v, l.planes(l.type(v).shape)));
  const to = l.allocate(y, l.planes(l.type(y).shape));
  const b = to.layout as Planes;
  if (parts.some((p) => (p.layout as Planes).plane !== b.plane))
    throw new InputError("engine: concat of planes of different geometry");
  l.step({
    name: "concat",
    domain: l.groupDomain(b),
    reads: parts.map(local),
    writes: [local(to)],
    emit(call, { unit }) {
      let y0 = at(to) + unit * b.group;
      for (const part of parts) {
        const { group } = part.layout as Planes;
        call("copy", { bytes: group, x: at(part) + unit * group, y: y0 });
        y0 += group;
      }
    },
  });
}

export { sameLayout };
