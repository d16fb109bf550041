/**
 * How work on planes and columns is cut for threads. Groups of images and strips of samples are units by themselves. Where they do not
 * give every thread its share (one image, few samples), planes are cut into bands of rows, or, where rows do not divide evenly, into
 * ranges of channels; columns into ranges of features. No sum is cut: the bits do not depend on it.
 *
 * Ranges of channels with like work have unlike bounds. `Lowering.bounds` holds them by buffer, so that the step which reads what
 * another wrote takes the same ones, and no meeting of threads lies between.
 */
import { type Columns, type Planes, stripFloats } from "./layout.js";
import type { Lowering } from "./lowering.js";
import { at, type Placed, type PlacedPlanes, STRIP } from "./placed.js";
import type { Access, Domain } from "./step.js";

/** What one unit of a cut works on. */
export interface Piece {
  /** Group of images. */
  readonly group: number;
  /** First channel and number of channels. */
  readonly c0: number;
  readonly c: number;
  /** First row of pixels and number of rows. */
  readonly r0: number;
  readonly rows: number;
  /** Number of the range of channels. */
  readonly range: number;
}

/** Units of work on planes. */
export interface Cut {
  readonly by: "groups" | "rows" | "channels";
  readonly domain: Domain;
  /** Where the ranges of channels begin, and the end of the last. */
  readonly bounds: readonly number[];
  readonly piece: (unit: number) => Piece;
}

/** Bands may differ by this much from equal ones: beyond, ranges of channels serve better. */
const UNEVEN = 1.15;
/** Planes of fewer bytes are not cut. */
const LEAST_BYTES = 1 << 12;
/** Channels, features or rows of a range at least. */
const LEAST_RANGE = 4;
/** What an output costs beside its terms, in terms: starting its sum and storing it. */
const OUTPUT_TERMS = 8;

/** Whether units as they are give each of the threads about as much as the others. */
const enough = (units: number, threads: number): boolean => threads === 1 || units % threads === 0 || units >= 4 * threads;

/** Bounds of `pieces` ranges of n, in multiples of `step`. */
export function evenly(n: number, pieces: number, step = 1): number[] {
  return Array.from({ length: pieces + 1 }, (_, i) => (i === pieces ? n : Math.round((n * i) / pieces / step) * step));
}

/** Bounds of `pieces` ranges of rows (in blocks of `block`) with like numbers of entries. */
export function balanced(rowPtr: Int32Array, pieces: number, block = 1): number[] {
  const n = rowPtr.length - 1;
  const work = (r: number) => rowPtr[r]! + r * OUTPUT_TERMS;
  const bounds = [0];
  for (let i = 1, r = 0; i < pieces; i++) {
    while (r < n - (pieces - i) && work(r + 1) <= (work(n) * i) / pieces) r++;
    r = Math.max(r, bounds[i - 1]! / block + 1);
    bounds.push(r * block);
  }
  return [...bounds, n * block];
}

/** Bands of rows, where they are about even. */
function bands({ geometry }: Planes, threads: number): number[] | undefined {
  const { h, pitch } = geometry;
  if (h < threads || pitch < 4) return undefined;
  const bounds = evenly(h, threads);
  const most = Math.max(...bounds.slice(1).map((bound, i) => bound - bounds[i]!));
  return most * threads <= h * UNEVEN ? bounds : undefined;
}

/**
 * The cut of planes.
 * @param bounds those of the ranges of channels, should it come to them
 */
export function cutPlanes(l: Lowering, layout: Planes, bounds?: readonly number[]): Cut {
  const { threads } = l.options;
  const { groups, geometry } = layout;
  if (enough(groups, threads) || layout.group < LEAST_BYTES) return byGroups(l, layout);
  const rows = bands(layout, threads);
  if (!rows) return cutChannels(l, layout, bounds);
  const { h, pitch } = geometry;
  // Halves of planes of any height line up.
  const even = rows.every((row, i) => row * threads === h * i);
  const own = even ? "" : `:${h}x${pitch}`;
  return {
    by: "rows",
    domain: { key: `rows:${groups}:${threads}${own}`, units: groups * threads, parts: threads },
    bounds: [0, layout.c],
    piece(unit) {
      const group = Math.floor(unit / threads);
      const r0 = rows[unit % threads]!;
      return { group, c0: 0, c: layout.c, r0, rows: rows[(unit % threads) + 1]! - r0, range: 0 };
    },
  };
}

/** The cut of planes for work that needs all pixels of a channel. */
export function cutChannels(l: Lowering, layout: Planes, bounds?: readonly number[]): Cut {
  const { threads } = l.options;
  const { groups, c, geometry } = layout;
  if (enough(groups, threads) || layout.group < LEAST_BYTES || c < threads * LEAST_RANGE) return byGroups(l, layout);
  const all = bounds && bounds.length > 2 && bounds.at(-1) === c ? bounds : evenly(c, threads, LEAST_RANGE);
  const ranges = all.length - 1;
  return {
    by: "channels",
    domain: { key: `channels:${groups}:${all}`, units: groups * ranges, parts: ranges },
    bounds: all,
    piece(unit) {
      const range = unit % ranges;
      const c0 = all[range]!;
      return { group: Math.floor(unit / ranges), c0, c: all[range + 1]! - c0, r0: 0, rows: geometry.h, range };
    },
  };
}

/** Groups of images, uncut. */
export function byGroups(l: Lowering, layout: Planes): Cut {
  const { c, geometry } = layout;
  return {
    by: "groups",
    domain: l.groupDomain(layout),
    bounds: [0, c],
    piece: (group) => ({ group, c0: 0, c, r0: 0, rows: geometry.h, range: 0 }),
  };
}

/** The cut of what lies here, along the bounds of the step that wrote it. */
export const cutOf = (l: Lowering, placed: PlacedPlanes): Cut => cutPlanes(l, placed.layout, l.bounds.get(placed.buffer));

/** What a sum over all input channels reads: its own rows or images, or, where channels are cut, the whole. */
export const allChannels = (placed: Placed, cut: Cut): Access => ({ buffer: placed.buffer, local: cut.by !== "channels" });

/** What a window over neighbouring rows reads: its own channels or images, or, where rows are cut, the whole. */
export const allRows = (placed: Placed, cut: Cut): Access => ({ buffer: placed.buffer, local: cut.by !== "rows" });

/** What a window over all channels reads: its own images, or the whole. */
export const allOf = (placed: Placed, cut: Cut): Access => ({ buffer: placed.buffer, local: cut.by === "groups" });

/** Address of the first pixel of a piece. */
export function pixelOf(placed: PlacedPlanes, { group, c0, r0 }: Piece): number {
  const { layout } = placed;
  return at(placed) + group * layout.group + c0 * layout.plane + layout.origin + r0 * layout.row;
}

/**
 * Floats of the strip of a piece's rows: all pixels, the border columns between them included. Bands but the last end with a whole
 * vector where their own border has room for it.
 */
export function pieceStrip({ geometry, lanes }: Planes, { r0, rows }: Piece): number {
  const n = ((rows - 1) * geometry.pitch + geometry.w) * lanes;
  const up = Math.ceil(n / 4) * 4;
  return r0 + rows < geometry.h && up <= rows * geometry.pitch * lanes ? up : n;
}

/**
 * The strips [first float, floats] of a piece's rows for kernels that keep what lies past the end of their last vector: a band whose end is not a
 * whole vector's, and whose next float is another thread's, takes its last floats as one tile, some of them once more.
 * @param widest floats of the kernel's widest tile
 */
export function pieceStrips(layout: Planes, piece: Piece, widest: number): readonly (readonly [number, number])[] {
  const n = pieceStrip(layout, piece);
  // Past the last row lies the next plane, whose first row is another thread's, unless its own plane has room for the vector's end.
  const room = (layout.plane - layout.origin) / 4 - stripFloats(layout);
  const last = piece.r0 + piece.rows === layout.geometry.h;
  if (n % 4 === 0 || (last && (piece.rows === layout.geometry.h || room >= 4 - (n % 4)))) return [[0, n]];
  const rest = n % widest;
  const tile = rest > 16 ? widest : rest > 8 ? 16 : rest > 4 ? 8 : 4;
  const end = tile > n ? 4 : tile;
  return [
    [0, n - (tile > n ? n & 3 : rest)],
    [n - end, end],
  ];
}

/** Units of work on columns: samples [s0, s0 + n) of features [f0, f0 + f). */
export interface ColumnsCut {
  readonly by: "strips" | "features";
  readonly domain: Domain;
  readonly bounds: readonly number[];
  readonly piece: (unit: number) => {
    readonly s0: number;
    readonly n: number;
    readonly f0: number;
    readonly f: number;
    readonly range: number;
  };
}

/**
 * The cut of columns.
 * @param bounds of the ranges of features, should it come to them
 */
export function cutColumns(l: Lowering, layout: Columns, bounds?: readonly number[]): ColumnsCut {
  const { threads } = l.options;
  const { n, f } = layout;
  const strips = l.stripDomain(layout);
  if (enough(strips.units, threads) || layout.stride * f < LEAST_BYTES || f < threads * LEAST_RANGE) {
    const piece = (unit: number) => ({ s0: unit * STRIP, n: Math.min(STRIP, n - unit * STRIP), f0: 0, f, range: 0 });
    return { by: "strips", domain: strips, bounds: [0, f], piece };
  }
  return cutFeatures(layout, bounds && bounds.length > 2 && bounds.at(-1) === f ? bounds : evenly(f, threads, LEAST_RANGE));
}

/** Columns cut as they were written, where all operands were written in the same ranges of features: no thread then reads what another wrote. */
export function cutWritten(l: Lowering, layout: Columns, ...written: readonly (readonly number[] | undefined)[]): ColumnsCut {
  const [bounds] = written;
  const along = bounds && bounds.length > 2 && bounds.at(-1) === layout.f && written.every((b) => String(b) === String(bounds));
  return along ? cutFeatures(layout, bounds) : cutColumns(l, layout, bounds);
}

/** Columns cut into these ranges of features. */
export function cutFeatures({ n }: Columns, all: readonly number[]): ColumnsCut {
  const ranges = all.length - 1;
  return {
    by: "features",
    domain: { key: `features:${n}:${all}`, units: ranges, parts: ranges },
    bounds: all,
    piece: (range) => ({ s0: 0, n, f0: all[range]!, f: all[range + 1]! - all[range]!, range }),
  };
}

/** Rows of row-major work in ranges, one a thread. */
export interface RowsCut {
  readonly domain: Domain;
  readonly range: (unit: number) => { readonly from: number; readonly count: number };
}

/** Fewer floats than this are one unit: a meeting of threads costs more. */
export const LEAST_FLOATS = 1 << 12;

/** The cut of `rows` rows of `floats` floats each (outputs, or a measure of the work). */
export function cutRows(l: Lowering, rows: number, floats: number): RowsCut {
  const pieces = rows * floats < LEAST_FLOATS ? 1 : Math.min(l.options.threads, rows);
  const bounds = evenly(rows, pieces);
  return {
    domain: { key: pieces === 1 ? "one" : `lines:${rows}:${pieces}`, units: pieces, parts: pieces },
    range: (unit) => ({ from: bounds[unit]!, count: bounds[unit + 1]! - bounds[unit]! }),
  };
}
