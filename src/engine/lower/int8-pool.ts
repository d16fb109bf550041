/** Int8 pooling, and the classifier behind it. */
import { InputError } from "../../core/index.js";
import { type Int8ConvAttrs, int8RowSums, type Operation } from "../../program/index.js";
import { allRows, cutChannels, cutPlanes, evenly, pixelOf } from "../cut.js";
import { packRows } from "../int8-param.js";
import { ROWS } from "../layout.js";
import { at, type Lowering, local, ONE, type Placed, whole } from "../lowering.js";
import type { PlacedPlanes } from "../placed.js";
import { constants, floats, quads, quadsOf, requireInt8, weightOf } from "./int8-values.js";

const f = Math.fround;
/** Channels and rows of a whole image. */
const WHOLE = { c0: 0, r0: 0, rows: 0, range: 0 };
/** Weights from which a product is worth a meeting of threads. */
const LEAST_WEIGHTS = 1 << 14;

/** Mean over the plane, one byte a channel, row-major. */
export function lowerMeanInt8(l: Lowering, operation: Operation): void {
  requireInt8(l, operation);
  const input = quads(l, operation, operation.inputs[0]!);
  const output = l.allocate(operation.outputs[0]!, ROWS);
  const { xScale, xZero, yScale, yZero, lo, hi } = operation.attrs as unknown as Int8ConvAttrs;
  const [n, c, h, w] = l.type(operation.inputs[0]!).shape as [number, number, number, number];
  if (w > 1024) throw new InputError("engine: meanInt8 takes rows of at most 1,024 pixels");
  const { plane, row } = input.layout;
  // The kernel writes four bytes at a time: past an image's last channels the next image's begin.
  const cut = n === 1 ? cutChannels(l, input.layout, l.bounds.get(input.buffer)) : undefined;
  l.step({
    name: "mean int8",
    domain: cut?.domain ?? ONE,
    reads: [cut ? allRows(input, cut) : whole(input)],
    writes: [whole(output)],
    emit(call, { unit }) {
      const images = Array.from({ length: n }, (_, group) => ({ ...WHOLE, group, c: input.layout.c }));
      for (const piece of cut ? [cut.piece(unit)] : images) {
        const { group, c0 } = piece;
        call("q8_mean", {
          ...{ c: Math.min(c, (c0 + piece.c) * 4) - c0 * 4, h, w, x: pixelOf(input, piece), xps: plane, xrs: row },
          ...{ y: at(output) + group * c + c0 * 4 },
          ...{ start: -xZero * h * w, scale: f(xScale / (yScale * h * w)), zero: yZero, lo, hi },
        });
      }
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
  const cut = cutPlanes(l, to, l.bounds.get(input.buffer));
  l.step({
    name: "maxPool int8",
    domain: cut.domain,
    reads: [allRows(input, cut)],
    writes: [local(output)],
    emit(call, { unit }) {
      const piece = cut.piece(unit);
      const { c0, r0, rows } = piece;
      // A band's windows begin where those of its first row do: the input seen from there, padding above only for the first.
      const top = r0 * stride[0]! - padding[0]!;
      const skip = Math.max(0, top);
      call("q8_maxpool", {
        ...{ c: Math.min(shape[1]!, (c0 + piece.c) * 4) - c0 * 4, oh: rows, ow: shape[3]!, kh: kernel[0]!, kw: kernel[1]! },
        ...{
          sy: stride[0]!,
          sx: stride[1]!,
          py: Math.max(0, -top),
          px: padding[1]!,
          h: from.geometry.h - skip,
          w: from.geometry.w,
        },
        ...{ x: pixelOf(input, { ...piece, r0: skip }), xps: from.plane, xrs: from.row },
        ...{ y: pixelOf(output, piece), yps: to.plane, yrs: to.row },
      });
    },
  });
  l.bounds.set(output.buffer, cut.bounds);
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
  // A weight is a quarter of a float.
  const pieces = n === 1 && values.length >= LEAST_WEIGHTS ? Math.min(l.options.threads, Math.ceil(o / 4)) : 1;
  const bounds = evenly(o, pieces, 4);
  l.step({
    name: "linear int8",
    domain: pieces === 1 ? ONE : { key: `int8 rows:${o}:${pieces}`, units: pieces, parts: pieces },
    reads: [whole(input)],
    writes: [whole(output)],
    emit(call, { unit }) {
      const o0 = bounds[unit]!;
      for (let i = 0; i < n; i++)
        call("q8_linear", {
          ...{ o: bounds[unit + 1]! - o0, kb, w: weight.address + o0 * kb, x: at(input) + i * k },
          ...{ start: c.start.address + o0 * 4, scale: c.multiplier.address + o0 * 4 },
          ...{ bias: bias.address + o0 * 4, y: at(output) + (i * o + o0) * 4 },
        });
    },
  });
  l.decide(operation, `q8_linear, ${l.options.int8}`, "int8 product with one row, every weight dense", l.paramOf(w));
}
