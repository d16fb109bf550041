/** Steps that move a value from one layout to another, and that zero the borders of planes. */
import { InputError } from "../../core/index.js";
import { type Cut, cutColumns, cutOf, cutPlanes, type Piece, pixelOf } from "../cut.js";
import type { Columns, Layout, Planes } from "../layout.js";
import type { Lowering } from "../lowering.js";
import { at, local, type Placed, whole } from "../placed.js";
import type { Call } from "../step.js";

/** Emits the conversion of `value` and remembers the copy. */
export function convert(l: Lowering, value: number, from: Placed, to: Layout): Placed {
  if (l.type(value).dtype !== "f32" && to.kind !== "rows") throw new InputError(`engine: only f32 values have a ${to.kind} layout`);
  if (l.type(value).dtype === "u8" && from.layout.kind !== "rows")
    throw new InputError(`engine: bytes in quads are operands of int8 operations; value ${value} needs dequantise first`);
  const pair = `${from.layout.kind}>${to.kind}`;
  if (pair === "rows>planes") return toPlanes(l, value, from, to as Planes);
  if (pair === "planes>rows") return fromPlanes(l, value, from, to);
  if (pair === "rows>columns") return toColumns(l, value, from, to as Columns);
  if (pair === "columns>rows") return fromColumns(l, value, from, to);
  if (from.layout.kind !== "rows" && to.kind !== "rows") return convert(l, value, l.rows(value), to);
  throw new InputError(
    `engine: there is no way from ${from.layout.kind} to ${to.kind} for a value of shape [${l.type(value).shape}]`,
  );
}

function toPlanes(l: Lowering, value: number, from: Placed, layout: Planes): Placed {
  const placed = l.allocate(value, layout);
  const cut = cutPlanes(l, layout);
  l.step({
    name: "to planes",
    domain: cut.domain,
    reads: [whole(from)],
    writes: [local(placed)],
    emit(call, { unit }) {
      const piece = cut.piece(unit);
      clearPiece(call, placed as P, cut, piece);
      planesCall(call, "in", placed as P, at(from), piece);
    },
  });
  l.bounds.set(placed.buffer, cut.bounds);
  placed.clean = true;
  return placed;
}

function fromPlanes(l: Lowering, value: number, from: Placed, to: Layout): Placed {
  const placed = l.allocate(value, to);
  const cut = cutOf(l, from as P);
  l.step({
    name: "from planes",
    domain: cut.domain,
    reads: [local(from)],
    writes: [whole(placed)],
    emit: (call, { unit }) => planesCall(call, "out", from as P, at(placed), cut.piece(unit)),
  });
  return placed;
}

type P = Placed & { layout: Planes };

/** Zeroes a piece of planes, with the borders around its rows. */
export function clearPiece(call: Call, placed: P, cut: Cut, piece: Piece): void {
  const { layout } = placed;
  const y = at(placed) + piece.group * layout.group + piece.c0 * layout.plane;
  const { from, to } = bandOf(layout, piece);
  if (cut.by !== "rows") call("zero", { bytes: piece.c * layout.plane, y });
  else call("clear_rows", { c: piece.c, h: 1, bytes: to - from, y: y + from, ps: layout.plane, rs: 0 });
}

/** Bytes [from, to) of a plane that belong to rows of a piece: the border after each row, with the first row all before, with the last all after. */
function bandOf({ geometry, origin, row, plane }: Planes, { r0, rows }: Piece): { from: number; to: number } {
  return { from: r0 === 0 ? 0 : origin + r0 * row, to: r0 + rows === geometry.h ? plane : origin + (r0 + rows) * row };
}

/** A piece between row-major memory at `flat` and planes. */
function planesCall(call: Call, way: "in" | "out", planes: P, flatAt: number, piece: Piece): void {
  const { layout } = planes;
  const { h, w } = layout.geometry;
  const { c: all, plane, row, lanes } = layout;
  const { group, c0, c, r0, rows } = piece;
  const image = all * h * w * 4;
  const x = flatAt + group * lanes * image + (c0 * h + r0) * w * 4;
  const y = pixelOf(planes, piece);
  if (lanes === 4) {
    const images = Math.min(lanes, layout.n - group * lanes);
    call(way === "in" ? "nchw_to_n4" : "n4_to_nchw", { c, h: rows, w, images, x, xn: image, xc: h * w * 4, y, ys: plane, rs: row });
    return;
  }
  const flat = { s0: 0, s1: h * w * 4, s2: w * 4, s3: 4, t0: 0, t1: plane, t2: row, t3: 4 };
  if (way === "in") call("copy4", { d0: 1, d1: c, d2: rows, d3: w, x, y, ...flat });
  else {
    const { s0, s1, s2, s3, t0, t1, t2, t3 } = flat;
    call("copy4", {
      d0: 1,
      d1: c,
      d2: rows,
      d3: w,
      x: y,
      y: x,
      s0: t0,
      s1: t1,
      s2: t2,
      s3: t3,
      t0: s0,
      t1: s1,
      t2: s2,
      t3: s3,
    });
  }
}

function toColumns(l: Lowering, value: number, from: Placed, layout: Columns): Placed {
  const placed = l.allocate(value, layout);
  const { f, stride } = layout;
  const cut = cutColumns(l, layout);
  l.step({
    name: "to columns",
    domain: cut.domain,
    reads: [whole(from)],
    writes: [local(placed)],
    emit(call, { unit }) {
      const { s0, n: rows, f0, f: cols } = cut.piece(unit);
      const [x, y] = [at(from) + (s0 * f + f0) * 4, at(placed) + s0 * 4 + f0 * stride];
      call("transpose2d", { rows, cols, x, xs: f * 4, y, ys: stride });
    },
  });
  l.bounds.set(placed.buffer, cut.bounds);
  return placed;
}

function fromColumns(l: Lowering, value: number, from: Placed, to: Layout): Placed {
  const layout = from.layout as Columns;
  const placed = l.allocate(value, to);
  const { f, stride } = layout;
  const cut = cutColumns(l, layout, l.bounds.get(from.buffer));
  l.step({
    name: "from columns",
    domain: cut.domain,
    reads: [local(from)],
    writes: [whole(placed)],
    emit(call, { unit }) {
      const { s0, n: cols, f0, f: rows } = cut.piece(unit);
      const [x, y] = [at(from) + s0 * 4 + f0 * stride, at(placed) + (s0 * f + f0) * 4];
      call("transpose2d", { rows, cols, x, xs: stride, y, ys: f * 4 });
    },
  });
  return placed;
}

/** Zeroes everything outside the pixels, so that a convolution's taps read zeros there. */
export function zeroBorders(l: Lowering, placed: Placed): void {
  const layout = placed.layout as Planes;
  const { h, w } = layout.geometry;
  placed.clean = true;
  if (layout.plane === layout.row * h && layout.geometry.pitch === w) return;
  const cut = cutOf(l, placed as P);
  l.step({
    name: "borders",
    domain: cut.domain,
    reads: [],
    writes: [local(placed)],
    emit(call, { unit }) {
      const piece = cut.piece(unit);
      const { plane: ps, origin: p0, row: rs } = layout;
      const wbytes = w * layout.lanes * 4;
      const base = at(placed) + piece.group * layout.group + piece.c0 * ps;
      if (cut.by !== "rows") return call("border", { c: piece.c, h, wbytes, base, ps, p0, rs });
      // Before the first row, between rows, after the last.
      const { r0, rows, c } = piece;
      const { from, to } = bandOf(layout, piece);
      const first = p0 + r0 * rs;
      const end = first + (rows - 1) * rs + wbytes;
      const clear = (start: number, bytes: number, times: number) =>
        bytes > 0 && times > 0 && call("clear_rows", { c, h: times, bytes, y: base + start, ps, rs });
      clear(from, first - from, 1);
      clear(first + wbytes, rs - wbytes, rows - 1);
      clear(end, to - end, 1);
    },
  });
}
