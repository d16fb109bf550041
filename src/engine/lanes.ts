/**
 * How many images lie side by side in a pixel of the planes: four, or one.
 *
 * Four images fill vectors whatever the planes' size, and Winograd's tiles. One image takes a quarter of the memory, so that what a layer
 * leaves in the second cache the next one finds there, and depthwise layers have a kernel of their own. All planes of a program have the
 * same number; each convolution votes with its work.
 */
import type { Tree } from "../core/index.js";
import type { Program } from "../program/index.js";
import { type ConvShape, convOf, depthwiseFits } from "./geometry.js";
import type { LoweringOptions } from "./options.js";
import { liveCount, type Topology } from "./topology.js";

/** Planes of four images of fewer bytes stay in the second cache (bytes of the larger of a layer's input and output). */
const SMALL = 256 << 10;
/** From here on four images cost more everywhere (bytes). */
const BIG = 3 << 20;
/** Vectors' ends weigh on planes of fewer pixels, image by image. */
const FEW_PIXELS = 20;
/** Products of Winograd and of the direct sum that take equal time. */
const WINOGRAD = 2;
/** A depthwise layer's products wait for memory: so many others take equal time. */
const DEPTHWISE = 4;

/** What four images to a pixel cost more than one (fractions of the time; negative: less), as measured layer by layer on batches of four. */
function surplus(conv: ConvShape, sparse: boolean, winograd: boolean): number {
  const { c, h, w, o, oh, ow } = conv;
  const bytes = 16 * Math.max(c * h * w, o * oh * ow);
  if (winograd) return -0.15;
  if (oh * ow < FEW_PIXELS) return -0.4;
  if (bytes < SMALL) return -0.1;
  if (depthwiseFits(conv, 1)) return bytes < BIG ? 0.15 : 1.5;
  if (bytes < BIG) return 0.04;
  return sparse ? 0.15 : 0.04;
}

/** Share of live weights. */
const densityOf = (t: Topology): number => liveCount(t) / (t.rows * t.columns);

/**
 * Images to a pixel of a program's planes.
 *
 * One where a batch is no multiple of four, and for whole numbers, whose kernels take single images. Four where params may change
 * (training): weights of Winograd on single images are made once, and the depthwise kernel has no gradients.
 */
export function lanesOf(
  program: Program,
  { frozen, winograd }: Pick<LoweringOptions, "frozen" | "winograd">,
  topologies: Tree<Topology>,
): 1 | 4 {
  const convs = program.operations.filter(({ op }) => op.startsWith("conv2d"));
  const shapes = convs.map((operation) => convOf(program, operation));
  if (shapes.some(({ n }) => n % 4 !== 0) || convs.some(({ op }) => op === "conv2dInt8")) return 1;
  if (!frozen) return 4;
  let votes = 0;
  shapes.forEach((conv, i) => {
    const { pattern } = program.values[convs[i]!.inputs[1]!]!;
    const { kh, kw, o, oh, ow, c, attrs } = conv;
    const depthwise = attrs.groups === c && c > 1;
    const tiles = winograd && pattern === undefined && attrs.groups === 1 && kh === 3 && kw === 3 && conv.direct && c >= 16;
    const work = ((o * oh * ow * kh * kw * c) / attrs.groups) * (pattern === undefined ? 1 : densityOf(topologies[pattern]!));
    votes += surplus(conv, pattern !== undefined, tiles) * (tiles ? work / WINOGRAD : depthwise ? work * DEPTHWISE : work);
  });
  return votes > 0 ? 1 : 4;
}
