/**
 * Convolution, dense and sparse, forward and both gradients, as lists of offsets on bordered planes.
 *
 * Forward: each output plane is a sum of input planes shifted by a constant offset (a tap). Input gradient: the same with the
 * transposed list. Weight gradient: a dot product of two planes per weight. Grouped and depthwise convolutions are sparse
 * patterns known beforehand; strides copy the input to phase planes first.
 */
import { InputError } from "../../core/index.js";
import type { Operation } from "../../program/index.js";
import { type ConvShape, convOf } from "../geometry.js";
import { type Planes, planesOf } from "../layout.js";
import { at, local, type Lowering, ONE, type Placed, whole } from "../lowering.js";
import type { Buffer, Call } from "../step.js";
import { countsOf, liveCount, type Topology, transposed } from "../topology.js";
import { winogradFits, winogradForward, winogradInputGrad, winogradWeightGrad } from "./winograd.js";

type PlacedPlanes = Placed & { layout: Planes };

/** Planes of the phases that a strided or cropping convolution reads, on the output's grid. */
function phaseLayout(l: Lowering, conv: ConvShape, lanes: 1 | 4): Planes {
  return planesOf(conv.n, conv.c * conv.phases.length, lanes, l.geometry(conv.oh, conv.ow));
}

/** Rows and columns of a phase plane that hold pixels of the input. */
function phaseExtent(conv: ConvShape, layout: Planes, [ry, rx]: readonly [number, number]): { rows: number; cols: number } {
  const [sy, sx] = conv.attrs.stride;
  const { geometry } = layout;
  const right = geometry.pitch - geometry.left - geometry.w;
  return {
    rows: Math.min(Math.ceil((conv.h - ry) / sy), conv.oh + geometry.bottom),
    cols: Math.min(Math.ceil((conv.w - rx) / sx), conv.ow + Math.max(right, 0)),
  };
}

/** The planes that the taps of a convolution read: the input itself, or its phases. */
function tapPlanes(l: Lowering, conv: ConvShape, x: number): PlacedPlanes {
  if (conv.direct) return l.bordered(x);
  const note = `phases:${x}:${conv.attrs.stride}:${conv.oh}x${conv.ow}:${conv.phases.join(";")}`;
  const known = l.notes.get(note);
  if (known) return known as PlacedPlanes;
  const input = l.as(x, l.planes(l.type(x).shape)) as PlacedPlanes;
  const from = input.layout;
  const layout = phaseLayout(l, conv, from.lanes);
  const placed: PlacedPlanes = { buffer: l.temporary(layout.group * layout.groups, "phases"), offset: 0, layout, clean: true };
  const [sy, sx] = conv.attrs.stride;
  l.step({
    name: "phases",
    domain: l.groupDomain(from),
    reads: [local(input)],
    writes: [local(placed)],
    emit(call, { unit }) {
      const base = at(placed) + unit * layout.group;
      call("zero", { bytes: layout.group, y: base });
      conv.phases.forEach((phase, k) => {
        const { rows: h, cols: w } = phaseExtent(conv, layout, phase);
        call(from.lanes === 4 ? "phase_copy_n4" : "phase_copy_n1", {
          c: conv.c,
          h,
          w,
          x: at(input) + unit * from.group + from.origin + phase[0] * from.row + phase[1] * from.lanes * 4,
          xps: from.plane,
          xrs: from.row,
          sy,
          sx,
          y: base + k * conv.c * layout.plane + layout.origin,
          yps: layout.plane,
          yrs: layout.row,
        });
      });
    },
  });
  l.notes.set(note, placed);
  return placed;
}

/** Byte offset from an output pixel to the pixel that each (channel, tap) reads, channel-major. */
function tapOffsets(conv: ConvShape, layout: Planes): Int32Array {
  const offsets = new Int32Array(conv.c * conv.taps.length);
  for (let c = 0; c < conv.c; c++) {
    conv.taps.forEach((tap, k) => {
      offsets[c * conv.taps.length + k] = (tap.phase * conv.c + c) * layout.plane + tap.dy * layout.row + tap.dx * layout.lanes * 4;
    });
  }
  return offsets;
}

/** Floats of the strip from pixel (0, 0) that covers `h` rows of which the last has `w` pixels. */
const strip = (layout: Planes, h = layout.geometry.h, w = layout.geometry.w): number => ((h - 1) * layout.geometry.pitch + w) * layout.lanes;

/** The pattern of a grouped convolution: each output channel reads the channels of its own group, all taps. */
function groupedTopology(conv: ConvShape): Topology {
  const per = conv.c / conv.attrs.groups;
  const taps = conv.taps.length;
  const out = conv.o / conv.attrs.groups;
  const rowPtr = Int32Array.from({ length: conv.o + 1 }, (_, o) => o * per * taps);
  const columnOf = new Int32Array(conv.o * per * taps);
  for (let o = 0, e = 0; o < conv.o; o++) {
    const c0 = Math.floor(o / out) * per;
    for (let k = 0; k < per * taps; k++) columnOf[e++] = c0 * taps + k;
  }
  return { rows: conv.o, columns: conv.c * taps, block: 1, capacity: columnOf.length, rowPtr, columnOf, version: 0 };
}

/** The pattern that a weight's positions follow, when they do not form a full matrix. */
function patternOf(l: Lowering, conv: ConvShape, pattern: string | undefined): Topology | undefined {
  if (pattern !== undefined) {
    if (conv.attrs.groups !== 1) throw new InputError(`engine: "${pattern}" is a sparse weight of a grouped convolution; keep grouped and depthwise weights dense`);
    return l.topologies[pattern]!;
  }
  return conv.attrs.groups > 1 ? groupedTopology(conv) : undefined;
}

/** Index lists of a pattern on given planes; rewritten in place when the topology changes. */
function streams(l: Lowering, topology: Topology, pattern: string | undefined, offsets: Int32Array): { cnt: Buffer; idx: Buffer } {
  const entries = topology.capacity / topology.block;
  const cnt = l.fixed((topology.rows / topology.block) * 4, "counts");
  const idx = l.fixed(entries * 4, "offsets");
  const write = () => {
    const { i32 } = l.memory();
    i32.set(countsOf(topology), cnt.address / 4);
    const base = idx.address / 4;
    const n = topology.rowPtr[topology.rowPtr.length - 1]!;
    for (let e = 0; e < n; e++) i32[base + e] = offsets[topology.columnOf[e]!]!;
  };
  write();
  if (pattern !== undefined) l.refreshers.push({ pattern, refresh: write });
  return { cnt, idx };
}

const STRIP_KERNELS = { 2: "sp2_16", 4: "sp4_8" } as const;

/** y = conv(x, w). */
export function lowerConv(l: Lowering, operation: Operation): void {
  const [x, w] = operation.inputs as [number, number];
  const [y] = operation.outputs as [number];
  const conv = convOf(l.program, operation);
  const pattern = l.type(w).pattern;
  const topology = patternOf(l, conv, pattern);
  const planned = l.planes(l.type(y).shape);
  const winograd = !topology && winogradFits(l, conv, planned);
  l.defer(y, {
    layout: planned,
    takes: { bias: true, residual: true, upper: true },
    finish(value, epilogue) {
      const input = tapPlanes(l, conv, x);
      const weight = topology && pattern !== undefined ? l.any(w) : l.rows(w);
      const output = l.allocate(value, planned) as PlacedPlanes;
      const plain = winograd || epilogue.residual !== undefined;
      const lo = plain ? Number.NEGATIVE_INFINITY : epilogue.lo;
      const hi = plain ? Number.POSITIVE_INFINITY : epilogue.hi;
      const param = l.paramOf(w);
      if (winograd) {
        winogradForward(l, conv, input, weight, output);
        l.decide(operation, "winograd F(4x4,3x3)", "dense 3x3, stride 1: fewer multiplications than the direct sum", param);
        if (epilogue.bias || epilogue.residual || epilogue.lo > Number.NEGATIVE_INFINITY || epilogue.hi < Number.POSITIVE_INFINITY) {
          finishPlanes(l, output, epilogue, epilogue.bias);
        }
        return output;
      }
      const emit = topology ? sparseForward(l, conv, topology, pattern, input, weight, output) : directForward(l, conv, input, weight, output);
      l.step({
        name: "conv2d",
        domain: l.groupDomain(planned),
        reads: [local(input), whole(weight), ...emit.reads.map((buffer) => ({ buffer, local: false })), ...(epilogue.bias ? [whole(epilogue.bias)] : [])],
        writes: [local(output)],
        emit: (call, { unit }) =>
          emit.run(call, at(input) + unit * input.layout.group + input.layout.origin, at(output) + unit * planned.group + planned.origin, epilogue.bias ? at(epilogue.bias) : 0, lo, hi),
      });
      l.decide(operation, emit.kernel, emit.reason, param);
      if (epilogue.residual) finishPlanes(l, output, { ...epilogue }, undefined);
      return output;
    },
  });
}

interface Emitter {
  readonly kernel: string;
  readonly reason: string;
  readonly reads: readonly Buffer[];
  readonly run: (call: Call, x: number, y: number, bias: number, lo: number, hi: number) => void;
}

function sparseForward(l: Lowering, _conv: ConvShape, topology: Topology, pattern: string | undefined, input: PlacedPlanes, weight: Placed, output: PlacedPlanes): Emitter {
  const { cnt, idx } = streams(l, topology, pattern, tapOffsets(_conv, input.layout));
  const kernel = topology.block === 1 ? l.options.tiles.sp1 : STRIP_KERNELS[topology.block];
  const n = strip(output.layout);
  return {
    kernel,
    reason: pattern === undefined ? "grouped: the pattern is known" : `sparse ${topology.block === 1 ? "unstructured" : `${topology.block}x1 blocks`}`,
    reads: [],
    run(call, x, y, bias, lo, hi) {
      call(kernel, { nb: topology.rows / topology.block, cnt: cnt.address, idx: idx.address, w: at(weight), bias, x, y, n, ys: output.layout.plane, acc: 0, shared: 0, lo, hi });
    },
  };
}

function directForward(l: Lowering, conv: ConvShape, input: PlacedPlanes, weight: Placed, output: PlacedPlanes): Emitter {
  const k = conv.c * conv.taps.length;
  const idx = l.constantBuffer(tapOffsets(conv, input.layout), "offsets");
  const blocks = conv.o >> 2;
  const rest = conv.o & 3;
  const cnt = l.constantBuffer(new Int32Array(Math.max(blocks, rest, 1)).fill(k), "counts");
  const packed = l.temporary(blocks * 4 * k * 4, "packed weights");
  if (blocks) {
    l.step({
      name: "pack weights",
      domain: { key: "one", units: 1, parts: 1 },
      reads: [whole(weight)],
      writes: [{ buffer: packed, local: false }],
        emit: (call) => call("pack4", { o: blocks * 4, k, w: at(weight), rs: k * 4, cs: 4, out: packed.address }),
    });
  }
  const n = strip(output.layout);
  const ys = output.layout.plane;
  return {
    kernel: "sp4_8 dense",
    reason: "dense: direct sum over taps",
    reads: blocks ? [packed] : [],
    run(call, x, y, bias, lo, hi) {
      const common = { cnt: cnt.address, idx: idx.address, x, n, ys, acc: 0, shared: 1, lo, hi };
      if (blocks) call("sp4_8", { nb: blocks, w: packed.address, bias, y, ...common });
      if (rest) {
        const done = blocks * 4;
        call(l.options.tiles.sp1, { nb: rest, w: at(weight) + done * k * 4, bias: bias && bias + done * 4, y: y + done * ys, ...common });
      }
    },
  };
}

/** Bias, residual and clamp in a pass of their own, for kernels that cannot take them. */
function finishPlanes(l: Lowering, output: PlacedPlanes, epilogue: { residual?: Placed; lo: number; hi: number }, bias: Placed | undefined): void {
  const { layout } = output;
  const { residual, lo, hi } = epilogue;
  const ADD = 0;
  const CLAMP = 11;
  l.step({
    name: "finish conv2d",
    domain: l.groupDomain(layout),
    reads: [local(output), ...(bias ? [whole(bias)] : []), ...(residual ? [local(residual)] : [])],
    writes: [local(output)],
    emit(call, { unit }) {
      const y = at(output) + unit * layout.group;
      if (bias) {
        call("binary2d", { outer: layout.c, inner: layout.plane / 4, kind: ADD, x: y, xs: layout.plane, xsplat: 0, y: at(bias), ys: 4, ysplat: 1, z: y, zs: layout.plane });
      }
      if (residual) {
        call("binary2d", { outer: 1, inner: layout.group / 4, kind: ADD, x: y, xs: 0, xsplat: 0, y: at(residual) + unit * layout.group, ys: 0, ysplat: 0, z: y, zs: 0 });
      }
      if (lo > Number.NEGATIVE_INFINITY || hi < Number.POSITIVE_INFINITY) call("unary", { n: layout.group / 4, kind: CLAMP, x: y, y, a: lo, b: hi });
    },
  });
}

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
  const joined = joinSum(l, dx, planned);
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
      reads: [local(grad), whole(weight), ...run.reads.map((buffer) => ({ buffer, local: false })), ...(acc ? [local(target)] : [])],
      writes: [local(target)],
      emit: (call, { unit }) => run.emit(call, at(grad) + unit * grad.layout.group + grad.layout.origin, at(target) + unit * planned.group + planned.origin, acc ? 1 : 0),
    });
    l.decide(operation, run.kernel, "transposed offsets", param);
    return;
  }
  const phases = phaseLayout(l, conv, grad.layout.lanes);
  const run = transposedSum(l, conv, topology, pattern, grad, weight, phases);
  const scratch: Placed = { buffer: l.temporary(phases.group * phases.groups, "phase gradients"), offset: 0, layout: phases, clean: false };
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
 * When the only use of a gradient is to be added to one that lies already and dies there, it is added in place.
 * @returns that memory, which now also is the sum
 */
function joinSum(l: Lowering, dx: number, layout: Planes): Placed | undefined {
  const users = l.consumers[dx]!;
  if (users.length !== 1 || l.isEnd(dx)) return undefined;
  const user = l.program.operations[users[0]!]!;
  if (user.op !== "add") return undefined;
  const other = user.inputs[0] === dx ? user.inputs[1]! : user.inputs[0]!;
  if (other === dx || l.pending.has(other) || l.type(other).shape.join() !== l.type(dx).shape.join()) return undefined;
  const placed = l.copies(other)[0];
  if (!placed || placed.layout.kind !== "planes" || placed.layout.plane !== layout.plane || placed.layout.lanes !== layout.lanes) return undefined;
  if (!l.dies(other, placed, users[0]!)) return undefined;
  l.done[users[0]!] = 1;
  return l.place(user.outputs[0]!, { buffer: placed.buffer, offset: placed.offset, layout: placed.layout, clean: false });
}

/** The transposed sum: input planes (or phases) from output planes. */
function transposedSum(l: Lowering, conv: ConvShape, topology: Topology | undefined, pattern: string | undefined, grad: PlacedPlanes, weight: Placed, to: Planes) {
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
        call(kernel, { nb: targets, cnt: cnt.address, idx: idx.address, w: turned.address, bias: 0, x, y, n, ys: to.plane, acc, shared: 0, lo: Number.NEGATIVE_INFINITY, hi: Number.POSITIVE_INFINITY });
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
    for (let c = blocks * 4; c < conv.c; c++) for (let o = 0; o < conv.o; o++) for (const { k } of own) order.push(weightAt(o, c, k));
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
  const input = tapPlanes(l, conv, x);
  const layout = grad.layout;
  const domain = l.groupDomain(layout);
  const result = l.allocate(dw, pattern === undefined ? { kind: "rows" } : { kind: "live", pattern });
  if (!topology && winogradFits(l, conv, layout) && conv.o % 4 === 0 && conv.c % 2 === 0) {
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
        if (topology) call(kernel, { m: topology.rows / topology.block, cnt: index.cnt!.address, idx: index.idx.address, dy: y, ys: layout.plane, x: z, n, out, acc });
        else call(kernel, { m: conv.o, k, idx: index.idx.address, dy: y, ys: layout.plane, x: z, n, out, ldo: k * 4, acc });
      });
    },
  });
  l.decide(operation, kernel, topology ? "at live positions only" : "dense dot products");
  sumParts(l, dw, partial, domain.parts, values, result, topology && pattern !== undefined ? () => liveCount(topology) : values);
}

/** Adds the parts' partial sums in order. */
export function sumParts(l: Lowering, value: number, partial: Buffer, parts: number, stride: number, result: Placed, count: number | (() => number)): void {
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
