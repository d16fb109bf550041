/**
 * Dense 3x3 convolutions, stride 1, by Winograd F(4x4, 3x3): a quarter of the multiplications of the direct sum. Four images of a tile lie in a
 * vector, or four tiles of an image.
 * Error bound against the direct sum: PERFORMANCE figures give 3e-6 relative; the option `winograd: false` turns it off.
 *
 * Lavin and Gray 2016, arXiv:1509.09308.
 */

import { MOST_TILES } from "../../kernels/index.js";
import { allOf, byGroups, type Cut, cutPlanes } from "../cut.js";
import type { ConvShape } from "../geometry.js";
import type { Planes } from "../layout.js";
import { at, type Lowering, local, type Placed, whole } from "../lowering.js";
import type { Buffer, Call } from "../step.js";
import { sumParts } from "./weights.js";

type P = Placed & { layout: Planes };

/** Fewer input channels than this do not repay the transforms (measured at 16). */
const FEWEST_CHANNELS = 16;
const FREQUENCIES = 36;
/** Frequencies this far from a multiple of a power of two do not share cache sets. */
const SKEW = 64;
/** Tiles that are transformed, multiplied and transformed back at a time: what stays in the second cache. */
const TILES = 8;

/** What a tile of a single image costs, 36 products and its transforms, in products of the direct sum. */
const TILE_COST = 48;

/** Whether planes of single images repay: weights transformed once, tiles enough to fill vectors of four. */
function singleFits(l: Lowering, { h, w }: ConvShape): boolean {
  const [th, tw] = [Math.ceil(h / 4), Math.ceil(w / 4)];
  const fits = Math.max(th, tw) <= MOST_TILES && h * w * 9 > Math.ceil((th * tw) / 4) * 4 * TILE_COST;
  return l.options.frozen && fits;
}

/** Whether Winograd serves this convolution: 3x3, stride 1, padding 1, channels enough. */
export function winogradFits(l: Lowering, conv: ConvShape, layout: Planes): boolean {
  const { stride, dilation, padding, groups } = conv.attrs;
  const unit = stride.every((s) => s === 1) && dilation.every((d) => d === 1) && padding.every((p) => p === 1) && groups === 1;
  return (
    l.options.winograd &&
    unit &&
    (layout.lanes === 4 || singleFits(l, conv)) &&
    conv.kh === 3 &&
    conv.kw === 3 &&
    conv.direct &&
    conv.c >= FEWEST_CHANNELS &&
    conv.o >= FEWEST_CHANNELS &&
    conv.o % 4 === 0
  );
}

interface Bands {
  readonly tw: number;
  readonly bands: readonly { readonly ty: number; readonly th: number }[];
  /** Bytes of one channel's tiles: a vector holds four images of a tile, or four tiles. */
  readonly ts: number;
}

function bandsOf({ geometry: { h, w }, lanes }: Planes): Bands {
  const tw = Math.ceil(w / 4);
  const rows = Math.ceil(h / 4);
  const th = Math.max(1, Math.min(rows, Math.floor((TILES * 4) / lanes / tw)));
  const bands = Array.from({ length: Math.ceil(rows / th) }, (_, i) => ({ ty: i * th, th: Math.min(th, rows - i * th) }));
  return { tw, bands, ts: vectorsOf(th * tw, lanes) * 16 };
}

/** Vectors of a channel's tiles. */
const vectorsOf = (tiles: number, lanes: number): number => Math.ceil((tiles * lanes) / 4);

const frequencyBytes = (channels: number, ts: number): number => channels * ts + SKEW;

/** Transformed weights, made anew in every run: O rows of I columns, rotated and transposed for the input gradient. */
function transformedWeights(l: Lowering, conv: ConvShape, weight: Placed, forward: boolean): Buffer {
  const [o, i] = forward ? [conv.o, conv.c] : [conv.c, conv.o];
  const ufs = o * i * 4 + SKEW;
  const u = l.temporary(ufs * FREQUENCIES, "winograd weights");
  const so = forward ? conv.c * 36 : 36;
  const si = forward ? 36 : conv.c * 36;
  const blocks = o / 4;
  const parts = Math.min(4, blocks);
  l.step({
    name: "winograd weights",
    domain: { key: `winograd weights:${blocks}`, units: parts, parts },
    reads: [whole(weight)],
    writes: [{ buffer: u, local: false }],
    emit(call, { unit }) {
      const from = Math.floor((blocks * unit) / parts) * 4;
      const to = Math.floor((blocks * (unit + 1)) / parts) * 4;
      call("w4_weights", {
        o: to - from,
        i,
        w: at(weight) + from * so,
        so,
        si,
        rot: forward ? 0 : 1,
        u: u.address + from * i * 4,
        ufs,
      });
    },
  });
  return u;
}

/** What joins the transform back of single images. */
export interface SingleEpilogue {
  readonly bias?: Placed | undefined;
  readonly lo: number;
  readonly hi: number;
}

const FREE: SingleEpilogue = { lo: Number.NEGATIVE_INFINITY, hi: Number.POSITIVE_INFINITY };

/** Bands of rows where they begin with a tile; else whole images. */
function tileCut(l: Lowering, layout: Planes): Cut {
  const cut = cutPlanes(l, layout);
  const tiled =
    cut.by === "rows" && Array.from({ length: cut.domain.units }, (_, unit) => cut.piece(unit).r0).every((r) => r % 4 === 0);
  return tiled ? cut : byGroups(l, layout);
}

/** y (+)= the transformed sum over input planes; planes of single images take an epilogue. */
function product(
  l: Lowering,
  name: string,
  from: P,
  to: P,
  u: Buffer,
  inputs: number,
  outputs: number,
  acc: boolean,
  { bias, lo, hi }: SingleEpilogue = FREE,
): void {
  const cut = tileCut(l, to.layout);
  const { domain } = cut;
  const { tw, bands, ts } = bandsOf(to.layout);
  const vfs = frequencyBytes(inputs, ts);
  const mfs = frequencyBytes(outputs, ts);
  const v = l.scratch(domain.parts, vfs * FREQUENCIES, "winograd input");
  const m = l.scratch(domain.parts, mfs * FREQUENCIES, "winograd output");
  const ufs = outputs * inputs * 4 + SKEW;
  const { lanes } = to.layout;
  const { h, w } = to.layout.geometry;
  l.step({
    name,
    domain,
    reads: [allOf(from, cut), { buffer: u, local: false }, ...(acc ? [local(to)] : []), ...(bias ? [whole(bias)] : [])],
    writes: [local(to), { buffer: v, local: true }, { buffer: m, local: true }],
    emit(call, { unit, part }) {
      const vp = v.address + part * vfs * FREQUENCIES;
      const mp = m.address + part * mfs * FREQUENCIES;
      const { group, r0, rows } = cut.piece(unit);
      const [first, end] = [r0 / 4, Math.ceil((r0 + rows) / 4)];
      const most = bands[0]!.th;
      for (let ty = first; ty < end; ty += most) {
        const th = Math.min(most, end - ty);
        const tiles = { h: h - ty * 4, w, th, tw, ts };
        inputTransform(call, from, group, ty, tiles, inputs, vp, vfs);
        call("wgemm", {
          nf: FREQUENCIES,
          cob: outputs / 4,
          cin: inputs,
          t: vectorsOf(th * tw, lanes),
          u: u.address,
          ufs,
          v: vp,
          vfs,
          m: mp,
          mfs,
          ts,
        });
        const y = at(to) + group * to.layout.group + to.layout.origin + ty * 4 * to.layout.row;
        const back = { c: outputs, y, ps: to.layout.plane, rs: to.layout.row, ...tiles, m: mp, fs: mfs, acc: acc ? 1 : 0 };
        if (lanes === 1) call("w4_out_n1", { ...back, bias: bias ? at(bias) : 0, lo, hi });
        else call("w4_out", back);
      }
    },
  });
}

function inputTransform(
  call: Call,
  from: P,
  unit: number,
  ty: number,
  tiles: Readonly<Record<"h" | "w" | "th" | "tw" | "ts", number>>,
  c: number,
  v: number,
  fs: number,
): void {
  const { group, origin, row, plane, lanes } = from.layout;
  const x = at(from) + unit * group + origin - row - lanes * 4 + ty * 4 * row;
  call(lanes === 1 ? "w4_in_n1" : "w4_in", { c, x, ps: plane, rs: row, ...tiles, v, fs });
}

/** y (+)= conv(x, w); planes of single images take an epilogue. */
export function winogradForward(
  l: Lowering,
  conv: ConvShape,
  input: P,
  weight: Placed,
  output: P,
  acc = false,
  epilogue?: SingleEpilogue,
): void {
  product(l, "conv2d", input, output, transformedWeights(l, conv, weight, true), conv.c, conv.o, acc, epilogue);
}

/** dx (+)= the gradient with respect to x. */
export function winogradInputGrad(l: Lowering, conv: ConvShape, grad: P, weight: Placed, target: P, acc: boolean): void {
  product(l, "conv2d input gradient", grad, target, transformedWeights(l, conv, weight, false), conv.o, conv.c, acc);
}

/** dw: dot products of transformed tiles, kept apart per part, transformed back once per part. */
export function winogradWeightGrad(l: Lowering, conv: ConvShape, input: P, grad: P, result: Placed): void {
  const layout = grad.layout;
  const domain = l.groupDomain(layout);
  const { tw, bands, ts } = bandsOf(layout);
  const vfs = frequencyBytes(conv.c, ts);
  const dfs = frequencyBytes(conv.o, ts);
  const n = conv.o * conv.c;
  const ufs = n * 4 + SKEW;
  const v = l.scratch(domain.parts, vfs * FREQUENCIES, "winograd input");
  const d = l.scratch(domain.parts, dfs * FREQUENCIES, "winograd gradient");
  const du = l.temporary(domain.parts * ufs * FREQUENCIES, "winograd weight gradient");
  const partial = l.temporary(domain.parts * n * 36, "partial gradients");
  const { h, w } = layout.geometry;
  l.step({
    name: "conv2d weight gradient",
    domain,
    reads: [local(input), local(grad)],
    writes: [v, d, du, partial].map((buffer) => ({ buffer, local: true })),
    emit(call, { unit, part, first, last }) {
      const vp = v.address + part * vfs * FREQUENCIES;
      const dp = d.address + part * dfs * FREQUENCIES;
      const up = du.address + part * ufs * FREQUENCIES;
      bands.forEach(({ ty, th }, b) => {
        const tiles = { h: h - ty * 4, w, th, tw, ts };
        inputTransform(call, input, unit, ty, tiles, conv.c, vp, vfs);
        const x = at(grad) + unit * layout.group + layout.origin + ty * 4 * layout.row;
        call("w4_dy", { c: conv.o, x, ps: layout.plane, rs: layout.row, ...tiles, v: dp, fs: dfs });
        call("wdots", {
          nf: FREQUENCIES,
          co: conv.o,
          ci: conv.c,
          t: th * tw,
          d: dp,
          dfs,
          v: vp,
          vfs,
          ts,
          du: up,
          ufs,
          acc: first && b === 0 ? 0 : 1,
        });
      });
      if (last) call("w4_dweights", { n, du: up, ufs, g: partial.address + part * n * 36, acc: 0 });
    },
  });
  const value = [...l.program.operations[l.at]!.outputs][0]!;
  sumParts(l, value, partial, domain.parts, n * 9, result, n * 9);
}
