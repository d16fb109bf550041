/** Algorithm B and its rivals in plain TypeScript, f32: the same products, with and without zeros, channel-major and pixel-major. */
import { increments, type Packed } from "./packing.js";

const f = Math.fround;

/** Lowest and highest output. */
export interface Bounds {
  readonly min: number;
  readonly max: number;
}
export const unbounded: Bounds = { min: Number.NEGATIVE_INFINITY, max: Number.POSITIVE_INFINITY };

/**
 * Sparse weights times channel-major activations: a strip of `strip` pixels stays while all output channels sweep over it; one
 * weight is multiplied with a run of neighbouring pixels.
 *
 *     acc = bias; for each block, in ascending input channel: acc += x[channel, strip] w;   y = max(min(acc, max), min)
 *
 * @param x     [inputs, pixels]
 * @param y     [outputs, pixels], written
 * @param strip MR, a power of two; pixels that are left over are done in strips of half the width, and so on
 */
export function sparseProduct(
  packed: Packed,
  x: Float32Array,
  y: Float32Array,
  pixels: number,
  strip: number,
  { min, max }: Bounds = unbounded,
): void {
  const { outputs, rows, values, nnzPerBlock, firstChannel } = packed;
  const steps = increments(packed, pixels).map((bytes) => bytes / 4);
  const acc = new Float32Array(strip * rows);
  const whole = Math.floor(outputs / rows);
  for (let p = 0, width = strip; p < pixels; ) {
    if (p + width > pixels) {
      width >>= 1;
      continue;
    }
    let from = firstChannel * pixels + p;
    let at = 0;
    let block = 0;
    for (let b = 0, row = 0; b < nnzPerBlock.length; b++) {
      const height = b < whole ? rows : 1;
      for (let k = 0; k < height; k++) acc.fill(values[at++]!, k * width, (k + 1) * width);
      for (let n = nnzPerBlock[b]!; n > 0; n--) {
        for (let k = 0; k < height; k++) {
          const w = values[at++]!;
          const base = k * width;
          for (let m = 0; m < width; m++) acc[base + m] = f(acc[base + m]! + f(x[from + m]! * w));
        }
        from += steps[block++]!;
      }
      for (let k = 0; k < height; k++, row++) {
        const to = row * pixels + p;
        for (let m = 0; m < width; m++) y[to + m] = Math.max(Math.min(acc[k * width + m]!, max), min);
      }
    }
    p += width;
  }
}

/** The definition: every output alone, all input channels in ascending order from the bias. */
export function scalarProduct(
  weight: Float32Array,
  bias: Float32Array,
  x: Float32Array,
  y: Float32Array,
  pixels: number,
  { min, max }: Bounds = unbounded,
): void {
  const inputs = weight.length / bias.length;
  for (let o = 0; o < bias.length; o++) {
    for (let p = 0; p < pixels; p++) {
      let acc = bias[o]!;
      for (let i = 0; i < inputs; i++) acc = f(acc + f(x[i * pixels + p]! * weight[o * inputs + i]!));
      y[o * pixels + p] = Math.max(Math.min(acc, max), min);
    }
  }
}

/** Dense, channel-major: 4 output channels over a strip of 32 pixels. */
export function denseByChannel(weight: Float32Array, x: Float32Array, y: Float32Array, outputs: number, pixels: number): void {
  const inputs = weight.length / outputs;
  const acc = new Float32Array(4 * 32);
  for (let p = 0; p < pixels; p += 32) {
    const width = Math.min(32, pixels - p);
    for (let o = 0; o < outputs; o += 4) {
      const height = Math.min(4, outputs - o);
      acc.fill(0);
      for (let i = 0; i < inputs; i++) {
        const from = i * pixels + p;
        for (let k = 0; k < height; k++) {
          const w = weight[(o + k) * inputs + i]!;
          for (let m = 0; m < width; m++) acc[k * 32 + m] = f(acc[k * 32 + m]! + f(x[from + m]! * w));
        }
      }
      for (let k = 0; k < height; k++) y.set(acc.subarray(k * 32, k * 32 + width), (o + k) * pixels + p);
    }
  }
}

/** Dense, pixel-major: x [pixels, inputs], y [pixels, outputs]; 4 dot products side by side. */
export function denseByPixel(weight: Float32Array, x: Float32Array, y: Float32Array, outputs: number, pixels: number): void {
  const inputs = weight.length / outputs;
  for (let p = 0; p < pixels; p++) {
    const from = p * inputs;
    for (let o = 0; o < outputs; o += 4) {
      let [a, b, c, d] = [0, 0, 0, 0];
      const w = o * inputs;
      for (let i = 0; i < inputs; i++) {
        const v = x[from + i]!;
        a = f(a + f(v * weight[w + i]!));
        b = f(b + f(v * weight[w + inputs + i]!));
        c = f(c + f(v * weight[w + 2 * inputs + i]!));
        d = f(d + f(v * weight[w + 3 * inputs + i]!));
      }
      const to = p * outputs + o;
      y[to] = a;
      y[to + 1] = b;
      y[to + 2] = c;
      y[to + 3] = d;
    }
  }
}

/** Compressed rows, pixel-major: gathers an input per non-zero; what a general sparse library does. */
export function gatherByPixel(
  rows: { readonly rowPtr: Int32Array; readonly columns: Int32Array; readonly values: Float32Array },
  x: Float32Array,
  y: Float32Array,
  inputs: number,
  pixels: number,
): void {
  const { rowPtr, columns, values } = rows;
  const outputs = rowPtr.length - 1;
  for (let p = 0; p < pixels; p++) {
    const from = p * inputs;
    for (let o = 0; o < outputs; o++) {
      let acc = 0;
      for (let at = rowPtr[o]!; at < rowPtr[o + 1]!; at++) acc = f(acc + f(x[from + columns[at]!]! * values[at]!));
      y[p * outputs + o] = acc;
    }
  }
}
