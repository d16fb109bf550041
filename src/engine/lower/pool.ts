/** Max and average pooling on planes, and their gradients. */
import type { Operation } from "../../program/index.js";
import { allRows, cutPlanes, pixelOf } from "../cut.js";
import type { Planes } from "../layout.js";
import { at, type Lowering, local, type Placed } from "../lowering.js";

type P = Placed & { layout: Planes };

interface PoolAttrs {
  readonly kernel: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly padding: readonly [number, number, number, number];
  readonly countPad?: boolean;
}

const planes = (l: Lowering, value: number): P => l.as(value, l.planes(l.type(value).shape)) as P;
const pixel = (p: P, unit: number): number => at(p) + unit * p.layout.group + p.layout.origin;

function window(input: P, output: P, attrs: PoolAttrs) {
  const [kh, kw] = attrs.kernel;
  const [sy, sx] = attrs.stride;
  return {
    c: input.layout.c,
    oh: output.layout.geometry.h,
    ow: output.layout.geometry.w,
    kh,
    kw,
    sy,
    sx,
    h: input.layout.geometry.h,
    w: input.layout.geometry.w,
    py: attrs.padding[0],
    px: attrs.padding[1],
  };
}

/** Rows of input above the first window, and rows of padding in it, when it begins at row `top`. */
const band = (top: number): [skip: number, padding: number] => [Math.max(0, top), Math.max(0, -top)];

/** maxPool2d and avgPool2d. */
export function lowerPool(l: Lowering, operation: Operation): void {
  const [x] = operation.inputs as [number];
  const [y] = operation.outputs as [number];
  const attrs = operation.attrs as unknown as PoolAttrs;
  const input = planes(l, x);
  const output = l.allocate(y, l.planes(l.type(y).shape)) as P;
  const four = input.layout.lanes === 4;
  const cut = cutPlanes(l, output.layout, l.bounds.get(input.buffer));
  l.step({
    name: operation.op,
    domain: cut.domain,
    reads: [allRows(input, cut)],
    writes: [local(output)],
    emit(call, { unit }) {
      const piece = cut.piece(unit);
      // A band's windows begin where those of its first row do: the input seen from there, padding above only for the first.
      const { c, r0, rows } = piece;
      const [skip, pad] = band(r0 * attrs.stride[0] - attrs.padding[0]);
      const all = window(input, output, attrs);
      const args = {
        ...all,
        c,
        oh: rows,
        h: all.h - skip,
        py: pad,
        x: pixelOf(input, { ...piece, r0: skip }),
        xps: input.layout.plane,
        xrs: input.layout.row,
        y: pixelOf(output, piece),
        yps: output.layout.plane,
        yrs: output.layout.row,
      };
      if (operation.op === "maxPool2d") call(four ? "maxpool_n4" : "maxpool_n1", args);
      else call(four ? "avgpool_n4" : "avgpool_n1", { ...args, countPad: attrs.countPad ? 1 : 0 });
    },
  });
  l.bounds.set(output.buffer, cut.bounds);
}

/** maxPool2dGrad(x, y, dy) and avgPool2dGrad(dy). */
export function lowerPoolGrad(l: Lowering, operation: Operation): void {
  const max = operation.op === "maxPool2dGrad";
  const [dx] = operation.outputs as [number];
  const attrs = operation.attrs as unknown as PoolAttrs;
  const [input, pooled] = max ? operation.inputs.slice(0, 2).map((v) => planes(l, v)) : [];
  const grad = planes(l, operation.inputs[max ? 2 : 0]!);
  const output = l.allocate(dx, l.planes(l.type(dx).shape)) as P;
  const four = output.layout.lanes === 4;
  l.step({
    name: operation.op,
    domain: l.groupDomain(output.layout),
    reads: [local(grad), ...(max ? [local(input!), local(pooled!)] : [])],
    writes: [local(output)],
    emit(call, { unit }) {
      call("zero", { bytes: output.layout.group, y: at(output) + unit * output.layout.group });
      const flow = {
        dy: pixel(grad, unit),
        dps: grad.layout.plane,
        drs: grad.layout.row,
        dx: pixel(output, unit),
        gps: output.layout.plane,
        grs: output.layout.row,
      };
      const args = { ...window(output, grad, attrs), ...flow };
      if (!max) return call(four ? "avgpool_grad_n4" : "avgpool_grad_n1", { ...args, countPad: attrs.countPad ? 1 : 0 });
      call(four ? "maxpool_grad_n4" : "maxpool_grad_n1", {
        ...args,
        x: pixel(input!, unit),
        xps: input!.layout.plane,
        xrs: input!.layout.row,
        y: pixel(pooled!, unit),
        yps: pooled!.layout.plane,
        yrs: pooled!.layout.row,
      });
    },
  });
  output.clean = true;
}
