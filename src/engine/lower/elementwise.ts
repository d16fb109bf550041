/** Elementwise operations, with broadcasting, in whatever layout their largest operand lies. */
import { InputError } from "../../core/index.js";
import { BINARY, UNARY } from "../../kernels/index.js";
import type { Operation } from "../../program/index.js";
import { type Columns, type Layout, type Planes, sameLayout } from "../layout.js";
import { at, type Lowering, local, type Placed, STRIP, whole } from "../lowering.js";
import type { Call } from "../step.js";

const finite = (value: unknown, fallback: number): number => (typeof value === "number" ? value : fallback);

/** Live values of a topology change their number: the count is asked again whenever it does. */
export const flatCount = (l: Lowering, value: number, layout: Layout): number | (() => number) => {
  if (layout.kind !== "live") return l.bytes(value, layout) / 4;
  const topology = l.topologies[layout.pattern]!;
  return () => topology.rowPtr[topology.rowPtr.length - 1]! * topology.block;
};

/** Calls `each` with the floats of one unit of a value in this layout: rows of `inner` floats, `stride` bytes apart. */
function pieces(
  l: Lowering,
  value: number,
  layout: Layout,
  unit: number,
  each: (piece: { from: number; outer: number; inner: number | (() => number); stride: number }) => void,
): void {
  if (layout.kind === "planes") each({ from: unit * layout.group, outer: 1, inner: layout.group / 4, stride: 0 });
  else if (layout.kind === "columns") {
    each({ from: unit * STRIP * 4, outer: layout.f, inner: Math.min(STRIP, layout.n - unit * STRIP), stride: layout.stride });
  } else {
    const { units } = l.domain(value, layout);
    const n = flatCount(l, value, layout);
    if (typeof n === "function") {
      if (units === 1) each({ from: 0, outer: 1, inner: n, stride: 0 });
      else {
        // Cut by capacity, so that addresses stay when the number of live values changes.
        const { from, count } = l.range(l.bytes(value, layout) / 4, units, unit);
        each({ from: from * 4, outer: 1, inner: () => Math.max(0, Math.min(n() - from, count)), stride: 0 });
      }
      return;
    }
    const { from, count } = l.range(n, units, unit);
    if (count > 0) each({ from: from * 4, outer: 1, inner: count, stride: 0 });
  }
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
      return l.advance(x, y);
    }
    if (op === "clamp" && open && takes.upper) {
      epilogue.lo = finite(attrs["a"], Number.NEGATIVE_INFINITY);
      epilogue.hi = finite(attrs["b"], Number.POSITIVE_INFINITY);
      return l.advance(x, y);
    }
  }
  if (op === "stopGradient") return alias(l, x, y);
  const kind = UNARY[op as keyof typeof UNARY];
  if (kind === undefined) throw new InputError(`engine: there is no kernel for the operation "${op}"`);
  const from = l.any(x);
  const placed = l.allocate(y, from.layout, { value: x, placed: from });
  const a = finite(attrs["a"], 0);
  const b = finite(attrs["b"], 0);
  l.step({
    name: op,
    domain: l.domain(x, from.layout),
    reads: [local(from)],
    writes: [local(placed)],
    emit(call, { unit }) {
      pieces(l, x, from.layout, unit, ({ from: offset, outer, inner, stride }) => {
        call("unary2d", { outer, inner, kind, x: at(from) + offset, xs: stride, y: at(placed) + offset, ys: stride, a, b });
      });
    },
  });
}

/** The same memory under another value number. */
export function alias(l: Lowering, x: number, y: number): void {
  const from = l.any(x);
  l.place(y, { buffer: from.buffer, offset: from.offset, layout: from.layout, clean: from.clean });
}

/** A shape's strides in elements against the output's dims, 0 where it is broadcast. */
function broadcastStrides(shape: readonly number[], out: readonly number[]): number[] {
  const strides = new Array<number>(out.length).fill(0);
  let step = 1;
  for (let i = shape.length - 1, o = out.length - 1; i >= 0; i--, o--) {
    if (shape[i] !== 1) strides[o] = step;
    step *= shape[i]!;
  }
  return strides;
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
  if (big.length === 2) return binarySame(l, operation.op, kind, x, y, z);
  if (big.length === 1) {
    const full = big[0]!;
    const small = full === x ? y : x;
    const placed = l.any(full);
    const splatPlan = splats(l, placed.layout, small, out, scalar(small));
    if (splatPlan) return binarySplat(l, operation.op, kind, full, small, full === x, z, splatPlan);
  }
  binaryRows(l, operation.op, kind, x, y, z);
}

/** A bias or a residual that joins the step which makes `x`. */
function joinEpilogue(l: Lowering, x: number, y: number, z: number): boolean {
  const pending = l.fusable(x);
  if (!pending) return false;
  const { epilogue, takes, layout } = pending;
  if (epilogue.lo !== Number.NEGATIVE_INFINITY || epilogue.hi !== Number.POSITIVE_INFINITY) return false;
  const shape = l.type(x).shape;
  const other = l.type(y).shape;
  if (takes.bias && !epilogue.bias && !epilogue.residual && isChannelVector(other, shape)) {
    epilogue.bias = l.rows(y);
    l.advance(x, z);
    return true;
  }
  if (takes.residual && !epilogue.residual && other.join() === shape.join() && l.type(z).shape.join() === shape.join()) {
    const placed = l.any(y);
    if (!sameLayout(placed.layout, layout)) return false;
    epilogue.residual = placed;
    l.advance(x, z);
    return true;
  }
  return false;
}

/** One value per channel (dim 1 of four, the last of two). */
function isChannelVector(shape: readonly number[], full: readonly number[]): boolean {
  const channel = full.length === 4 ? 1 : full.length - 1;
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
  l.step({
    name,
    domain: l.domain(z, layout),
    reads: [local(a), local(b)],
    writes: [local(placed)],
    emit(call, { unit }) {
      pieces(l, z, layout, unit, ({ from, outer, inner, stride }) => {
        call("binary2d", {
          outer,
          inner,
          kind,
          x: at(a) + from,
          xs: stride,
          xsplat: 0,
          y: at(b) + from,
          ys: stride,
          ysplat: 0,
          z: at(placed) + from,
          zs: stride,
        });
      });
    },
  });
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
  if (layout.kind === "planes") return isChannelVector(shape, out) ? { outerStride: 4, splat: 1 } : undefined;
  if (layout.kind === "columns") return isChannelVector(shape, out) ? { outerStride: 4, splat: 1 } : undefined;
  return undefined;
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
  const emitPiece = (call: Call, from: number, outer: number, inner: number | (() => number), stride: number) => {
    const big = { s: stride, splat: 0, p: at(a) + from };
    const little = { s: plan.outerStride, splat: plan.splat, p: at(b) };
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
  l.step({
    name,
    domain: l.domain(full, layout),
    reads: [local(a), whole(b)],
    writes: [local(placed)],
    emit(call, { unit }) {
      if (layout.kind === "planes" && plan.outerStride > 0) {
        emitPiece(call, unit * layout.group, layout.c, layout.plane / 4, layout.plane);
      } else {
        pieces(l, full, layout, unit, ({ from, outer, inner, stride }) => emitPiece(call, from, outer, inner, stride));
      }
    },
  });
}

/** Any broadcast, row-major: two dims inside the kernel, the others one call each. */
function binaryRows(l: Lowering, name: string, kind: number, x: number, y: number, z: number): void {
  const a = l.rows(x);
  const b = l.rows(y);
  const placed = l.allocate(z, { kind: "rows" });
  const { dims, strides } = collapse(l.type(z).shape, [l.type(x).shape, l.type(y).shape]);
  l.step({
    name,
    domain: { key: "one", units: 1, parts: 1 },
    reads: [whole(a), whole(b)],
    writes: [whole(placed)],
    emit(call) {
      eachOuter(dims, strides, (outer, inner, at0, [s1, s2]) => {
        const splat = (s: readonly [number, number]) => (s[1] === 0 ? 1 : 0);
        call("binary2d", {
          outer,
          inner,
          kind,
          x: at(a) + at0[0]! * 4,
          xs: s1![0] * 4,
          xsplat: splat(s1!),
          y: at(b) + at0[1]! * 4,
          ys: s2![0] * 4,
          ysplat: splat(s2!),
          z: at(placed) + at0[2]! * 4,
          zs: inner * 4,
        });
      });
    },
  });
}

/** Joins neighbouring dims along which every operand walks evenly. */
function collapse(out: readonly number[], shapes: readonly (readonly number[])[]): { dims: number[]; strides: number[][] } {
  const all = shapes.map((shape) => broadcastStrides(shape, out));
  const dims: number[] = [];
  const strides: number[][] = shapes.map(() => []);
  for (let d = 0; d < out.length; d++) {
    if (out[d] === 1) continue;
    const last = dims.length - 1;
    const joins = last >= 0 && all.every((s, k) => strides[k]![last] === s[d]! * out[d]!);
    if (joins) {
      dims[last] = dims[last]! * out[d]!;
      all.forEach((s, k) => {
        strides[k]![last] = s[d]!;
      });
    } else {
      dims.push(out[d]!);
      all.forEach((s, k) => {
        strides[k]!.push(s[d]!);
      });
    }
  }
  while (dims.length < 2) {
    dims.unshift(1);
    for (const s of strides) s.unshift(0);
  }
  return { dims, strides };
}

/** Most kernel calls that one broadcast may take. */
const MOST_CALLS = 1 << 16;

function eachOuter(
  dims: readonly number[],
  strides: readonly (readonly number[])[],
  each: (outer: number, inner: number, at: number[], s: (readonly [number, number])[]) => void,
): void {
  const rank = dims.length;
  const outer = dims[rank - 2]!;
  const inner = dims[rank - 1]!;
  const loops = dims.slice(0, rank - 2);
  const total = loops.reduce((a, b) => a * b, 1);
  if (total > MOST_CALLS)
    throw new InputError(
      `engine: a broadcast over dims [${dims}] takes ${total} kernel calls; reshape the operands so that fewer dims alternate`,
    );
  const last = strides.map((s) => {
    const inside = s[rank - 1]!;
    if (inside > 1) throw new InputError(`engine: a broadcast over dims [${dims}] has an inner stride of ${inside}`);
    return [s[rank - 2]!, inside] as const;
  });
  for (let i = 0; i < total; i++) {
    const where = strides.map(() => 0);
    let rest = i;
    for (let d = loops.length - 1; d >= 0; d--) {
      const k = rest % loops[d]!;
      rest = (rest - k) / loops[d]!;
      strides.forEach((s, n) => {
        where[n]! += k * s[d]!;
      });
    }
    each(outer, inner, [...where, i * outer * inner], last);
  }
}

/** cond ? x : y. */
export function lowerWhere(l: Lowering, operation: Operation): void {
  const [z] = operation.outputs as [number];
  const placed = operation.inputs.map((v) => l.rows(v));
  const result = l.allocate(z, { kind: "rows" });
  const { dims, strides } = collapse(
    l.type(z).shape,
    operation.inputs.map((v) => l.type(v).shape),
  );
  l.step({
    name: "where",
    domain: { key: "one", units: 1, parts: 1 },
    reads: placed.map(whole),
    writes: [whole(result)],
    emit(call) {
      eachOuter(dims, strides, (outer, inner, where, s) => {
        const operand = (k: number) => ({ p: at(placed[k]!) + where[k]! * 4, s: s[k]![0] * 4, splat: s[k]![1] === 0 ? 1 : 0 });
        const [c, x, y] = [operand(0), operand(1), operand(2)];
        call("where2d", {
          outer,
          inner,
          cond: c.p,
          cs: c.s,
          csplat: c.splat,
          x: x.p,
          xs: x.s,
          xsplat: x.splat,
          y: y.p,
          ys: y.s,
          ysplat: y.splat,
          z: at(result) + where[3]! * 4,
          zs: inner * 4,
        });
      });
    },
  });
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

/** Copies a small value over the shape of a bigger one. */
export function lowerBroadcast(l: Lowering, operation: Operation): void {
  const [x] = operation.inputs as [number];
  const [y] = operation.outputs as [number];
  const shape = l.type(y).shape;
  const from = l.type(x).shape;
  const wanted = l.wanted(y);
  if (
    wanted?.kind === "planes" &&
    from.length === 4 &&
    from[0] === shape[0] &&
    from[1] === shape[1] &&
    from[2] === 1 &&
    from[3] === 1
  ) {
    return spread(l, x, y, wanted);
  }
  const a = l.rows(x);
  const placed = l.allocate(y, { kind: "rows" });
  const zero = l.constantBuffer(new Float32Array(1), "zero");
  const { dims, strides } = collapse(shape, [from, []]);
  l.step({
    name: "broadcast",
    domain: { key: "one", units: 1, parts: 1 },
    reads: [whole(a)],
    writes: [whole(placed)],
    emit(call) {
      eachOuter(dims, strides, (outer, inner, where, s) => {
        call("binary2d", {
          outer,
          inner,
          kind: BINARY.add,
          x: at(a) + where[0]! * 4,
          xs: s[0]![0] * 4,
          xsplat: s[0]![1] === 0 ? 1 : 0,
          y: zero.address,
          ys: 0,
          ysplat: 1,
          z: at(placed) + where[2]! * 4,
          zs: inner * 4,
        });
      });
    },
  });
}

/** One value per image and channel, over all pixels of planes. */
function spread(l: Lowering, x: number, y: number, layout: Planes): void {
  const a = l.rows(x);
  const placed = l.allocate(y, layout);
  const turned = l.temporary(layout.groups * layout.c * layout.lanes * 4, "spread");
  const { h, w } = layout.geometry;
  l.step({
    name: "spread",
    domain: l.groupDomain(layout),
    reads: [whole(a)],
    writes: [local(placed), { buffer: turned, local: true }],
    emit(call, { unit }) {
      const images = Math.min(layout.lanes, layout.n - unit * layout.lanes);
      const own = turned.address + unit * layout.c * layout.lanes * 4;
      call("transpose2d", {
        rows: images,
        cols: layout.c,
        x: at(a) + unit * layout.lanes * layout.c * 4,
        xs: layout.c * 4,
        y: own,
        ys: layout.lanes * 4,
      });
      call(layout.lanes === 4 ? "spread_n4" : "spread_n1", {
        c: layout.c,
        h,
        w,
        x: own,
        y: at(placed) + unit * layout.group + layout.origin,
        ps: layout.plane,
        rs: layout.row,
      });
    },
  });
}

/** Element type changes. */
export function lowerCast(l: Lowering, operation: Operation): void {
  const [x] = operation.inputs as [number];
  const [y] = operation.outputs as [number];
  const from = l.type(x).dtype;
  const to = l.type(y).dtype;
  if (from === to) return alias(l, x, y);
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

/** Whether a value lies in a columns layout; for rules that choose by it. */
export const isColumns = (placed: Placed): placed is Placed & { layout: Columns } => placed.layout.kind === "columns";
