/** Both gradients of a convolution: the transposed sum over output planes, and dot products of planes. */
import type { Operation } from "../../program/index.js";
import { type ConvShape, convOf } from "../geometry.js";
import type { Planes } from "../layout.js";
import { at, type Lowering, local, type Placed, whole } from "../lowering.js";
import type { Call } from "../step.js";
import { liveCount, type Topology, transposed } from "../topology.js";
import { type PlacedPlanes, patternOf, phaseExtent, phaseLayout, streams, strip, tapOffsets, tapPlanes } from "./taps.js";
import { sumParts, turn } from "./weights.js";
import { winogradFits, winogradInputGrad, winogradWeightGrad } from "./winograd.js";

/** dx = the gradient of conv(x, w) with respect to x. */
export function lowerConvInputGrad(l: Lowering, operation: Operation): void {
  const [dy, w] = operation.inputs as [number, number];
  const [dx] = operation.outputs as [number];
  const conv = convOf(l.program, operation);
  const pattern = l.type(w).pattern;
  const topology = patternOf(l, conv, pattern);
  const grad = l.bordered(dy);
  const weight = pattern !== undefined ? l.any(w) : l.rows(w);
  const planned = l.planes(l.type(dx).shape);
  const joined = joinSum(l, dx, grad, planned);
  const acc = joined !== undefined;
  const target = (joined ?? l.allocate(dx, planned)) as PlacedPlanes;
  target.clean = false;
  const param = l.paramOf(w);
  if (conv.direct) {
    if (!topology && winogradFits(l, { ...conv, c: conv.o, o: conv.c }, planned)) {
      winogradInputGrad(l, conv, grad, weight, target, acc);
      l.decide(operation, "winograd F(4x4,3x3)", "dense 3x3, stride 1", param);
      return;
    }
    const run = transposedSum(l, conv, topology, pattern, grad, weight, target.layout);
    l.step({
      name: "conv2d input gradient",
      domain: l.groupDomain(planned),
      reads: [
        local(grad),
        whole(weight),
        ...run.reads.map((buffer) => ({ buffer, local: false })),
        ...(acc ? [local(target)] : []),
      ],
      writes: [local(target)],
      emit: (call, { unit }) =>
        run.emit(
          call,
          at(grad) + unit * grad.layout.group + grad.layout.origin,
          at(target) + unit * planned.group + planned.origin,
          acc ? 1 : 0,
        ),
    });
    l.decide(operation, run.kernel, "transposed offsets", param);
    return;
  }
  const phases = phaseLayout(l, conv, grad.layout.lanes);
  const run = transposedSum(l, conv, topology, pattern, grad, weight, phases);
  const scratch: Placed = {
    buffer: l.planesBuffer(phases, "phase gradients"),
    offset: 0,
    layout: phases,
    clean: false,
  };
  const [sy, sx] = conv.attrs.stride;
  l.step({
    name: "conv2d input gradient",
    domain: l.groupDomain(planned),
    reads: [local(grad), whole(weight), ...run.reads.map((buffer) => ({ buffer, local: false })), ...(acc ? [local(target)] : [])],
    writes: [local(target), local(scratch)],
    emit(call, { unit }) {
      const from = at(scratch) + unit * phases.group;
      const to = at(target) + unit * planned.group;
      run.emit(call, at(grad) + unit * grad.layout.group + grad.layout.origin, from + phases.origin, 0);
      if (!acc) call("zero", { bytes: planned.group, y: to });
      conv.phases.forEach((phase, k) => {
        const { rows: h, cols: width } = phaseExtent(conv, phases, phase);
        call(phases.lanes === 4 ? "phase_add_n4" : "phase_add_n1", {
          c: conv.c,
          h,
          w: width,
          x: to + planned.origin + phase[0] * planned.row + phase[1] * planned.lanes * 4,
          xps: planned.plane,
          xrs: planned.row,
          sy,
          sx,
          y: from + k * conv.c * phases.plane + phases.origin,
          yps: phases.plane,
          yrs: phases.row,
        });
      });
    },
  });
  if (!acc) target.clean = true;
  l.decide(operation, run.kernel, "transposed offsets, then phases to pixels", param);
}

/**
 * When the only use of a gradient is to be added to one that lies already and dies there, it is added in place: but not to the one that it is
 * made of, whose neighbours are still read.
 * @returns that memory, which now also is the sum
 */
function joinSum(l: Lowering, dx: number, from: Placed, layout: Planes): Placed | undefined {
  const users = l.consumers[dx]!;
  if (users.length !== 1 || l.isEnd(dx)) return undefined;
  const user = l.program.operations[users[0]!]!;
  if (user.op !== "add") return undefined;
  const other = user.inputs[0] === dx ? user.inputs[1]! : user.inputs[0]!;
  if (other === dx || l.pending.has(other) || l.type(other).shape.join() !== l.type(dx).shape.join()) return undefined;
  const placed = l.copies(other)[0];
  if (placed?.layout.kind !== "planes" || placed.layout.plane !== layout.plane || placed.layout.lanes !== layout.lanes)
    return undefined;
  if (placed.buffer === from.buffer) return undefined;
  if (!l.dies(other, placed, users[0]!)) return undefined;
  l.done[users[0]!] = 1;
  return l.takeOver(user.outputs[0]!, placed);
}

/** The transposed sum: input planes (or phases) from output planes. */
function transposedSum(
  l: Lowering,
  conv: ConvShape,
  topology: Topology | undefined,
  pattern: string | undefined,
  grad: PlacedPlanes,
  weight: Placed,
  to: Planes,
) {
  const taps = conv.taps.length;
  const { row, plane, lanes } = grad.layout;
  const geometry = to.geometry;
  const right = Math.max(geometry.pitch - geometry.left - geometry.w, 0);
  const n = conv.direct ? strip(to) : strip(to, geometry.h + geometry.bottom, geometry.w + right);
  const shift = (k: number) => conv.taps[k]!.dy * row + conv.taps[k]!.dx * lanes * 4;
  if (topology) {
    const targets = conv.c * conv.phases.length;
    const cnt = l.fixed(targets * 4, "counts");
    const idx = l.fixed(topology.capacity * 4, "offsets");
    const order = l.fixed(topology.capacity * 4, "order");
    const write = () => {
      const list = transposed(
        topology,
        targets,
        (column) => conv.taps[column % taps]!.phase * conv.c + Math.floor(column / taps),
        (o, column) => o * plane - shift(column % taps),
      );
      const { i32 } = l.memory();
      i32.set(list.counts, cnt.address / 4);
      i32.set(list.offsets, idx.address / 4);
      i32.set(list.values, order.address / 4);
    };
    write();
    if (pattern !== undefined) l.refreshers.push({ pattern, refresh: write });
    const turned = turn(l, weight, order, () => liveCount(topology), topology.capacity);
    const kernel = l.options.tiles.sp1;
    return {
      kernel,
      reads: [turned],
      emit(call: Call, x: number, y: number, acc: number) {
        call(kernel, {
          nb: targets,
          cnt: cnt.address,
          idx: idx.address,
          w: turned.address,
          bias: 0,
          x,
          y,
          n,
          ys: to.plane,
          acc,
          shared: 0,
          lo: Number.NEGATIVE_INFINITY,
          hi: Number.POSITIVE_INFINITY,
        });
      },
    };
  }
  // Dense: the planes of one phase share a list over (output channel, tap of the phase); four planes at a time, then single ones.
  const order: number[] = [];
  const offsets: number[] = [];
  const calls: { nb: number; entries: number; first: number; w: number; p: number; four: boolean }[] = [];
  const blocks = conv.c >> 2;
  const rest = conv.c & 3;
  conv.phases.forEach((_, phase) => {
    const own = conv.taps.map((tap, k) => ({ tap, k })).filter(({ tap }) => tap.phase === phase);
    const first = offsets.length;
    for (let o = 0; o < conv.o; o++) for (const { k } of own) offsets.push(o * plane - shift(k));
    const entries = conv.o * own.length;
    const weightAt = (o: number, c: number, k: number) => ((o * conv.c + c) * taps + k) * 4;
    if (blocks) calls.push({ nb: blocks, entries, first, w: order.length, p: phase * conv.c, four: true });
    for (let b = 0; b < blocks; b++) {
      for (let o = 0; o < conv.o; o++) for (const { k } of own) for (let r = 0; r < 4; r++) order.push(weightAt(o, b * 4 + r, k));
    }
    if (rest) calls.push({ nb: rest, entries, first, w: order.length, p: phase * conv.c + blocks * 4, four: false });
    for (let c = blocks * 4; c < conv.c; c++)
      for (let o = 0; o < conv.o; o++) for (const { k } of own) order.push(weightAt(o, c, k));
  });
  const idx = l.constantBuffer(Int32Array.from(offsets), "offsets");
  const counts = calls.map(({ nb, entries }) => l.constantBuffer(new Int32Array(nb).fill(entries), "counts"));
  const list = l.constantBuffer(Int32Array.from(order), "order");
  const turned = turn(l, weight, list, order.length, order.length);
  return {
    kernel: "sp4_8 dense",
    reads: [turned],
    emit(call: Call, x: number, y: number, acc: number) {
      calls.forEach(({ nb, first, w, p, four }, i) => {
        call(four ? "sp4_8" : l.options.tiles.sp1, {
          nb,
          cnt: counts[i]!.address,
          idx: idx.address + first * 4,
          w: turned.address + w * 4,
          bias: 0,
          x,
          y: y + p * to.plane,
          n,
          ys: to.plane,
          acc,
          shared: 1,
          lo: Number.NEGATIVE_INFINITY,
          hi: Number.POSITIVE_INFINITY,
        });
      });
    },
  };
}

/** Floats that a dot product walks before it turns to the next weight: what the first cache holds. */
const BAND_FLOATS = 1100;

/** dw = the gradient of conv(x, w) with respect to w; for a sparse w only at live positions. */
export function lowerConvWeightGrad(l: Lowering, operation: Operation): void {
  const [x, dy] = operation.inputs as [number, number];
  const [dw] = operation.outputs as [number];
  const conv = convOf(l.program, operation);
  const pattern = l.type(dw).pattern;
  const topology = patternOf(l, conv, pattern);
  const grad = l.bordered(dy);
  // The products run over the borders between rows: what lies there is zero, for infinity times zero is no number.
  const input = conv.direct ? l.bordered(x) : tapPlanes(l, conv, x);
  const layout = grad.layout;
  const domain = l.groupDomain(layout);
  const result = l.allocate(dw, pattern === undefined ? { kind: "rows" } : { kind: "live", pattern });
  if (!topology && layout.lanes === 4 && winogradFits(l, conv, layout) && conv.o % 4 === 0 && conv.c % 2 === 0) {
    winogradWeightGrad(l, conv, input, grad, result);
    l.decide(operation, "winograd F(4x4,3x3)", "dense 3x3, stride 1");
    return;
  }
  const offsets = tapOffsets(conv, input.layout);
  const k = offsets.length;
  const values = topology ? topology.capacity : conv.o * k;
  const partial = l.temporary(domain.parts * values * 4, "partial gradients");
  const rowsPerBand = Math.max(1, Math.round(BAND_FLOATS / (layout.geometry.pitch * layout.lanes)));
  const bands = Array.from({ length: Math.ceil(layout.geometry.h / rowsPerBand) }, (_, b) => ({
    skip: b * rowsPerBand * layout.row,
    n: strip(layout, Math.min(rowsPerBand, layout.geometry.h - b * rowsPerBand)),
  }));
  const index = topology ? streams(l, topology, pattern, offsets) : { cnt: undefined, idx: l.constantBuffer(offsets, "offsets") };
  const kernel = topology ? (`sddmm${topology.block}` as "sddmm1" | "sddmm2" | "sddmm4") : "dots";
  l.step({
    name: "conv2d weight gradient",
    domain,
    reads: [local(input), local(grad)],
    writes: [{ buffer: partial, local: true }],
    emit(call, { unit, part, first }) {
      const out = partial.address + part * values * 4;
      bands.forEach(({ skip, n }, b) => {
        const acc = first && b === 0 ? 0 : 1;
        const y = at(grad) + unit * layout.group + layout.origin + skip;
        const z = at(input) + unit * input.layout.group + input.layout.origin + skip;
        if (topology)
          call(kernel, {
            m: topology.rows / topology.block,
            cnt: index.cnt!.address,
            idx: index.idx.address,
            dy: y,
            ys: layout.plane,
            x: z,
            n,
            out,
            acc,
          });
        else call(kernel, { m: conv.o, k, idx: index.idx.address, dy: y, ys: layout.plane, x: z, n, out, ldo: k * 4, acc });
      });
    },
  });
  l.decide(operation, kernel, topology ? "at live positions only" : "dense dot products");
  sumParts(l, dw, partial, domain.parts, values, result, topology && pattern !== undefined ? () => liveCount(topology) : values);
}
