/** Depthwise 3x3 convolution of single images: a kernel of its own, which needs no border around the planes. */
import type { ConvShape } from "../geometry.js";
import { at, type Epilogue, type Lowering, local, type Placed, whole } from "../lowering.js";
import type { PlacedPlanes } from "./taps.js";

/** y = clamp(depthwise(x) + bias). */
export function depthwiseForward(
  l: Lowering,
  conv: ConvShape,
  input: PlacedPlanes,
  weight: Placed,
  output: PlacedPlanes,
  epilogue: Epilogue,
): void {
  const { bias, lo, hi } = epilogue;
  const from = input.layout;
  const to = output.layout;
  l.step({
    name: "depthwise",
    domain: l.groupDomain(to),
    reads: [local(input), whole(weight), ...(bias ? [whole(bias)] : [])],
    writes: [local(output)],
    emit(call, { unit }) {
      call(conv.attrs.stride[0] === 1 ? "dw3_s1" : "dw3_s2", {
        c: conv.c,
        h: conv.oh,
        w: conv.ow,
        x: at(input) + unit * from.group + from.origin,
        xps: from.plane,
        xrs: from.row,
        y: at(output) + unit * to.group + to.origin,
        yps: to.plane,
        yrs: to.row,
        weight: at(weight),
        bias: bias ? at(bias) : 0,
        lo,
        hi,
        xh: conv.h,
        xw: conv.w,
      });
    },
  });
}
