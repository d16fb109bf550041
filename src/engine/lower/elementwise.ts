/** Elementwise operations, with broadcasting, in whatever layout their largest operand lies. */
import { InputError } from "../../core/index.js";
import { BINARY, UNARY } from "../../kernels/index.js";
import type { Operation } from "../../program/index.js";
import { cutOf, cutWritten, pieceStrip, pixelOf } from "../cut.js";
import { type Layout, sameLayout, stripFloats } from "../layout.js";
import { at, type Lowering, local, type Placed, whole } from "../lowering.js";
import { cutPeriod, partsOf } from "../period.js";
import type { PlacedPlanes } from "../placed.js";
import type { Call, Domain } from "../step.js";
import { binaryRows } from "./broadcast.js";

const finite = (value: unknown, fallback: number): number => (typeof value === "number" ? value : fallback);

/** Live values of a topology change their number: the count is asked again whenever it does. */
export const flatCount = (l: Lowering, value: number, layout: Layout): number | (() => number) => {
  if (layout.kind !== "live") return l.bytes(value, layout) / 4;
  const topology = l.topologies[layout.pattern]!;
  return () => topology.rowPtr[topology.rowPtr.length - 1]! * topology.block;
};

/** Where pixels take less than this share of a plane, borders are skipped plane by plane; else all planes are one row. */
const TALL = 0.8;

/** Rows of `inner` floats, `stride` bytes apart, from `from` bytes on; the first is of channel (or feature) `c0`. */
interface Rows {
  readonly from: number;
  readonly outer: number;
  readonly inner: number | (() => number);
  readonly stride: number;
  readonly c0: number;
}

/** Elementwise work on a value as it lies, in units. */
interface Work {
  readonly domain: Domain;
  readonly bounds?: readonly number[];
  /** The floats of one unit. @param rows whether each row must be one channel's */
  readonly unit: (unit: number, rows?: boolean) => Rows | undefined;
}

/** How elementwise work on a value is cut. @param beside another operand in the same layout */
function workOn(l: Lowering, value: number, placed: Placed, beside = placed): Work {
  const { layout } = placed;
  if (layout.kind === "planes") return planesWork(l, placed as PlacedPlanes);
  if (layout.kind === "columns") {
    const cut = cutWritten(l, layout, l.bounds.get(placed.buffer), l.bounds.get(beside.buffer));
    return {
      ...cut,
      unit(unit) {
        const { s0, n, f0, f } = cut.piece(unit);
        return { from: s0 * 4 + f0 * layout.stride, outer: f, inner: n, stride: layout.stride, c0: f0 };
      },
    };
  }
  const cut = layout.kind === "rows" ? cutPeriod(l, value) : undefined;
  if (cut) {
    return {
      domain: cut.domain,
      unit(unit) {
        const { from, outer, inner, stride } = partsOf(cut, unit, l.size(value));
        return { from: from * 4, outer, inner, stride: stride * 4, c0: 0 };
      },
    };
  }
  const domain = l.domain(value, layout);
  const n = flatCount(l, value, layout);
  const flat = { outer: 1, stride: 0, c0: 0 };
  return {
    domain,
    unit(unit) {
      if (typeof n === "number") {
        const { from, count } = l.range(n, domain.units, unit);
        return count > 0 ? { ...flat, from: from * 4, inner: count } : undefined;
      }
      if (domain.units === 1) return { ...flat, from: 0, inner: n };
      // Cut by capacity, so that addresses stay when the number of live values changes.
      const { from, count } = l.range(l.bytes(value, layout) / 4, domain.units, unit);
      return { ...flat, from: from * 4, inner: () => Math.max(0, Math.min(n() - from, count)) };
    },
  };
}

function planesWork(l: Lowering, placed: PlacedPlanes): Work {
  const { layout } = placed;
  const cut = cutOf(l, placed);
  const tall = stripFloats(layout) * 4 < layout.plane * TALL;
  return {
    ...cut,
    unit(unit, rows = false) {
      const piece = cut.piece(unit);
      const { c, c0 } = piece;
      const from = pixelOf(placed, piece) - at(placed);
      if (tall || cut.by === "rows") return { from, outer: c, inner: pieceStrip(layout, piece), stride: layout.plane, c0 };
      const first = from - layout.origin;
      if (rows) return { from: first, outer: c, inner: layout.plane / 4, stride: layout.plane, c0 };
      return { from: first, outer: 1, inner: (c * layout.plane) / 4, stride: 0, c0 };
    },
  };
}

/** The layout that an operation on these same-shaped operands works in. */
export function layoutFor(l: Lowering, values: readonly number[]): Layout {
  let best: Placed | undefined;
  for (const value of values) {
    const placed = l.any(value);
    if (!best || (best.layout.kind === "rows" && placed.layout.kind !== "rows")) best = placed;
  }
  return best!.layout;
}

/** One input: exp, affine, clamp and the like. */
export function lowerUnary(l: Lowering, operation: Operation): void {
  const [x] = operation.inputs as [number];
  const [y] = operation.outputs as [number];
  const { op, attrs } = operation;
  const fused = l.fusable(x);
  if (fused) {
    const { epilogue, takes } = fused;
    const open = epilogue.lo === Number.NEGATIVE_INFINITY && epilogue.hi === Number.POSITIVE_INFINITY;
    if (op === "relu" && open) {
      epilogue.lo = 0;
      l.advance(x, y);
      return;
    }
    if (op === "clamp" && open && takes.upper) {
      epilogue.lo = finite(attrs["a"], Number.NEGATIVE_INFINITY);
      epilogue.hi = finite(attrs["b"], Number.POSITIVE_INFINITY);
      l.advance(x, y);
      return;
    }
  }
  if (op === "stopGradient") {
    alias(l, x, y);
    return;
  }
  const kind = UNARY[op as keyof typeof UNARY];
  if (kind === undefined) throw new InputError(`engine: there is no kernel for the operation "${op}"`);
  const from = l.any(x);
  const placed = l.allocate(y, from.layout, { value: x, placed: from });
  const a = finite(attrs["a"], 0);
  const b = finite(attrs["b"], 0);
  const work = workOn(l, x, from);
  l.step({
    name: op,
    domain: work.domain,
    reads: [local(from)],
    writes: [local(placed)],
    emit(call, { unit }) {
      const rows = work.unit(unit);
      if (!rows) return;
      const { from: offset, outer, inner, stride } = rows;
      call("unary2d", { outer, inner, kind, x: at(from) + offset, xs: stride, y: at(placed) + offset, ys: stride, a, b });
    },
  });
  if (work.bounds) l.bounds.set(placed.buffer, work.bounds);
}

/** The same memory under another value number. */
export function alias(l: Lowering, x: number, y: number): void {
  l.place(y, { ...l.any(x) });
}

/** Results that are the first operands as they are. */
export function lowerPassed(l: Lowering, { inputs, outputs }: Operation): void {
  outputs.forEach((y, i) => {
    alias(l, inputs[i]!, y);
  });
}

/** Two inputs. */
export function lowerBinary(l: Lowering, operation: Operation): void {
  const [x, y] = operation.inputs as [number, number];
  const [z] = operation.outputs as [number];
  const kind = BINARY[operation.op as keyof typeof BINARY];
  if (kind === undefined) throw new InputError(`engine: there is no kernel for the operation "${operation.op}"`);
  if (operation.op === "add" && (joinEpilogue(l, x, y, z) || joinEpilogue(l, y, x, z))) return;
  const out = l.type(z).shape;
  const same = (v: number) => l.type(v).shape.join() === out.join();
  const big = [x, y].filter(same);
  const scalar = (v: number) => l.size(v) === 1;
  if (big.length === 2) {
    binarySame(l, operation.op, kind, x, y, z);
    return;
  }
  if (big.length === 1) {
    const full = big[0]!;
    const small = full === x ? y : x;
    const placed = l.any(full);
    const splatPlan = splats(l, placed.layout, small, out, scalar(small));
    if (splatPlan) {
      binarySplat(l, operation.op, kind, full, small, full === x, z, splatPlan);
      return;
    }
  }
  binaryRows(l, operation.op, kind, x, y, z);
}

/** A bias or a residual that joins the step which makes `x`. */
function joinEpilogue(l: Lowering, x: number, y: number, z: number): boolean {
  const pending = x === y ? undefined : l.fusable(x);
  if (!pending) return false;
  const { epilogue, takes, layout } = pending;
  if (epilogue.lo !== Number.NEGATIVE_INFINITY || epilogue.hi !== Number.POSITIVE_INFINITY) return false;
  const shape = l.type(x).shape;
  const other = l.type(y).shape;
  // An addend of more dims gives a result of more, which planes do not have.
  if (l.type(z).shape.join() !== shape.join()) return false;
  if (takes.bias && !epilogue.bias && !epilogue.residual && isChannelVector(other, shape, layout)) {
    epilogue.bias = l.rows(y);
    l.advance(x, z);
    return true;
  }
  if (takes.residual && !epilogue.residual && other.join() === shape.join()) {
    const placed = l.any(y);
    if (!sameLayout(placed.layout, layout)) return false;
    epilogue.residual = placed;
    l.advance(x, z);
    return true;
  }
  return false;
}

/** One value per channel of planes (dim 1), or per feature of a matrix, however many dims its rows have (the last dim). */
function isChannelVector(shape: readonly number[], full: readonly number[], layout: Layout): boolean {
  const channel = layout.kind === "planes" ? 1 : full.length - 1;
  const size = shape.reduce((a, b) => a * b, 1);
  const position = shape.length - (full.length - channel);
  return size === full[channel] && shape[position] === size;
}

function binarySame(l: Lowering, name: string, kind: number, x: number, y: number, z: number): void {
  const layout = layoutFor(l, [x, y]);
  const a = l.as(x, layout);
  const b = l.as(y, layout);
  const placed = takeOver(l, z, layout, [
    { value: x, placed: a },
    { value: y, placed: b },
  ]);
  const work = workOn(l, z, a, b);
  l.step({
    name,
    domain: work.domain,
    reads: [local(a), local(b)],
    writes: [local(placed)],
    emit(call, { unit }) {
      const rows = work.unit(unit);
      if (!rows) return;
      const { from, outer, inner, stride } = rows;
      const [x, y] = [at(a) + from, at(b) + from];
      const strides = { xs: stride, ys: stride, zs: stride };
      call("binary2d", { outer, inner, kind, x, xsplat: 0, y, ysplat: 0, z: at(placed) + from, ...strides });
    },
  });
  if (work.bounds) l.bounds.set(placed.buffer, work.bounds);
}

/** A home for a result: the memory of the first operand that dies here, or new. */
function takeOver(l: Lowering, z: number, layout: Layout, candidates: readonly { value: number; placed: Placed }[]): Placed {
  const dying = candidates.find(({ value, placed }) => sameLayout(placed.layout, layout) && l.dies(value, placed));
  return l.allocate(z, layout, dying);
}

/** How a small operand is walked beside a big one: bytes between outer rows, and whether one float serves a whole row. */
interface SplatPlan {
  readonly outerStride: number;
  readonly splat: 0 | 1;
}

function splats(l: Lowering, layout: Layout, small: number, out: readonly number[], scalar: boolean): SplatPlan | undefined {
  if (scalar) return { outerStride: 0, splat: 1 };
  const shape = l.type(small).shape;
  const fits = (layout.kind === "planes" || layout.kind === "columns") && isChannelVector(shape, out, layout);
  return fits ? { outerStride: 4, splat: 1 } : undefined;
}

function binarySplat(
  l: Lowering,
  name: string,
  kind: number,
  full: number,
  small: number,
  fullFirst: boolean,
  z: number,
  plan: SplatPlan,
): void {
  const a = l.any(full);
  const b = l.rows(small);
  const { layout } = a;
  const placed = takeOver(l, z, layout, [{ value: full, placed: a }]);
  const emitPiece = (call: Call, { from, outer, inner, stride, c0 }: Rows) => {
    const big = { s: stride, splat: 0, p: at(a) + from };
    const little = { s: plan.outerStride, splat: plan.splat, p: at(b) + c0 * plan.outerStride };
    const [p, q] = fullFirst ? [big, little] : [little, big];
    call("binary2d", {
      outer,
      inner,
      kind,
      x: p.p,
      xs: p.s,
      xsplat: p.splat,
      y: q.p,
      ys: q.s,
      ysplat: q.splat,
      z: at(placed) + from,
      zs: stride,
    });
  };
  const work = workOn(l, full, a);
  l.step({
    name,
    domain: work.domain,
    reads: [local(a), whole(b)],
    writes: [local(placed)],
    emit(call, { unit }) {
      const rows = work.unit(unit, plan.outerStride > 0);
      if (rows) emitPiece(call, rows);
    },
  });
  if (work.bounds) l.bounds.set(placed.buffer, work.bounds);
}

/** A constant: written once, when the plan is made. */
export function lowerConstant(l: Lowering, operation: Operation): void {
  const [y] = operation.outputs as [number];
  const { shape, dtype, pattern } = l.type(y);
  const value = operation.attrs["value"] as number | readonly number[];
  if (pattern !== undefined && typeof value !== "number")
    throw new InputError(`engine: a constant of the pattern of "${pattern}" must be one number`);
  const n = pattern === undefined ? shape.reduce((a, b) => a * b, 1) : l.topologies[pattern]!.capacity;
  const data = dtype === "i32" ? new Int32Array(n) : new Float32Array(n);
  if (typeof value === "number") data.fill(value);
  else data.set(value);
  const buffer = l.constantBuffer(data, "constant");
  l.place(y, { buffer, offset: 0, layout: pattern === undefined ? { kind: "rows" } : { kind: "live", pattern }, clean: false });
}

/** Element type changes. */
export function lowerCast(l: Lowering, operation: Operation): void {
  const [x] = operation.inputs as [number];
  const [y] = operation.outputs as [number];
  const from = l.type(x).dtype;
  const to = l.type(y).dtype;
  if (from === to) {
    alias(l, x, y);
    return;
  }
  const a = l.rows(x);
  const placed = l.allocate(y, { kind: "rows" });
  const n = l.size(x);
  l.step({
    name: "cast",
    domain: { key: "one", units: 1, parts: 1 },
    reads: [whole(a)],
    writes: [whole(placed)],
    emit(call) {
      if (from === "u8" && to === "f32") call("u8_to_f32", { n, x: at(a), y: at(placed), scale: 1, shift: 0 });
      else if (from === "i32" && to === "f32") call("i32_to_f32", { n, x: at(a), y: at(placed) });
      else if (from === "f32" && to === "i32") call("f32_to_i32", { n, x: at(a), y: at(placed) });
      else throw new InputError(`engine: there is no kernel for a cast from ${from} to ${to}`);
    },
  });
}
