/**
 * Convolution, dense and sparse, as lists of offsets on bordered planes: each output plane is a sum of input planes shifted by a
 * constant offset (a tap). Grouped convolutions are sparse patterns known beforehand; strides copy the input to phase planes first.
 */
import type { Operation } from "../../program/index.js";
import { allChannels, allOf, allRows, balanced, cutOf, cutPlanes, evenly, pieceStrip, pieceStrips, pixelOf } from "../cut.js";
import { type ConvShape, convOf, depthwiseFits } from "../geometry.js";
import { at, type Epilogue, type Lowering, local, type Placed, whole } from "../lowering.js";
import type { Topology } from "../topology.js";
import { directForward, type Emitter, sparseForward } from "./conv-sums.js";
import { bandLayout, depthwiseCall, depthwiseForward } from "./depthwise.js";
import { type PlacedPlanes, patternOf, readsNoNeighbour, tapPlanes } from "./taps.js";
import { winogradFits, winogradForward } from "./winograd.js";

/** y = conv(x, w). */
export function lowerConv(l: Lowering, operation: Operation): void {
  const [x, w] = operation.inputs as [number, number];
  const [y] = operation.outputs as [number];
  const conv = convOf(l.program, operation);
  const pattern = l.type(w).pattern;
  const topology = patternOf(l, conv, pattern);
  const planned = l.planes(l.type(y).shape);
  const winograd = !topology && winogradFits(l, conv, planned);
  const single = pattern === undefined && depthwiseFits(conv, l.lanes);
  l.defer(y, {
    layout: planned,
    takes: { bias: true, residual: true, upper: true },
    ...(single ? { depthwise: { conv, input: x, weight: w } } : {}),
    finish(value, epilogue) {
      if (single) return depthwise(l, operation, conv, value, epilogue);
      if (!epilogue.residual) {
        const both = separable(l, operation, conv, value, epilogue);
        if (both) return both;
      }
      const input = tapPlanes(l, conv, x);
      const weight = topology && pattern !== undefined ? l.any(w) : l.rows(w);
      const { residual } = epilogue;
      // Where the residual dies here and no tap reads it, the sum starts from it, in its memory.
      // Winograd on planes of four images takes no epilogue.
      const apart = winograd && planned.lanes === 4;
      const cut = cutPlanes(l, planned, outputBounds(l, conv, topology));
      const from = apart || residual?.buffer === input.buffer ? undefined : residual;
      const output = l.allocate(value, planned, from && { value: x, placed: from }) as PlacedPlanes;
      const over = from !== undefined && output.buffer === from.buffer;
      const plain = apart || (residual !== undefined && !over);
      const lo = plain ? Number.NEGATIVE_INFINITY : epilogue.lo;
      const hi = plain ? Number.POSITIVE_INFINITY : epilogue.hi;
      const param = l.paramOf(w);
      if (winograd) {
        const { bias } = epilogue;
        winogradForward(l, conv, input, weight, output, over, apart ? undefined : { bias, lo, hi });
        l.decide(operation, "winograd F(4x4,3x3)", "dense 3x3, stride 1: fewer multiplications than the direct sum", param);
        const bounded = epilogue.lo > Number.NEGATIVE_INFINITY || epilogue.hi < Number.POSITIVE_INFINITY;
        if (apart ? bias || residual || bounded : residual && !over) finishPlanes(l, output, epilogue, apart ? bias : undefined);
        return output;
      }
      const emits = topology
        ? sparseForward(l, conv, topology, pattern, input.layout, weight, output.layout, cut)
        : directForward(l, conv, input.layout, weight, output.layout, cut);
      // Sums that go on from what lies in their place: floats that two strips share would take the sum twice, so the last strip gets a place of its own.
      const shared = over && cut.by === "rows" && planned.geometry.pitch % 4 !== 0;
      const tails = shared ? l.temporary(cut.domain.parts * planned.group, "tails") : undefined;
      l.step({
        name: "conv2d",
        domain: cut.domain,
        reads: [
          readsNoNeighbour(conv) ? allChannels(input, cut) : allOf(input, cut),
          whole(weight),
          ...emits.flatMap(({ reads }) => reads.map((buffer) => ({ buffer, local: false }))),
          ...(epilogue.bias ? [whole(epilogue.bias)] : []),
          ...(over ? [local(output)] : []),
        ],
        writes: [local(output), ...(tails ? [{ buffer: tails, local: true }] : [])],
        emit(call, { unit, part }) {
          const piece = cut.piece(unit);
          const bias = epilogue.bias ? at(epilogue.bias) + piece.c0 * 4 : 0;
          const [from, to] = [pixelOf(input, { ...piece, c0: 0 }), pixelOf(output, piece)];
          const strips = pieceStrips(planned, piece, emits[piece.range]!.widest);
          const run = ([skip, n]: readonly [number, number], y: number) =>
            emits[piece.range]!.run(call, from + skip * 4, y, bias, n, lo, hi, over ? 1 : 0);
          const last = tails && strips[1];
          if (!last) {
            for (const strip of strips) run(strip, to + strip[0] * 4);
            return;
          }
          const [end, own] = [to + last[0] * 4, tails.address + part * planned.group];
          const planes = { d0: 1, d1: 1, d2: piece.c, d3: last[1], s0: 0, s1: 0, s2: planned.plane, s3: 4 };
          const copy = (x: number, y: number) => call("copy4", { ...planes, x, y, t0: 0, t1: 0, t2: planned.plane, t3: 4 });
          copy(end, own);
          run(strips[0]!, to);
          run(last, own);
          copy(own, end);
        },
      });
      l.bounds.set(output.buffer, cut.bounds);
      l.decide(operation, emits[0]!.kernel, emits[0]!.reason, param);
      if (residual && !over) finishPlanes(l, output, { ...epilogue }, undefined);
      return output;
    },
  });
}

/** Ranges of output channels of like work. */
const outputBounds = (l: Lowering, conv: ConvShape, topology: Topology | undefined): readonly number[] | undefined => {
  const { threads } = l.options;
  if (!topology) return evenly(conv.o, threads, 4);
  return topology.rows / topology.block < threads ? undefined : balanced(topology.rowPtr, threads, topology.block);
};

function depthwise(l: Lowering, operation: Operation, conv: ConvShape, value: number, epilogue: Epilogue): Placed {
  const [x, w] = operation.inputs as [number, number];
  const input = l.as(x, l.planes(l.type(x).shape)) as PlacedPlanes;
  const output = l.allocate(value, l.planes(l.type(operation.outputs[0]!).shape)) as PlacedPlanes;
  const { residual } = epilogue;
  const own = residual ? { ...epilogue, lo: Number.NEGATIVE_INFINITY, hi: Number.POSITIVE_INFINITY } : epilogue;
  depthwiseForward(l, conv, input, l.rows(w), output, own);
  l.decide(operation, `dw3_s${conv.attrs.stride[0]}`, "depthwise 3x3 of single images", l.paramOf(w));
  if (residual) finishPlanes(l, output, epilogue, undefined);
  return output;
}

/** A 1x1 convolution and the depthwise one before it, band by band, when that is pending and big enough to leave the cache. */
function separable(l: Lowering, operation: Operation, conv: ConvShape, value: number, epilogue: Epilogue): Placed | undefined {
  const [x, w] = operation.inputs as [number, number];
  const front = l.fusable(x)?.depthwise;
  const point = conv.kh === 1 && conv.kw === 1 && conv.direct && conv.attrs.groups === 1 && l.lanes === 1;
  if (!front || !point || l.pending.get(x)!.epilogue.residual) return undefined;
  const planned = l.planes(l.type(value).shape);
  const band = bandLayout(front.conv, planned);
  const cut = cutPlanes(l, planned);
  if (!band || cut.by === "channels") return undefined;
  const first = l.absorb(x);
  const input = l.as(front.input, l.planes(l.type(front.input).shape)) as PlacedPlanes;
  const depth = depthwiseCall(front.conv, input, l.rows(front.weight), first.epilogue);
  const pattern = l.type(w).pattern;
  const topology = patternOf(l, conv, pattern);
  const weight = pattern === undefined ? l.rows(w) : l.any(w);
  const output = l.allocate(value, planned) as PlacedPlanes;
  const [emit] = (
    topology
      ? sparseForward(l, conv, topology, pattern, band, weight, planned, cut)
      : directForward(l, conv, band, weight, planned, cut)
  ) as [Emitter];
  const { domain } = cut;
  const scratch = l.scratch(domain.parts, band.group, "band");
  const { bias, lo, hi } = epilogue;
  const { h: rows } = band.geometry;
  l.step({
    name: "depthwise and 1x1",
    domain,
    reads: [
      allRows(input, cut),
      ...depth.reads,
      whole(weight),
      ...emit.reads.map((buffer) => ({ buffer, local: false })),
      ...(bias ? [whole(bias)] : []),
    ],
    writes: [local(output), { buffer: scratch, local: true }],
    emit(call, { unit, part }) {
      const own = scratch.address + part * band.group;
      const piece = cut.piece(unit);
      for (let r = 0; r < piece.rows; r += rows) {
        const part = { ...piece, r0: piece.r0 + r, rows: Math.min(rows, piece.rows - r) };
        // The weights' columns are the depthwise convolution's channels.
        depth.run(call, { ...part, c0: 0, c: front.conv.c }, own, band);
        const y = pixelOf(output, { ...part, c0: 0 });
        for (const [skip, n] of pieceStrips(planned, part, emit.widest))
          emit.run(call, own + skip * 4, y + skip * 4, bias ? at(bias) : 0, n, lo, hi);
      }
    },
  });
  l.decide(
    operation,
    `dw3_s${front.conv.attrs.stride[0]} + ${emit.kernel}`,
    `${emit.reason}; with the depthwise convolution before it, ${rows} rows at a time`,
    l.paramOf(w),
  );
  return output;
}

/** Bias, residual and clamp in a pass of their own, for kernels that cannot take them. */
function finishPlanes(
  l: Lowering,
  output: PlacedPlanes,
  epilogue: { residual?: Placed; lo: number; hi: number },
  bias: Placed | undefined,
): void {
  const { layout } = output;
  const { residual, lo, hi } = epilogue;
  const ADD = 0;
  const CLAMP = 11;
  const cut = cutOf(l, output);
  l.step({
    name: "finish conv2d",
    domain: cut.domain,
    reads: [local(output), ...(bias ? [whole(bias)] : []), ...(residual ? [local(residual)] : [])],
    writes: [local(output)],
    emit(call, { unit }) {
      const piece = cut.piece(unit);
      const { c, c0 } = piece;
      const inner = pieceStrip(layout, piece);
      // Planes that are whole are one row, borders and all.
      const flat = { skip: layout.origin, outer: 1, inner: (c * layout.plane) / 4, stride: 0 };
      const rows = cut.by === "rows" ? { skip: 0, outer: c, inner, stride: layout.plane } : flat;
      const y = pixelOf(output, piece);
      if (bias) {
        call("binary2d", {
          outer: c,
          inner,
          kind: ADD,
          x: y,
          xs: layout.plane,
          xsplat: 0,
          y: at(bias) + c0 * 4,
          ys: 4,
          ysplat: 1,
          z: y,
          zs: layout.plane,
        });
      }
      if (residual) {
        call("binary2d", {
          outer: rows.outer,
          inner: rows.inner,
          kind: ADD,
          x: y - rows.skip,
          xs: rows.stride,
          xsplat: 0,
          y: pixelOf(residual as PlacedPlanes, piece) - rows.skip,
          ys: rows.stride,
          ysplat: 0,
          z: y - rows.skip,
          zs: rows.stride,
        });
      }
      if (lo > Number.NEGATIVE_INFINITY || hi < Number.POSITIVE_INFINITY)
        call("unary2d", {
          outer: rows.outer,
          inner: rows.inner,
          kind: CLAMP,
          x: y - rows.skip,
          xs: rows.stride,
          y: y - rows.skip,
          ys: rows.stride,
          a: lo,
          b: hi,
        });
    },
  });
}
