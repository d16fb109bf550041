/** The taps of a convolution as phases and shifts, and the plane borders that a program's convolutions need. */
import type { Attrs, Operation, Program } from "../program/index.js";
import type { Geometry } from "./layout.js";

/** A convolution's constants, as operations carry them. */
export interface ConvAttrs {
  readonly stride: readonly [number, number];
  readonly padding: readonly [number, number, number, number];
  readonly dilation: readonly [number, number];
  readonly groups: number;
}

/** One kernel position: it reads phase plane `phase`, shifted by (dy, dx) pixels of the output's grid. */
export interface Tap {
  readonly ky: number;
  readonly kx: number;
  readonly phase: number;
  readonly dy: number;
  readonly dx: number;
}

/** A convolution seen from its output's grid. */
export interface ConvShape {
  readonly n: number;
  readonly c: number;
  readonly h: number;
  readonly w: number;
  readonly o: number;
  readonly oh: number;
  readonly ow: number;
  readonly kh: number;
  readonly kw: number;
  readonly attrs: ConvAttrs;
  readonly taps: readonly Tap[];
  /** (row, column) offset of each phase that some tap reads; one phase (0, 0) when the stride is 1. */
  readonly phases: readonly (readonly [number, number])[];
  /** The input planes serve as they are: no phase copy. */
  readonly direct: boolean;
}

const floorMod = (a: number, b: number): number => ((a % b) + b) % b;

/** Phases and taps of a convolution of x [n, c, h, w] with w [o, c / groups, kh, kw] to [n, o, oh, ow]. */
export function convShape(x: readonly number[], weight: readonly number[], out: readonly number[], attrs: ConvAttrs): ConvShape {
  const [n, c, h, w] = x as [number, number, number, number];
  const [o, , kh, kw] = weight as [number, number, number, number];
  const [, , oh, ow] = out as [number, number, number, number];
  const [sy, sx] = attrs.stride;
  const phases: (readonly [number, number])[] = [];
  const taps: Tap[] = [];
  for (let ky = 0; ky < kh; ky++) {
    for (let kx = 0; kx < kw; kx++) {
      const y = ky * attrs.dilation[0] - attrs.padding[0];
      const z = kx * attrs.dilation[1] - attrs.padding[1];
      const ry = floorMod(y, sy);
      const rx = floorMod(z, sx);
      let phase = phases.findIndex((p) => p[0] === ry && p[1] === rx);
      if (phase < 0) phase = phases.push([ry, rx]) - 1;
      taps.push({ ky, kx, phase, dy: (y - ry) / sy, dx: (z - rx) / sx });
    }
  }
  const direct = sy === 1 && sx === 1 && h === oh && w === ow;
  return { n, c, h, w, o, oh, ow, kh, kw, attrs, taps, phases, direct };
}

/** The convolution of an operation of the conv2d family. */
export function convOf(program: Program, operation: Operation): ConvShape {
  const shape = (id: number) => program.values[id]!.shape;
  const attrs = operation.attrs as Attrs & ConvAttrs;
  const [a, b] = operation.inputs as [number, number];
  const y = operation.outputs[0]!;
  if (operation.op === "conv2d" || operation.op === "conv2dInt8") return convShape(shape(a), shape(b), shape(y), attrs);
  if (operation.op === "conv2dInputGrad") return convShape(shape(y), shape(b), shape(a), attrs);
  return convShape(shape(a), shape(y), shape(b), attrs);
}

/** Whether the depthwise kernel serves: one image to a pixel, 3x3, padding 1 before, stride 1 or 2, at least 4 columns. */
export function depthwiseFits(conv: ConvShape, lanes: 1 | 4): boolean {
  const { stride, padding, dilation, groups } = conv.attrs;
  return (
    lanes === 1 &&
    groups === conv.c &&
    conv.o === conv.c &&
    conv.kh === 3 &&
    conv.kw === 3 &&
    dilation[0] === 1 &&
    dilation[1] === 1 &&
    stride[0] === stride[1] &&
    (stride[0] === 1 || stride[0] === 2) &&
    padding[0] === 1 &&
    padding[1] === 1 &&
    conv.ow >= 4 &&
    conv.oh === Math.ceil(conv.h / stride[0]) &&
    conv.ow === Math.ceil(conv.w / stride[0])
  );
}

/** Whether the int8 depthwise kernel serves: as the f32 one, image by image; and with stride 2 even planes with no padding before. */
export function depthwiseInt8Fits(conv: ConvShape): boolean {
  if (depthwiseFits(conv, 1)) return true;
  const { stride, padding } = conv.attrs;
  if (stride[0] !== 2 || padding[0] !== 0 || padding[1] !== 0 || conv.h % 2 !== 0 || conv.w % 2 !== 0) return false;
  return depthwiseFits({ ...conv, attrs: { ...conv.attrs, padding: [1, 1, padding[2], padding[3]] } }, 1);
}

/** Borders for planes of each size `"HxW"`, wide enough for every convolution that writes that size, forward and backward. */
export function geometries(program: Program, lanes: 1 | 4): Map<string, Geometry> {
  const need = new Map<string, { y: number; x: number; overY: number; overX: number }>();
  for (const operation of program.operations) {
    if (!operation.op.startsWith("conv2d")) continue;
    const conv = convOf(program, operation);
    // Kernels that read no border: dense f32 on single images, int8 image by image.
    const dense = program.values[operation.inputs[1]!]!.pattern === undefined;
    if (operation.op === "conv2d" && dense && depthwiseFits(conv, lanes)) continue;
    if (operation.op === "conv2dInt8" && depthwiseInt8Fits(conv)) continue;
    const key = `${conv.oh}x${conv.ow}`;
    const at = need.get(key) ?? { y: 0, x: 0, overY: 0, overX: 0 };
    for (const tap of conv.taps) {
      at.y = Math.max(at.y, Math.abs(tap.dy));
      at.x = Math.max(at.x, Math.abs(tap.dx));
    }
    if (!conv.direct) {
      for (const [ry, rx] of conv.phases) {
        at.overY = Math.max(at.overY, Math.ceil((conv.h - ry) / conv.attrs.stride[0]) - conv.oh);
        at.overX = Math.max(at.overX, Math.ceil((conv.w - rx) / conv.attrs.stride[1]) - conv.ow);
      }
    }
    need.set(key, at);
  }
  const found = new Map<string, Geometry>();
  for (const [key, { y, x, overY, overX }] of need) {
    const [h, w] = key.split("x").map(Number) as [number, number];
    const moreY = Math.min(Math.max(overY, 0), y);
    const moreX = Math.min(Math.max(overX, 0), x);
    found.set(key, { h, w, top: y, bottom: y + moreY, left: x, pitch: w + x + moreX });
  }
  return found;
}

/** Geometry of planes that no convolution writes: no border. */
export const bareGeometry = (h: number, w: number): Geometry => ({ h, w, top: 0, bottom: 0, left: 0, pitch: w });
