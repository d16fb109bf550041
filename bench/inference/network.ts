/** What every engine gets: one program, one set of weights, one set of masks. */
import { createRng, type Rng, sizeOf, type Tensor, type Tree, tensor } from "../../src/core/index.js";
import { compressDense } from "../../src/formats/index.js";
import { initParams, type Module, type ParamDef, paramSpecs } from "../../src/nn/index.js";
import { anyBatch, foldBatchNorm, type Program, trace } from "../../src/program/index.js";
import { type FileParam, type ModelFile, packModel } from "../../src/runtime/index.js";
import { applyMask, type Mask, maskOf, randomMask } from "../../src/sparsity/index.js";
import { type NetworkName, networks } from "./networks/index.js";

/** Where the zeros lie: anywhere, in blocks of output rows of one input, of 4 outputs x 4 inputs of a tap, or 2 of every 4 along the inputs. */
export type PatternName = "unstructured" | "2x1" | "4x1" | "4x4" | "2:4";

/** What is measured. */
export interface Subject {
  readonly network: NetworkName;
  /** Share of zeros of each prunable weight, in [0, 1). */
  readonly sparsity: number;
  readonly pattern: PatternName;
}

/** A subject's program and weights. */
export interface Network {
  readonly subject: Subject;
  /** At batch 1, batch normalisation folded. */
  readonly program: Program;
  /** All params, dense, zeros included. */
  readonly params: Tree<Tensor>;
  readonly masks: Tree<Mask>;
  readonly file: ModelFile;
  /** Input of one example, without the batch. */
  readonly inputShape: readonly number[];
}

/** A mask of the wanted pattern, at random. The shape counts as a matrix [shape[0], rest]. */
export function patternMask(shape: readonly number[], sparsity: number, pattern: PatternName, rng: Rng): Mask {
  const rows = shape[0]!;
  const columns = sizeOf(shape) / rows;
  const density = 1 - sparsity;
  if (pattern === "unstructured") return randomMask(shape, Math.round(rows * columns * density), rng);
  const data = new Uint8Array(rows * columns);
  if (pattern === "2:4") {
    for (let at = 0; at < data.length; at += 4) {
      const order = rng.permutation(Math.min(4, data.length - at));
      for (let i = 0; i < 2 && i < order.length; i++) data[at + order[i]!] = 1;
    }
    return maskOf(shape, data);
  }
  if (pattern === "4x4") {
    const taps = sizeOf(shape.slice(2));
    const channels = columns / taps;
    const wide = Math.ceil(channels / 4);
    const blocks = randomMask([Math.ceil(rows / 4), taps * wide], Math.round(Math.ceil(rows / 4) * taps * wide * density), rng);
    for (let i = 0; i < data.length; i++) {
      const [r, c, t] = [Math.floor(i / columns), Math.floor((i % columns) / taps), i % taps];
      data[i] = blocks.data[(r >> 2) * taps * wide + t * wide + (c >> 2)]!;
    }
    return maskOf(shape, data);
  }
  const high = pattern === "2x1" ? 2 : 4;
  const blocks = randomMask([rows / high, columns], Math.round((rows / high) * columns * density), rng);
  for (let i = 0; i < blocks.data.length; i++) {
    const [r, c] = [Math.floor(i / columns), i % columns];
    for (let y = 0; y < high; y++) data[(r * high + y) * columns + c] = blocks.data[i]!;
  }
  return maskOf(shape, data);
}

/** Statistics of a network that was trained: means near 0, variances near 1. */
function statistic(path: string, { shape }: ParamDef, rng: Rng): Tensor {
  const data = new Float32Array(sizeOf(shape));
  for (let i = 0; i < data.length; i++) data[i] = path.includes("mean") ? rng.normal() * 0.1 : 0.5 + rng.uniform();
  return tensor(shape, data);
}

const programOf = (module: Module, inputShape: readonly number[], batch: number): Program =>
  trace(
    ({ params, inputs }) => ({
      outputs: { y: module.apply(params, inputs["x"]!, { training: false, update: () => {}, reserve: () => 0 }) },
    }),
    { inputs: { x: { shape: [batch, ...inputShape] } }, params: paramSpecs(module) },
  );

/**
 * Builds a subject: seeded weights, masks on all prunable weights but the stem's and the classifier's.
 * @param last prune the classifier too
 */
export function buildNetwork(subject: Subject, last = false): Network {
  const { module, inputShape, prunes } = networks[subject.network]();
  const rng = createRng(3);
  const params: Record<string, Tensor> = { ...initParams(module, rng) };
  const masks: Record<string, Mask> = {};
  for (const [path, def] of Object.entries(module.params)) {
    if (def.kind === "statistic") params[path] = statistic(path, def, rng.split(path));
    if (subject.sparsity === 0 || !(prunes(path, def) || (last && def.kind === "weight" && def.role === "linear"))) continue;
    const mask = patternMask(def.shape, subject.sparsity, subject.pattern, rng.split(path));
    // Live weights grow, so that signals keep their size through the layers.
    const grown = tensor(def.shape, params[path]!.data.map((v) => v / Math.sqrt(1 - subject.sparsity)) as Float32Array);
    masks[path] = mask;
    params[path] = applyMask(grown, mask);
  }
  const folded = foldBatchNorm(programOf(module, inputShape, 1), params);
  const program = anyBatch((batch) => foldBatchNorm(programOf(module, inputShape, batch), params).program);
  const packed = packModel({ program, params: folded.params, masks });
  return {
    subject,
    program: folded.program,
    params: folded.params,
    masks,
    file: inBlocks(packed, folded.params, masks, subject.pattern),
    inputShape,
  };
}

/** Compressed params as blocks, where the pattern has them. */
function inBlocks(file: ModelFile, params: Tree<Tensor>, masks: Tree<Mask>, pattern: PatternName): ModelFile {
  if (pattern !== "2x1" && pattern !== "4x1") return file;
  const block: [number, number] = [pattern === "2x1" ? 2 : 4, 1];
  const next: Record<string, FileParam> = { ...file.params };
  for (const [path, mask] of Object.entries(masks)) {
    if (next[path]?.kind !== "sparse") continue;
    const value = params[path]!;
    next[path] = { kind: "sparse", value: compressDense(value.data, { shape: value.shape, layout: "block", block }, mask.data) };
  }
  return { ...file, params: next };
}

/** The one input that everything is run on; other seeds give other ones. */
export function exampleInput(n: number, seed = 11): Float32Array {
  const rng = createRng(seed);
  return Float32Array.from({ length: n }, () => rng.normal());
}

/** [1, C, H, W] as [1, H, W, C]; other ranks as they are. */
export function toChannelsLast(data: Float32Array, shape: readonly number[]): Float32Array {
  if (shape.length !== 3) return data;
  const [c, h, w] = shape as [number, number, number];
  const out = new Float32Array(data.length);
  for (let i = 0; i < c; i++) for (let p = 0; p < h * w; p++) out[p * c + i] = data[i * h * w + p]!;
  return out;
}
