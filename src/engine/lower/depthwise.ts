/**
 * Depthwise 3x3 convolution of single images: a kernel of its own, which needs no border around the planes. Followed by a 1x1
 * convolution the two run band by band of rows, so that what the first writes the second finds in cache.
 */
import { allRows, cutPlanes, type Piece, pixelOf } from "../cut.js";
import type { ConvShape } from "../geometry.js";
import { type Planes, planesOf } from "../layout.js";
import { at, type Epilogue, type Lowering, local, type Placed, whole } from "../lowering.js";
import type { Access, Call } from "../step.js";
import type { PlacedPlanes } from "./taps.js";

/** What a band of the depthwise result may take: a part of a second cache. */
const BAND_BYTES = 200 << 10;

/** A depthwise convolution ready to be called for some rows and channels. */
export interface DepthwiseCall {
  /** Beside the input. */
  readonly reads: readonly Access[];
  /** A piece of the output into planes of layout `to`, its first pixel at y. */
  readonly run: (call: Call, piece: Piece, y: number, to: Planes) => void;
}

/** @param epilogue bias and clamp (a residual is the caller's business) */
export function depthwiseCall(conv: ConvShape, input: PlacedPlanes, weight: Placed, { bias, lo, hi }: Epilogue): DepthwiseCall {
  const from = input.layout;
  const [stride] = conv.attrs.stride;
  return {
    reads: [whole(weight), ...(bias ? [whole(bias)] : [])],
    run(call, piece, y, to) {
      const { c0, c, r0, rows } = piece;
      call(stride === 1 ? "dw3_s1" : "dw3_s2", {
        c,
        h: rows,
        w: conv.ow,
        x: pixelOf(input, { ...piece, r0: r0 * stride }),
        xps: from.plane,
        xrs: from.row,
        y,
        yps: to.plane,
        yrs: to.row,
        weight: at(weight) + c0 * 36,
        bias: bias ? at(bias) + c0 * 4 : 0,
        lo,
        hi,
        xh: conv.h,
        xw: conv.w,
        r0,
      });
    },
  };
}

/** y = clamp(depthwise(x) + bias), in a step of its own. */
export function depthwiseForward(
  l: Lowering,
  conv: ConvShape,
  input: PlacedPlanes,
  weight: Placed,
  output: PlacedPlanes,
  epilogue: Epilogue,
): void {
  const own = depthwiseCall(conv, input, weight, epilogue);
  const to = output.layout;
  const cut = cutPlanes(l, to, l.bounds.get(input.buffer));
  l.step({
    name: "depthwise",
    domain: cut.domain,
    reads: [allRows(input, cut), ...own.reads],
    writes: [local(output)],
    emit(call, { unit }) {
      const piece = cut.piece(unit);
      own.run(call, piece, pixelOf(output, piece), to);
    },
  });
  l.bounds.set(output.buffer, cut.bounds);
}

/** The layout of a band of a depthwise result beside planes of `to`'s rows, or undefined when the whole result is no bigger. */
export function bandLayout(conv: ConvShape, to: Planes): Planes | undefined {
  const { pitch } = to.geometry;
  const bands = Math.ceil((conv.c * pitch * conv.oh * 4) / BAND_BYTES);
  // Whole vectors a band, whatever the pitch.
  const rows = (Math.ceil(conv.oh / bands) + 3) & ~3;
  if (rows >= conv.oh) return undefined;
  return planesOf(1, conv.c, 1, { h: rows, w: conv.ow, top: 0, bottom: 0, left: 0, pitch });
}
