/** What one job of this paper is, and what it measures. */

/** 1x1 layers of MobileNetV2 as XNNPACK's benchmark of sparse products lists them: pixels, output channels, input channels. */
export const shapes: readonly (readonly [pixels: number, outputs: number, inputs: number])[] = [
  [12544, 16, 32],
  [12544, 96, 16],
  [3136, 24, 96],
  [3136, 144, 24],
  [3136, 24, 144],
  [784, 32, 144],
  [784, 192, 32],
  [784, 32, 192],
  [196, 64, 192],
  [196, 384, 64],
  [196, 64, 384],
  [196, 96, 384],
  [196, 576, 96],
  [196, 96, 576],
  [49, 160, 576],
  [49, 960, 160],
  [49, 160, 960],
  [49, 320, 960],
  [49, 1280, 320],
];

/** Sparsities at which kernels are timed. */
export const sparsities = [0, 0.5, 0.66, 0.8, 0.9, 0.95] as const;

/** How weights are chosen and held: single weights; blocks of 2 or 4 rows by 1 input; blocks of 4 held as single weights or in twos. */
export type Form = "single" | "pairs" | "fours" | "fours held single" | "fours held in pairs";

/** Kernels of the package, layer by layer. */
export interface KernelConfig {
  readonly part: "kernels";
  readonly seed: number;
}

/** The same products in plain TypeScript. */
export interface PlainConfig {
  readonly part: "plain";
  readonly seed: number;
  readonly runs: number;
}

/** How a network is made: trained dense, pruned while it trains, or under a random mask. */
export type Arm = "dense" | "gradual" | "random";

/** One network to train. */
export interface NetworkConfig {
  readonly part: "network";
  readonly seed: number;
  readonly arm: Arm;
  readonly width: number;
  /** Of the 1x1 layers; 0 for dense. */
  readonly sparsity: number;
  readonly images: number;
  readonly epochs: number;
  readonly batch: number;
  readonly rate: number;
}

/** All networks' times, in turns. */
export interface LatencyConfig {
  readonly part: "latency";
  readonly seed: number;
  readonly runs: number;
  /** Dense widths, and the width and sparsities of the sparse ones. */
  readonly dense: readonly number[];
  readonly width: number;
  readonly sparsities: readonly number[];
}

export type Config = KernelConfig | PlainConfig | NetworkConfig | LatencyConfig;

/** Least milliseconds of one layer, dense and in one sparse form, taken one after the other. */
export interface KernelTime {
  readonly shape: number;
  readonly form: Form;
  readonly sparsity: number;
  readonly denseMs: number;
  readonly sparseMs: number;
}

/** Least milliseconds of one layer in plain TypeScript. */
export interface PlainTime {
  readonly shape: number;
  readonly sparsity: number;
  readonly denseByChannel: number;
  readonly denseByPixel: number;
  readonly gatherByPixel: number;
  /** Single weights, NR = 1. */
  readonly single: number;
  /** As many weights in blocks of 4, NR = 4. */
  readonly fours: number;
}

/** Milliseconds of one network. */
export interface NetworkTime {
  readonly width: number;
  readonly sparsity: number;
  /** Share of the 1x1 layers' weights that lie in blocks of 4 x 1. */
  readonly blocks: boolean;
  /** The least of all runs: what the machine can do. */
  readonly ms: number;
  readonly medianMs: number;
}

export type Result =
  | {
      readonly part: "kernels";
      readonly times: readonly KernelTime[];
      /** Milliseconds of the dense product with pixel-major activations, by shape. */
      readonly byPixelMs: readonly number[];
    }
  | {
      readonly part: "plain";
      readonly times: readonly PlainTime[];
      /** Outputs of the packed product that differ from the scalar loop, over all strip widths. */
      readonly differing: number;
    }
  | {
      readonly part: "network";
      readonly accuracy: number;
      readonly params: number;
      readonly nonZeros: number;
      readonly bestBytes: number;
      /** Share of zeros in the 1x1 layers at the end. */
      readonly sparsity: number;
    }
  | { readonly part: "latency"; readonly times: readonly NetworkTime[] };
