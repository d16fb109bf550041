/**
 * Int8 operations. Their values lie in quads: the planes layout with four channels of one byte where f32 planes have one float, so
 * borders, taps, phases and strides are those of planes with a quarter of the channels. Weights are packed when a program is compiled:
 * params must be frozen, and the int8 kernels loaded.
 */
import { InputError } from "../../core/index.js";
import { type Int8ConvAttrs, int8RowSums, type Operation } from "../../program/index.js";
import { allChannels, allOf, allRows, balanced, cutPlanes, type Piece, pixelOf } from "../cut.js";
import { type ConvShape, convOf, depthwiseInt8Fits } from "../geometry.js";
import { type Int8Blocks, inPairs, packDepthwise, toBlocks } from "../int8-param.js";
import { planesOf, ROWS } from "../layout.js";
import { at, type Lowering, local, whole } from "../lowering.js";
import type { Call } from "../step.js";
import { type Constants, constants, floats, quads, quadsOf, requireInt8, weightOf } from "./int8-values.js";
import { type PlacedPlanes, phaseExtent, readsNoNeighbour, strip, tapOffsets } from "./taps.js";

const f = Math.fround;

/** The channels of a piece of quads. @param c all there are */
const channelsOf = ({ c0, c: fours }: Piece, c: number) => ({ c0: c0 * 4, c: Math.min(c, (c0 + fours) * 4) - c0 * 4 });

/** Bytes to the first value of a piece in row-major memory of [n, c, h, w]. */
const rowsAt = ({ group, r0 }: Piece, { c0 }: { c0: number }, c: number, h: number, w: number): number =>
  ((group * c + c0) * h + r0) * w * 4;

/** f32 planes or rows to quads. */
export function lowerQuantise(l: Lowering, operation: Operation): void {
  requireInt8(l, operation);
  const [x] = operation.inputs as [number];
  const [y] = operation.outputs as [number];
  const { scale, zero } = operation.attrs as { scale: number; zero: number };
  const [, c, h, w] = l.type(x).shape as [number, number, number, number];
  if (w < 4) throw new InputError("engine: quantise takes rows of at least four pixels");
  const from = l.any(x);
  // Planes of four images to a pixel go by rows.
  const planes = from.layout.kind === "planes" && from.layout.lanes === 1 ? (from as PlacedPlanes) : undefined;
  const input = planes ?? l.rows(x);
  const output = l.allocate(y, quadsOf(l, l.type(y).shape)) as PlacedPlanes;
  const to = output.layout;
  const cut = cutPlanes(l, to);
  // Ranges of channels are counted in fours here, and one by one there.
  const reads = planes && cut.by !== "channels" ? local(input) : whole(input);
  l.step({
    name: "quantise",
    domain: cut.domain,
    reads: [reads],
    writes: [local(output)],
    emit(call, { unit }) {
      const piece = cut.piece(unit);
      const own = channelsOf(piece, c);
      const source = planes
        ? { x: pixelOf(planes, { ...piece, ...own }), xps: planes.layout.plane, xrs: planes.layout.row }
        : { x: at(input) + rowsAt(piece, own, c, h, w), xps: h * w * 4, xrs: w * 4 };
      const target = { y: pixelOf(output, piece), yps: to.plane, yrs: to.row };
      call("q8_quantise", { c: own.c, h: piece.rows, w, ...source, ...target, inv: f(1 / scale), zero });
    },
  });
  l.bounds.set(output.buffer, cut.bounds);
  l.decide(operation, "q8_quantise", `f32 to bytes: scale ${scale.toPrecision(4)}, zero point ${zero}`);
}

/** Quads to rows. */
export function lowerDequantise(l: Lowering, operation: Operation): void {
  requireInt8(l, operation);
  const [x] = operation.inputs as [number];
  const [y] = operation.outputs as [number];
  const { scale, zero } = operation.attrs as { scale: number; zero: number };
  const [, c, h, w] = l.type(x).shape as [number, number, number, number];
  if (w < 4) throw new InputError("engine: dequantise takes rows of at least four pixels");
  const input = quads(l, operation, x);
  const layout = l.planes(l.type(y).shape);
  // Planes of four images to a pixel are made by way of rows.
  const output = l.allocate(y, layout.lanes === 1 ? layout : ROWS);
  const planes = layout.lanes === 1 ? (output as PlacedPlanes) : undefined;
  const { plane, row } = input.layout;
  const cut = cutPlanes(l, input.layout, l.bounds.get(input.buffer));
  l.step({
    name: "dequantise",
    domain: cut.domain,
    reads: [local(input)],
    writes: [planes && cut.by !== "channels" ? local(output) : whole(output)],
    emit(call, { unit }) {
      const piece = cut.piece(unit);
      const own = channelsOf(piece, c);
      const target = planes
        ? { y: pixelOf(planes, { ...piece, ...own }), yps: layout.plane, yrs: layout.row }
        : { y: at(output) + rowsAt(piece, own, c, h, w), yps: h * w * 4, yrs: w * 4 };
      const source = { x: pixelOf(input, piece), xps: plane, xrs: row };
      call("q8_dequantise", { c: own.c, h: piece.rows, w, ...source, ...target, scale: f(scale), zero });
    },
  });
  l.decide(operation, "q8_dequantise", "bytes to f32, for operations that have no int8 form");
}

/** Convolution of bytes with bias, residual and activation. */
export function lowerConvInt8(l: Lowering, operation: Operation): void {
  requireInt8(l, operation);
  const [x, w, s, b, r] = operation.inputs as [number, number, number, number, number | undefined];
  const attrs = operation.attrs as unknown as Int8ConvAttrs;
  const conv = convOf(l.program, operation);
  if (conv.w < 4 || conv.ow < 4) throw new InputError("engine: conv2dInt8 takes rows of at least four pixels");
  const input = quads(l, operation, x);
  const scale = floats(l, operation, s);
  const weight = weightOf(l, operation, w, scale);
  const bias = floats(l, operation, b);
  const residual = r === undefined ? undefined : quads(l, operation, r);
  const output = l.allocate(operation.outputs[0]!, quadsOf(l, l.type(operation.outputs[0]!).shape)) as PlacedPlanes;
  const tail: Tail = { attrs, residual, output };
  const param = l.paramOf(w);
  if (attrs.groups !== 1) {
    if (!depthwiseInt8Fits(conv) || attrs.xZero !== 0 || residual || !weight.values)
      throw new InputError(
        "engine: conv2dInt8 in groups takes depthwise 3x3 weights, padding 1 (0 before with stride 2 on even planes), stride 1 or 2, zero point 0 and no residual",
      );
    depthwise(l, conv, input, weight.values, constants(l, int8RowSums(weight.values, conv.o), scale, bias, attrs), tail);
    l.decide(operation, `q8_dw3_s${attrs.stride[0]}, ${l.options.int8}`, "int8 depthwise 3x3", param);
    return;
  }
  const blocks = toBlocks(weight);
  const packed = l.options.int8 === "madd" ? inPairs(blocks) : blocks;
  blocksForward(l, conv, input, packed, constants(l, blocks.sums, scale, bias, attrs), tail);
  const all = blocks.counts.length * Math.ceil(conv.c / 4) * conv.taps.length;
  l.decide(
    operation,
    `q8_sp, ${l.options.int8}`,
    `int8: ${blocks.columns.length} of ${all} blocks of 4 outputs x 4 inputs live${residual ? "; with the addition after it" : ""}`,
    param,
  );
}

interface Tail {
  readonly attrs: Int8ConvAttrs;
  readonly residual: PlacedPlanes | undefined;
  readonly output: PlacedPlanes;
}

function depthwise(l: Lowering, conv: ConvShape, input: PlacedPlanes, q: Int8Array, c: Constants, { attrs, output }: Tail): void {
  const weight = l.constantBuffer(packDepthwise(q), "int8 depthwise weights");
  const [from, to] = [input.layout, output.layout];
  const cut = cutPlanes(l, to, l.bounds.get(input.buffer));
  const stride = attrs.stride[0]!;
  l.step({
    name: "depthwise int8",
    domain: cut.domain,
    reads: [allRows(input, cut)],
    writes: [local(output)],
    emit(call, { unit }) {
      const piece = cut.piece(unit);
      const { c0, r0 } = piece;
      call(stride === 1 ? "q8_dw3_s1" : "q8_dw3_s2", {
        ...{ c: piece.c, h: piece.rows, w: conv.ow, xh: conv.h, xw: conv.w },
        ...{ x: pixelOf(input, { ...piece, r0: r0 * stride }), xps: from.plane, xrs: from.row },
        ...{ y: pixelOf(output, piece), yps: to.plane, yrs: to.row },
        ...{ weight: weight.address + c0 * 48, bias: c.start.address + c0 * 16, scale: c.multiplier.address + c0 * 16 },
        ...{ lo: attrs.lo, hi: attrs.hi, zero: attrs.yZero, pad: attrs.padding[0]!, r0 },
      });
    },
  });
  l.bounds.set(output.buffer, cut.bounds);
}

function blocksForward(
  l: Lowering,
  conv: ConvShape,
  from: PlacedPlanes,
  blocks: Int8Blocks,
  c: Constants,
  { attrs, residual, output }: Tail,
): void {
  const grouped: ConvShape = { ...conv, c: Math.ceil(conv.c / 4) };
  const input = tapQuads(l, grouped, from, attrs.xZero);
  const offsets = tapOffsets(grouped, input.layout);
  const taps = conv.taps.length;
  // Blocks are numbered tap by tap, offsets channel by channel.
  const offsetOf = (column: number) => offsets[(column % grouped.c) * taps + Math.floor(column / grouped.c)]!;
  const entries = blocks.columns.length;
  const stream = new Int32Array(entries * 5);
  const bytes = new Int8Array(stream.buffer);
  for (let e = 0; e < entries; e++) {
    stream[e * 5] = offsetOf(blocks.columns[(e + 1) % entries]!) - offsetOf(blocks.columns[e]!);
    bytes.set(blocks.values.subarray(e * 16, e * 16 + 16), e * 20 + 4);
  }
  const w = l.constantBuffer(entries ? stream : new Int32Array(5), "int8 blocks");
  const cnt = l.constantBuffer(blocks.counts, "int8 block counts");
  const to = output.layout;
  const starts = new Int32Array(blocks.counts.length + 1);
  blocks.counts.forEach((count, i) => {
    starts[i + 1] = starts[i]! + count;
  });
  const { threads } = l.options;
  const cut = cutPlanes(l, to, starts.length - 1 < threads ? undefined : balanced(starts, threads));
  l.step({
    name: "conv2d int8",
    domain: cut.domain,
    reads: [readsNoNeighbour(conv) ? allChannels(input, cut) : allOf(input, cut), ...(residual ? [local(residual)] : [])],
    writes: [local(output)],
    emit(call, { unit }) {
      const piece = cut.piece(unit);
      const { c0, rows } = piece;
      // The stream's distances lead from block to block: a range of outputs begins at its first one's.
      const first = starts[c0]! < entries ? offsetOf(blocks.columns[starts[c0]!]!) : 0;
      call("q8_sp", {
        ...{ nb: piece.c, cnt: cnt.address + c0 * 4, w: w.address + starts[c0]! * 20 },
        ...{ bias: c.start.address + c0 * 16, scale: c.multiplier.address + c0 * 16 },
        ...{ x: pixelOf(input, { ...piece, c0: 0 }) + first, y: pixelOf(output, piece) },
        ...{ n: strip(to, rows), ys: to.plane, lo: attrs.lo, hi: attrs.hi, zero: attrs.yZero },
        ...{ r: residual ? pixelOf(residual, piece) : 0, rs: f((attrs.rScale ?? 0) / attrs.yScale), rz: attrs.rZero ?? 0 },
      });
    },
  });
  l.bounds.set(output.buffer, cut.bounds);
}

/** The quads that the taps read, `zero` around them: the input itself, or its phases. `conv.c` counts groups of four channels. */
function tapQuads(l: Lowering, conv: ConvShape, input: PlacedPlanes, zero: number): PlacedPlanes {
  const from = input.layout;
  if (conv.direct) {
    if (!input.clean && !readsNoNeighbour(conv)) {
      input.clean = true;
      const cut = cutPlanes(l, from, l.bounds.get(input.buffer));
      l.step({
        name: "borders int8",
        domain: cut.domain,
        reads: [],
        writes: [local(input)],
        emit: (call, { unit }) => clearAround(call, input, cut.piece(unit), zero, from.geometry.w * 4),
      });
    }
    return input;
  }
  const layout = planesOf(conv.n, conv.c * conv.phases.length, 1, l.geometry(conv.oh, conv.ow));
  const placed: PlacedPlanes = { buffer: l.planesBuffer(layout, "int8 phases"), offset: 0, layout, clean: true };
  const [sy, sx] = conv.attrs.stride;
  const cut = cutPlanes(l, { ...layout, c: conv.c, group: from.group }, l.bounds.get(input.buffer));
  const aligned = cut.by !== "rows" || conv.h === conv.oh * sy;
  l.step({
    name: "phases int8",
    domain: cut.domain,
    reads: [aligned ? local(input) : whole(input)],
    writes: [local(placed)],
    emit(call, { unit }) {
      const piece = cut.piece(unit);
      const { c0, c, r0, rows } = piece;
      conv.phases.forEach((phase, k) => {
        const planes = { ...piece, c0: k * conv.c + c0 };
        clearAround(call, placed, planes, zero, 0);
        const { rows: all, cols: w } = phaseExtent(conv, layout, phase);
        // Rows beyond the output's grid go with its last.
        const h = (r0 + rows === layout.geometry.h ? all : Math.min(all, r0 + rows)) - r0;
        if (h <= 0) return;
        call("phase_copy_n1", {
          ...{ c, h, w, sy, sx, xps: from.plane, xrs: from.row, yps: layout.plane, yrs: layout.row },
          x: pixelOf(input, { ...piece, r0: 0 }) + (phase[0] + r0 * sy) * from.row + phase[1] * 4,
          y: pixelOf(placed, planes),
        });
      });
    },
  });
  return placed;
}

/** Fills what lies around a piece's rows of `wbytes` bytes: with its first row all before, with its last all after; all of it when `wbytes` is 0. */
function clearAround(call: Call, { buffer, offset, layout }: PlacedPlanes, piece: Piece, value: number, wbytes: number): void {
  const { geometry, origin, row, plane } = layout;
  const { group, c0, c, r0, rows } = piece;
  const from = r0 === 0 ? 0 : origin + r0 * row;
  const to = r0 + rows === geometry.h ? plane : origin + (r0 + rows) * row;
  const base = buffer.address + offset + group * layout.group + c0 * plane + from;
  const all = { h: 1, p0: 0 };
  const around = { h: rows, p0: origin + r0 * row - from };
  call("q8_border", { c, wbytes, base, ps: plane, pe: to - from, rs: row, value, ...(wbytes ? around : all) });
}
