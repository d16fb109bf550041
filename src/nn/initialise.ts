/** First values of weights. Fans count live weights when a mask is given, so sparse layers keep the variance of dense ones. */
import { OptionError, type Rng, sizeOf } from "../core/index.js";

/** Makes the first values of a weight; with a mask, fan-in counts the live inputs of each output. */
export type Initialiser = (shape: readonly number[], rng: Rng, mask?: Uint8Array) => Float32Array;

/** Which fan scales the variance: inputs keep the forward pass level, outputs the backward pass. */
export type FanMode = "in" | "out" | "average";

/** Inputs of one output, and outputs of one input: [out, in, ...kernel]. A vector counts as [out]. */
export function fansOf(shape: readonly number[]): { in: number; out: number } {
  const kernel = sizeOf(shape.slice(2));
  return { in: (shape[1] ?? 1) * kernel, out: shape[0]! * kernel };
}

/**
 * The fan of each output row.
 *
 * Fan-in with a mask is the row's own count of live inputs (at least 1): Evci et al. 2022, "Gradient flow in sparse neural
 * networks and how lottery tickets win", sec. 3.1. Fan-out with a mask is scaled by the tensor's density.
 */
function fanPerRow(shape: readonly number[], mode: FanMode, mask: Uint8Array | undefined): (row: number) => number {
  const fans = fansOf(shape);
  if (!mask) {
    const fan = mode === "in" ? fans.in : mode === "out" ? fans.out : (fans.in + fans.out) / 2;
    return () => fan;
  }
  const n = sizeOf(shape);
  if (mask.length !== n)
    throw new OptionError("initialiser mask", `${n} elements for a weight of shape [${shape.join(", ")}]`, mask.length);
  const width = n / shape[0]!;
  let live = 0;
  const rows = new Float64Array(shape[0]!);
  for (let i = 0; i < n; i++) {
    if (!mask[i]) continue;
    live++;
    rows[Math.floor(i / width)]!++;
  }
  const out = Math.max(1, (fans.out * live) / n);
  return (row) => {
    const own = Math.max(1, rows[row]!);
    return mode === "in" ? own : mode === "out" ? out : (own + out) / 2;
  };
}

/** Values drawn with a given standard deviation per row. */
function scaled(mode: FanMode, gain: number, draw: (rng: Rng) => number): Initialiser {
  return (shape, rng, mask) => {
    const fan = fanPerRow(shape, mode, mask);
    const width = sizeOf(shape) / shape[0]!;
    return Float32Array.from({ length: sizeOf(shape) }, (_, i) => (gain / Math.sqrt(fan(Math.floor(i / width)))) * draw(rng));
  };
}

/** Uniform with variance 1: in [-sqrt(3), sqrt(3)). */
const flat = (rng: Rng): number => Math.sqrt(3) * (2 * rng.uniform() - 1);
const normal = (rng: Rng): number => rng.normal();

/** Standard deviation gain / sqrt(fan), normal; gain sqrt(2) suits ReLU. He et al. 2015, eq. 10. */
export const kaimingNormal = ({ mode = "in", gain = Math.SQRT2 }: { mode?: FanMode; gain?: number } = {}): Initialiser =>
  scaled(mode, gain, normal);
/** Standard deviation gain / sqrt(fan), uniform: bound gain sqrt(3 / fan). He et al. 2015. */
export const kaimingUniform = ({ mode = "in", gain = Math.SQRT2 }: { mode?: FanMode; gain?: number } = {}): Initialiser =>
  scaled(mode, gain, flat);
/** Variance 2 / (fan in + fan out), normal. Glorot and Bengio 2010. */
export const xavierNormal = ({ gain = 1 }: { gain?: number } = {}): Initialiser => scaled("average", gain, normal);
/** Variance 2 / (fan in + fan out), uniform. Glorot and Bengio 2010, eq. 16. */
export const xavierUniform = ({ gain = 1 }: { gain?: number } = {}): Initialiser => scaled("average", gain, flat);
/** PyTorch's default for linear and convolution weights: uniform with bound 1 / sqrt(fan in). */
export const torchUniform: Initialiser = kaimingUniform({ gain: Math.sqrt(1 / 3) });

/** Uniform in [-bound, bound): PyTorch's biases, with bound 1 / sqrt(fan in of the weight). */
export const uniformWithin =
  (bound: number): Initialiser =>
  (shape, rng) =>
    Float32Array.from({ length: sizeOf(shape) }, () => bound * (2 * rng.uniform() - 1));
/** Normal with a given standard deviation. */
export const normalWith =
  (deviation: number): Initialiser =>
  (shape, rng) =>
    Float32Array.from({ length: sizeOf(shape) }, () => deviation * rng.normal());
/** One value everywhere. */
export const filled =
  (value: number): Initialiser =>
  (shape) =>
    new Float32Array(sizeOf(shape)).fill(value);
