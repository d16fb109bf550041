/**
 * Physical layouts: how the plan stores a logical value. No operation, model or method knows them.
 *
 * - `rows`     row-major and contiguous, as users see it.
 * - `columns`  a [n, f] matrix stored as f rows of n floats (batch in the lanes): what sparse matrix products read.
 * - `planes`   [n, c, h, w] as zero-bordered planes, `lanes` images interleaved per pixel: [n/lanes][c][plane][lanes].
 *              Every tap of a convolution is then a constant offset from the output pixel, dense and sparse alike.
 * - `live`     the values at the live positions of a sparse param, in its order.
 */
import { type DType, sizeOf } from "../core/index.js";

/** Borders of all planes of one height and width. Pixels; `pitch` is the row length including the border columns. */
export interface Geometry {
  readonly h: number;
  readonly w: number;
  readonly top: number;
  readonly bottom: number;
  readonly left: number;
  readonly pitch: number;
}

/** A value in planes. Byte strides: pixel row, plane (channel), group of `lanes` images. */
export interface Planes {
  readonly kind: "planes";
  readonly n: number;
  readonly c: number;
  readonly lanes: 1 | 4;
  readonly geometry: Geometry;
  readonly row: number;
  readonly plane: number;
  readonly group: number;
  readonly groups: number;
  /** Bytes from the start of a plane to its pixel (0, 0). */
  readonly origin: number;
}

/** A [n, f] matrix stored feature by feature; `stride` is the bytes from one feature to the next. */
export interface Columns {
  readonly kind: "columns";
  readonly n: number;
  readonly f: number;
  readonly stride: number;
}

/** Any physical layout. */
export type Layout = { readonly kind: "rows" } | Columns | Planes | { readonly kind: "live"; readonly pattern: string };

/** The row-major layout. */
export const ROWS: Layout = { kind: "rows" };

/** Rows this long apart in bytes would fall on the same cache sets (a measured 25 % loss), so columns' strides step off such multiples. */
const ALIAS_BYTES = 512;
/** A cache line. */
const LINE_BYTES = 64;

/** Columns layout of [n, f]: rows padded to whole vectors, and off the strides that alias. */
export function columnsOf(n: number, f: number): Columns {
  let stride = Math.ceil(n / 4) * 16;
  if (f > 1 && stride % ALIAS_BYTES === 0) stride += 16;
  return { kind: "columns", n, f, stride };
}

/** Planes layout of [n, c, h, w] under a geometry. */
export function planesOf(n: number, c: number, lanes: 1 | 4, geometry: Geometry): Planes {
  const { h, top, bottom, left, pitch } = geometry;
  const right = pitch - left - geometry.w;
  const row = pitch * lanes * 4;
  let plane = ((top + h + bottom) * pitch + left + Math.max(right, left)) * lanes * 4;
  plane = Math.ceil(plane / LINE_BYTES) * LINE_BYTES;
  // An odd number of lines: equal pixels of all channels are spread over all sets of the cache.
  if (plane % (2 * LINE_BYTES) === 0) plane += LINE_BYTES;
  const groups = Math.ceil(n / lanes);
  return { kind: "planes", n, c, lanes, geometry, row, plane, group: plane * c, groups, origin: (top * pitch + left) * lanes * 4 };
}

/** Bytes that a value takes in a layout (`live`: the caller knows the capacity). */
export function layoutBytes(layout: Layout, shape: readonly number[], dtype: DType): number {
  switch (layout.kind) {
    case "rows":
      return sizeOf(shape) * (dtype === "u8" ? 1 : 4);
    case "columns":
      return layout.stride * layout.f;
    case "planes":
      return layout.group * layout.groups;
    case "live":
      throw new Error("layoutBytes: the size of live values is the capacity of their pattern");
  }
}

/** Whether two values lie alike, element for element. */
export function sameLayout(a: Layout, b: Layout): boolean {
  if (a.kind !== b.kind) return false;
  if (a.kind === "columns") return a.stride === (b as Columns).stride && a.f === (b as Columns).f && a.n === (b as Columns).n;
  if (a.kind === "planes") {
    const p = b as Planes;
    return (
      a.n === p.n &&
      a.c === p.c &&
      a.lanes === p.lanes &&
      a.row === p.row &&
      a.plane === p.plane &&
      a.origin === p.origin &&
      a.geometry.h === p.geometry.h
    );
  }
  if (a.kind === "live") return a.pattern === (b as { pattern: string }).pattern;
  return true;
}

/** Vectors and left-over floats of a row of pixels. */
export function rowVectors(layout: Planes): { w4: number; tail: number } {
  const floats = layout.geometry.w * layout.lanes;
  return { w4: floats >> 2, tail: floats & 3 };
}

/** Floats of the strip that covers all pixel rows of a plane, border columns between them included. */
export function stripFloats(layout: Planes): number {
  const { h, w, pitch } = layout.geometry;
  return ((h - 1) * pitch + w) * layout.lanes;
}
