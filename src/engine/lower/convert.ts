/** Steps that move a value from one layout to another, and that zero the borders of planes. */
import { InputError } from "../../core/index.js";
import type { Columns, Layout, Planes } from "../layout.js";
import type { Lowering } from "../lowering.js";
import { at, local, type Placed, STRIP, whole } from "../placed.js";
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
  const { h, w } = layout.geometry;
  const image = layout.c * h * w * 4;
  l.step({
    name: "to planes",
    domain: l.groupDomain(layout),
    reads: [whole(from)],
    writes: [local(placed)],
    emit(call, { unit }) {
      const x = at(from) + unit * layout.lanes * image;
      const y = at(placed) + unit * layout.group;
      call("zero", { bytes: layout.group, y });
      planesCall(call, "in", layout, x, image, y, Math.min(layout.lanes, layout.n - unit * layout.lanes));
    },
  });
  placed.clean = true;
  return placed;
}

function fromPlanes(l: Lowering, value: number, from: Placed, to: Layout): Placed {
  const layout = from.layout as Planes;
  const placed = l.allocate(value, to);
  const { h, w } = layout.geometry;
  const image = layout.c * h * w * 4;
  l.step({
    name: "from planes",
    domain: l.groupDomain(layout),
    reads: [local(from)],
    writes: [whole(placed)],
    emit(call, { unit }) {
      planesCall(
        call,
        "out",
        layout,
        at(placed) + unit * layout.lanes * image,
        image,
        at(from) + unit * layout.group,
        Math.min(layout.lanes, layout.n - unit * layout.lanes),
      );
    },
  });
  return placed;
}

/** One group of images between row-major memory at `x` and planes at `y`. */
function planesCall(call: Call, way: "in" | "out", layout: Planes, x: number, image: number, y: number, images: number): void {
  const { h, w } = layout.geometry;
  const { c, origin, plane, row } = layout;
  if (layout.lanes === 4) {
    call(way === "in" ? "nchw_to_n4" : "n4_to_nchw", {
      c,
      h,
      w,
      images,
      x,
      xn: image,
      xc: h * w * 4,
      y: y + origin,
      ys: plane,
      rs: row,
    });
    return;
  }
  const flat = { s0: 0, s1: h * w * 4, s2: w * 4, s3: 4, t0: 0, t1: plane, t2: row, t3: 4 };
  if (way === "in") call("copy4", { d0: 1, d1: c, d2: h, d3: w, x, y: y + origin, ...flat });
  else {
    const { s0, s1, s2, s3, t0, t1, t2, t3 } = flat;
    call("copy4", {
      d0: 1,
      d1: c,
      d2: h,
      d3: w,
      x: y + origin,
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
  const { n, f, stride } = layout;
  l.step({
    name: "to columns",
    domain: l.stripDomain(layout),
    reads: [whole(from)],
    writes: [local(placed)],
    emit(call, { unit }) {
      const rows = Math.min(STRIP, n - unit * STRIP);
      call("transpose2d", {
        rows,
        cols: f,
        x: at(from) + unit * STRIP * f * 4,
        xs: f * 4,
        y: at(placed) + unit * STRIP * 4,
        ys: stride,
      });
    },
  });
  return placed;
}

function fromColumns(l: Lowering, value: number, from: Placed, to: Layout): Placed {
  const layout = from.layout as Columns;
  const placed = l.allocate(value, to);
  const { n, f, stride } = layout;
  l.step({
    name: "from columns",
    domain: l.stripDomain(layout),
    reads: [local(from)],
    writes: [whole(placed)],
    emit(call, { unit }) {
      const rows = Math.min(STRIP, n - unit * STRIP);
      call("transpose2d", {
        rows: f,
        cols: rows,
        x: at(from) + unit * STRIP * 4,
        xs: stride,
        y: at(placed) + unit * STRIP * f * 4,
        ys: f * 4,
      });
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
  l.step({
    name: "borders",
    domain: l.groupDomain(layout),
    reads: [],
    writes: [local(placed)],
    emit(call, { unit }) {
      const { c, plane: ps, origin: p0, row: rs } = layout;
      call("border", { c, h, wbytes: w * layout.lanes * 4, base: at(placed) + unit * layout.group, ps, p0, rs });
    },
  });
}
