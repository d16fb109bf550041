/** Weights in another order, and sums of the gradients that parts of a batch gave. */
import { at, type Lowering, local, ONE, type Placed, whole } from "../lowering.js";
import type { Buffer } from "../step.js";

/** Weights in another order, gathered anew in every run. */
export function turn(l: Lowering, weight: Placed, order: Buffer, n: number | (() => number), most: number): Buffer {
  const turned = l.temporary(most * 4, "turned weights");
  l.step({
    name: "turn weights",
    domain: ONE,
    reads: [whole(weight)],
    writes: [{ buffer: turned, local: false }],
    emit: (call) => call("permute", { n, perm: order.address, x: at(weight), y: turned.address }),
  });
  return turned;
}

/** Adds the parts' partial sums in order. */
export function sumParts(
  l: Lowering,
  value: number,
  partial: Buffer,
  parts: number,
  stride: number,
  result: Placed,
  count: number | (() => number),
): void {
  const domain = l.domain(value, result.layout);
  l.step({
    name: "sum partial gradients",
    domain,
    reads: [{ buffer: partial, local: false }],
    writes: [local(result)],
    emit(call, { unit }) {
      const { from, count: own } = l.range(stride, domain.units, unit);
      const n = typeof count === "number" ? own : () => Math.max(0, Math.min(count() - from, own));
      call("accumulate", { n, parts, stride: stride * 4, x: partial.address + from * 4, y: at(result) + from * 4, acc: 0 });
    },
  });
}
