/**
 * Depthwise 3x3 convolution of single images: a kernel of its own, which needs no border around the planes. Followed by a 1x1
 * convolution the two run band by band of rows, so that what the first writes the second finds in cache.
 */
import type { ConvShape } from "../geometry.js";
import { type Planes, planesOf } from "../layout.js";
import { at, type Epilogue, type Lowering, local, type Placed, whole } from "../lowering.js";
import type { Access, Call } from "../step.js";
import type { PlacedPlanes } from "./taps.js";

/** What a band of the depthwise result may take: a part of a second cache. */
const BAND_BYTES = 160 << 10;

/** A depthwise convolution ready to be called for some rows. */
export interface DepthwiseCall {
  readonly reads: readonly Access[];
  /** Rows [r0, r0 + rows) of one image into planes of layout `to` whose pixel (r0, 0) lies at y. */
  readonly run: (call: Call, unit: number, r0: number, rows: number, y: number, to: Planes) => void;
}

/** @param epilogue bias and clamp (a residual is the caller's business) */
export function depthwiseCall(conv: ConvShape, input: PlacedPlanes, weight: Placed, { bias, lo, hi }: Epilogue): DepthwiseCall {
  const from = input.layout;
  const [stride] = conv.attrs.stride;
  return {
    reads: [local(input), whole(weight), ...(bias ? [whole(bias)] : [])],
    run(call, unit, r0, rows, y, to) {
      call(stride === 1 ? "dw3_s1" : "dw3_s2", {
        c: conv.c,
        h: rows,
        w: conv.ow,
        x: at(input) + unit * from.group + from.origin + r0 * stride * from.row,
        xps: from.plane,
        xrs: from.row,
        y,
        yps: to.plane,
        yrs: to.row,
        weight: at(weight),
        bias: bias ? at(bias) : 0,
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
  l.step({
    name: "depthwise",
    domain: l.groupDomain(to),
    reads: own.reads,
    writes: [local(output)],
    emit: (call, { unit }) => own.run(call, unit, 0, conv.oh, at(output) + unit * to.group + to.origin, to),
  });
}

/** The layout of a band of a depthwise result beside planes of `to`'s rows, or undefined when the whole result is no bigger. */
export function bandLayout(conv: ConvShape, to: Planes): Planes | undefined {
  const { pitch } = to.geometry;
  const rows = Math.max(4, Math.floor(BAND_BYTES / (conv.c * pitch * 4)) & ~3);
  if (rows >= conv.oh) return undefined;
  return planesOf(1, conv.c, 1, { h: rows, w: conv.ow, top: 0, bottom: 0, left: 0, pitch });
}
