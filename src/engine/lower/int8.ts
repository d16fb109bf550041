/**
 * Int8 operations. Their values lie in quads: the planes layout with four channels of one byte where f32 planes have one float, so
 * borders, taps, phases and strides are those of planes with a quarter of the channels. Weights are packed when a program is compiled:
 * params must be frozen, and the int8 kernels loaded.
 */
import { InputError } from "../../core/index.js";
import { type Int8ConvAttrs, int8Constants, int8RowSums, int8Weights, type Operation } from "../../program/index.js";
import { type ConvShape, convOf, depthwiseInt8Fits } from "../geometry.js";
import { type Int8Blocks, type Int8Param, inPairs, packDepthwise, packRows, toBlocks } from "../int8-param.js";
import { type Planes, planesOf, ROWS } from "../layout.js";
import { at, type Lowering, local, ONE, type Placed, whole } from "../lowering.js";
import type { Domain } from "../step.js";
import { type PlacedPlanes, phaseExtent, strip, tapOffsets } from "./taps.js";

const f = Math.fround;

/** Quads of a [n, c, h, w] value. */
function quadsOf(l: Lowering, shape: readonly number[]): Planes {
  const [n, c, h, w] = shape as [number, number, number, number];
  return planesOf(n, Math.ceil(c / 4), 1, l.geometry(h, w));
}

function requireInt8(l: Lowering, { op }: Operation): void {
  if (!l.options.int8) throw new InputError(`engine: "${op}" needs the int8 kernels; call engine.enableInt8() before compile`);
  if (!l.options.frozen)
    throw new InputError(`engine: "${op}" packs its weights when it is compiled; compile with { frozen: true }`);
}

function quads(l: Lowering, { op }: Operation, value: number): PlacedPlanes {
  const placed = l.any(value);
  if (placed.layout.kind !== "planes" || l.type(value).dtype !== "u8")
    throw new InputError(`engine: "${op}" takes bytes that quantise or another int8 operation made`);
  return placed as PlacedPlanes;
}

/** A copy of a dense param. */
function floats(l: Lowering, { op }: Operation, value: number): Float32Array {
  const path = l.paramOf(value);
  const home = path === undefined ? undefined : l.homes.get(path);
  if (!home || home.layout.kind !== "rows") throw new InputError(`engine: "${op}" takes scales and biases that are dense params`);
  const from = home.buffer.address / 4;
  return l.memory().f32.slice(from, from + l.size(value));
}

/** A weight's whole numbers: as the store holds them, or from a param of floats. */
function weightOf(l: Lowering, operation: Operation, value: number, scale: Float32Array): Int8Param {
  const path = l.paramOf(value);
  const held = path === undefined ? undefined : l.int8[path];
  return held ?? { shape: l.type(value).shape, values: int8Weights(floats(l, operation, value), scale) };
}

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
  const image = c * h * w * 4;
  const output = l.allocate(y, quadsOf(l, l.type(y).shape)) as PlacedPlanes;
  const to = output.layout;
  l.step({
    name: "quantise",
    domain: l.groupDomain(to),
    reads: [planes ? local(input) : whole(input)],
    writes: [local(output)],
    emit(call, { unit }) {
      const source = planes
        ? { x: at(planes) + unit * planes.layout.group + planes.layout.origin, xps: planes.layout.plane, xrs: planes.layout.row }
        : { x: at(input) + unit * image, xps: h * w * 4, xrs: w * 4 };
      const target = { y: at(output) + unit * to.group + to.origin, yps: to.plane, yrs: to.row };
      call("q8_quantise", { c, h, w, ...source, ...target, inv: f(1 / scale), zero });
    },
  });
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
  const output = l.allocate(y, ROWS);
  const { group, origin, plane, row } = input.layout;
  l.step({
    name: "dequantise",
    domain: l.groupDomain(input.layout),
    reads: [local(input)],
    writes: [whole(output)],
    emit(call, { unit }) {
      const source = { x: at(input) + unit * group + origin, xps: plane, xrs: row };
      call("q8_dequantise", {
        c,
        h,
        w,
        ...source,
        y: at(output) + unit * c * h * w * 4,
        yps: h * w * 4,
        yrs: w * 4,
        scale: f(scale),
        zero,
      });
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

/** Per channel constants in memory, for channels up to a multiple of four. */
function constants(
  l: Lowering,
  sums: Parameters<typeof int8Constants>[1],
  scale: Float32Array,
  bias: Float32Array | undefined,
  attrs: Pick<Int8ConvAttrs, "xScale" | "xZero" | "yScale">,
) {
  const made = int8Constants("engine: int8", sums, scale, bias, attrs);
  const n = Math.ceil(scale.length / 4) * 4;
  const start = new Int32Array(n);
  const multiplier = new Float32Array(n);
  start.set(made.start);
  multiplier.set(made.multiplier);
  return { start: l.constantBuffer(start, "int8 sums' starts"), multiplier: l.constantBuffer(multiplier, "int8 multipliers") };
}

type Constants = ReturnType<typeof constants>;

/** Single images on several threads are cut into slices; every thread then needs all of the step before. */
const slices = (l: Lowering, key: string, layout: Planes, most: number): Domain | undefined =>
  layout.n === 1 && l.options.threads > 1 && most > 1
    ? { key: `${key}:${most}`, units: Math.min(l.options.threads, most), parts: Math.min(l.options.threads, most) }
    : undefined;

function depthwise(l: Lowering, conv: ConvShape, input: PlacedPlanes, q: Int8Array, c: Constants, { attrs, output }: Tail): void {
  const weight = l.constantBuffer(packDepthwise(q), "int8 depthwise weights");
  const [from, to] = [input.layout, output.layout];
  const cut = slices(l, "channels", to, to.c);
  const stride = attrs.stride[0]!;
  l.step({
    name: "depthwise int8",
    domain: cut ?? l.groupDomain(to),
    reads: [cut ? whole(input) : local(input)],
    writes: [cut ? whole(output) : local(output)],
    emit(call, { unit }) {
      const first = cut ? Math.floor((to.c * unit) / cut.units) : 0;
      const end = cut ? Math.floor((to.c * (unit + 1)) / cut.units) : to.c;
      const image = cut ? 0 : unit;
      call(stride === 1 ? "q8_dw3_s1" : "q8_dw3_s2", {
        ...{ c: end - first, h: conv.oh, w: conv.ow, xh: conv.h, xw: conv.w },
        ...{ x: at(input) + image * from.group + from.origin + first * from.plane, xps: from.plane, xrs: from.row },
        ...{ y: at(output) + image * to.group + to.origin + first * to.plane, yps: to.plane, yrs: to.row },
        ...{ weight: weight.address + first * 48, bias: c.start.address + first * 16, scale: c.multiplier.address + first * 16 },
        ...{ lo: attrs.lo, hi: attrs.hi, zero: attrs.yZero, pad: attrs.padding[0]! },
      });
    },
  });
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
  const start = entries ? offsetOf(blocks.columns[0]!) : 0;
  const to = output.layout;
  const n = strip(to);
  const cut = slices(l, "pixels", to, Math.floor(n / 64));
  l.step({
    name: "conv2d int8",
    domain: cut ?? l.groupDomain(to),
    reads: [cut ? whole(input) : local(input), ...(residual ? [cut ? whole(residual) : local(residual)] : [])],
    writes: [cut ? whole(output) : local(output)],
    emit(call, { unit }) {
      const first = cut ? Math.floor((n * unit) / cut.units / 8) * 8 : 0;
      const end = cut && unit + 1 < cut.units ? Math.floor((n * (unit + 1)) / cut.units / 8) * 8 : n;
      const image = cut ? 0 : unit;
      const place = image * to.group + to.origin + first * 4;
      call("q8_sp", {
        ...{ nb: blocks.counts.length, cnt: cnt.address, w: w.address, bias: c.start.address, scale: c.multiplier.address },
        ...{ x: at(input) + image * input.layout.group + input.layout.origin + start + first * 4, y: at(output) + place },
        ...{ n: end - first, ys: to.plane, lo: attrs.lo, hi: attrs.hi, zero: attrs.yZero },
        ...{ r: residual ? at(residual) + place : 0, rs: f((attrs.rScale ?? 0) / attrs.yScale), rz: attrs.rZero ?? 0 },
      });
    },
  });
}

/** The quads that the taps read, `zero` around them: the input itself, or its phases. `conv.c` counts groups of four channels. */
function tapQuads(l: Lowering, conv: ConvShape, input: PlacedPlanes, zero: number): PlacedPlanes {
  const from = input.layout;
  if (conv.direct) {
    if (!input.clean && conv.taps.some((tap) => tap.dy !== 0 || tap.dx !== 0)) {
      input.clean = true;
      const { c, plane: ps, origin: p0, row: rs } = from;
      l.step({
        name: "borders int8",
        domain: l.groupDomain(from),
        reads: [],
        writes: [local(input)],
        emit: (call, { unit }) =>
          call("q8_border", {
            ...{ c, h: from.geometry.h, wbytes: from.geometry.w * 4, ps, p0, rs, value: zero },
            base: at(input) + unit * from.group,
          }),
      });
    }
    return input;
  }
  const layout = planesOf(conv.n, conv.c * conv.phases.length, 1, l.geometry(conv.oh, conv.ow));
  const placed: PlacedPlanes = { buffer: l.temporary(layout.group * layout.groups, "int8 phases"), offset: 0, layout, clean: true };
  const [sy, sx] = conv.attrs.stride;
  l.step({
    name: "phases int8",
    domain: l.groupDomain(from),
    reads: [local(input)],
    writes: [local(placed)],
    emit(call, { unit }) {
      const base = at(placed) + unit * layout.group;
      call("q8_fill", { bytes: layout.group, y: base, value: zero });
      conv.phases.forEach((phase, k) => {
        const { rows: h, cols: w } = phaseExtent(conv, layout, phase);
        call("phase_copy_n1", {
          ...{ c: conv.c, h, w, sy, sx, xps: from.plane, xrs: from.row, yps: layout.plane, yrs: layout.row },
          x: at(input) + unit * from.group + from.origin + phase[0] * from.row + phase[1] * 4,
          y: base + k * conv.c * layout.plane + layout.origin,
        });
      });
    },
  });
  return placed;
}

/** Mean over the plane, one byte a channel, row-major. */
export function lowerMeanInt8(l: Lowering, operation: Operation): void {
  requireInt8(l, operation);
  const input = quads(l, operation, operation.inputs[0]!);
  const output = l.allocate(operation.outputs[0]!, ROWS);
  const { xScale, xZero, yScale, yZero, lo, hi } = operation.attrs as unknown as Int8ConvAttrs;
  const [n, c, h, w] = l.type(operation.inputs[0]!).shape as [number, number, number, number];
  if (w > 1024) throw new InputError("engine: meanInt8 takes rows of at most 1,024 pixels");
  const { group, origin, plane, row } = input.layout;
  l.step({
    name: "mean int8",
    domain: ONE,
    reads: [whole(input)],
    writes: [whole(output)],
    emit(call) {
      for (let i = 0; i < n; i++)
        call("q8_mean", {
          ...{ c, h, w, x: at(input) + i * group + origin, xps: plane, xrs: row, y: at(output) + i * c },
          ...{ start: -xZero * h * w, scale: f(xScale / (yScale * h * w)), zero: yZero, lo, hi },
        });
    },
  });
  l.decide(operation, "q8_mean", "int8 mean over the plane");
}

/** Max pooling of bytes. */
export function lowerMaxPoolInt8(l: Lowering, operation: Operation): void {
  requireInt8(l, operation);
  const input = quads(l, operation, operation.inputs[0]!);
  const { shape } = l.type(operation.outputs[0]!);
  const output = l.allocate(operation.outputs[0]!, quadsOf(l, shape)) as PlacedPlanes;
  const { kernel, stride, padding } = operation.attrs as unknown as Record<"kernel" | "stride" | "padding", readonly number[]>;
  const [from, to] = [input.layout, output.layout];
  l.step({
    name: "maxPool int8",
    domain: l.groupDomain(to),
    reads: [local(input)],
    writes: [local(output)],
    emit: (call, { unit }) =>
      call("q8_maxpool", {
        ...{ c: shape[1]!, oh: shape[2]!, ow: shape[3]!, kh: kernel[0]!, kw: kernel[1]!, sy: stride[0]!, sx: stride[1]! },
        ...{ py: padding[0]!, px: padding[1]!, h: from.geometry.h, w: from.geometry.w },
        ...{ x: at(input) + unit * from.group + from.origin, xps: from.plane, xrs: from.row },
        ...{ y: at(output) + unit * to.group + to.origin, yps: to.plane, yrs: to.row },
      }),
  });
  l.decide(operation, "q8_maxpool", "int8 max pooling");
}

/** The classifier: bytes to f32. */
export function lowerLinearInt8(l: Lowering, operation: Operation): void {
  requireInt8(l, operation);
  const [x, w, s, b] = operation.inputs as [number, number, number, number];
  const { xScale, xZero } = operation.attrs as { xScale: number; xZero: number };
  const input: Placed = l.any(x);
  if (input.layout.kind !== "rows" || l.type(x).dtype !== "u8")
    throw new InputError("engine: linearInt8 takes the bytes that meanInt8 made");
  const output = l.allocate(operation.outputs[0]!, ROWS);
  const scale = floats(l, operation, s);
  const { values } = weightOf(l, operation, w, scale);
  if (!values) throw new InputError("engine: linearInt8 takes a dense weight");
  const o = scale.length;
  const k = values.length / o;
  const c = constants(l, int8RowSums(values, o), scale, undefined, { xScale, xZero, yScale: 1 });
  const padded = new Float32Array(Math.ceil(o / 4) * 4);
  padded.set(floats(l, operation, b));
  const bias = l.constantBuffer(padded, "bias");
  const { rows, kb } = packRows(values, o);
  const weight = l.constantBuffer(rows, "int8 rows");
  const [n] = l.type(x).shape as [number];
  l.step({
    name: "linear int8",
    domain: ONE,
    reads: [whole(input)],
    writes: [whole(output)],
    emit(call) {
      for (let i = 0; i < n; i++)
        call("q8_linear", {
          ...{ o, kb, w: weight.address, x: at(input) + i * k, start: c.start.address, scale: c.multiplier.address },
          ...{ bias: bias.address, y: at(output) + i * o * 4 },
        });
    },
  });
  l.decide(operation, `q8_linear, ${l.options.int8}`, "int8 product with one row, every weight dense", l.paramOf(w));
}
