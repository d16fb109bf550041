/**
 * A tiny learned sparse encoder: bag of words in, sparse vector over the same vocabulary out.
 *
 *     x  token weights (BM25 for documents, counts for queries)
 *     z  = scale * x + (x . down) . up + bias          a weight per token, and a low-rank expansion to related tokens
 *     y  = log(1 + ReLU(z))                            SPLADE's activation (Formal et al. 2021, eq. 1)
 *
 * It is trained contrastively with a FLOPS regulariser (`sparseland index train-encoder`). Differs from SPLADE: no transformer; z is linear in the bag of
 * words, so it knows no context. It is a start for text without SPLADE, not a replacement for it.
 */
import { FormatError, InputError, ShapeError, type Tensor, type Tree } from "../core/index.js";
import { readSafetensors, writeSafetensors } from "../formats/index.js";
import { type Bm25Encoder, bm25Collection, bm25Query } from "./bm25.js";
import { type SparseMatrix, stackRows } from "./csr.js";

/** The encoder's params: queryScale [V], documentScale [V], down [V, r], up [r, V], bias [V]. */
export type EncoderParams = Tree<Tensor>;

/** A trained encoder. */
export interface SparseEncoder {
  readonly tokens: readonly string[];
  readonly text: Bm25Encoder;
  readonly params: EncoderParams;
}

/** What an encoder keeps of a vector. */
export interface EncodeOptions {
  /** most entries kept, the heaviest; 256 */
  readonly most?: number;
  /** entries below this are dropped; 0.01 */
  readonly least?: number;
}

/** Shapes of the params for a vocabulary and a rank. */
export const encoderShapes = (vocabulary: number, rank: number): Readonly<Record<string, readonly number[]>> => ({
  queryScale: [vocabulary],
  documentScale: [vocabulary],
  down: [vocabulary, rank],
  up: [rank, vocabulary],
  bias: [vocabulary],
});

/** @throws ShapeError when the params do not fit the vocabulary */
export function checkEncoder({ tokens, params }: SparseEncoder): void {
  const rank = params["down"]?.shape[1] ?? 0;
  for (const [name, shape] of Object.entries(encoderShapes(tokens.length, rank))) {
    const given = params[name]?.shape ?? [];
    if (given.join() !== shape.join()) throw new ShapeError("sparse encoder", { [name]: given }, `${name} [${shape.join(", ")}]`);
  }
}

/** Encodes one bag of words. @throws InputError for an option outside its range */
export function encodeWeights(
  encoder: SparseEncoder,
  side: "query" | "document",
  x: ReadonlyMap<number, number>,
  options: EncodeOptions = {},
): { indices: Uint32Array; values: Float32Array } {
  const { most = 256, least = 0.01 } = options;
  if (!(Number.isInteger(most) && most >= 1) || !(least >= 0))
    throw new InputError(`sparse encoder: most must be an integer of at least 1 and least at least 0, got ${most} and ${least}`);
  const { params, tokens } = encoder;
  const size = tokens.length;
  const [down, up] = [params["down"]!, params["up"]!];
  const rank = down.shape[1]!;
  const hidden = new Float32Array(rank);
  for (const [t, w] of x) for (let r = 0; r < rank; r++) hidden[r]! += w * down.data[t * rank + r]!;
  const z = params["bias"]!.data.slice();
  for (let r = 0; r < rank; r++) {
    const h = hidden[r]!;
    for (let t = 0; t < size; t++) z[t]! += h * up.data[r * size + t]!;
  }
  const scale = params[`${side}Scale`]!.data;
  for (const [t, w] of x) z[t]! += w * scale[t]!;
  const found: { t: number; y: number }[] = [];
  for (let t = 0; t < size; t++) {
    const y = z[t]! > 0 ? Math.log1p(z[t]!) : 0;
    if (y > least) found.push({ t, y });
  }
  const kept = found
    .sort((a, b) => b.y - a.y || a.t - b.t)
    .slice(0, most)
    .sort((a, b) => a.t - b.t);
  return { indices: Uint32Array.from(kept, ({ t }) => t), values: Float32Array.from(kept, ({ y }) => y) };
}

/** The query vector of a text; tokens that the encoder does not know are left out. */
export function encodeQuery(
  encoder: SparseEncoder,
  text: string,
  options: EncodeOptions = { most: 64 },
): { indices: Uint32Array; values: Float32Array } {
  return encodeWeights(encoder, "query", queryWeights(encoder, text), options);
}

/** Counts of the known tokens of a text. */
export function queryWeights({ tokens, text }: Pick<SparseEncoder, "tokens" | "text">, query: string): Map<number, number> {
  const numbers = numbersOf(tokens);
  const out = new Map<number, number>();
  for (const [token, count] of Object.entries(bm25Query(query, text))) {
    const t = numbers.get(token);
    if (t !== undefined) out.set(t, count);
  }
  return out;
}

const known = new WeakMap<readonly string[], Map<string, number>>();
function numbersOf(tokens: readonly string[]): Map<string, number> {
  let numbers = known.get(tokens);
  if (!numbers) known.set(tokens, (numbers = new Map(tokens.map((t, i) => [t, i]))));
  return numbers;
}

/** Encodes a collection of texts. Weights of words are BM25's in this collection. @throws InputError when no text holds a known token */
export function encodeDocuments(encoder: SparseEncoder, texts: readonly string[], options: EncodeOptions = {}): SparseMatrix {
  const bags = documentWeights(encoder, texts);
  return stackRows(
    bags.map((bag) => encodeWeights(encoder, "document", bag, options)),
    encoder.tokens.length,
  );
}

/** BM25 weights of each text over the encoder's vocabulary. */
export function documentWeights(
  { tokens, text }: Pick<SparseEncoder, "tokens" | "text">,
  texts: readonly string[],
): Map<number, number>[] {
  const bm25 = bm25Collection(texts, text);
  const numbers = numbersOf(tokens);
  const place = bm25.tokens.map((token) => numbers.get(token));
  return texts.map((_, d) => {
    const bag = new Map<number, number>();
    for (let i = bm25.documents.offsets[d]!; i < bm25.documents.offsets[d + 1]!; i++) {
      const t = place[bm25.documents.indices[i]!];
      if (t !== undefined) bag.set(t, bm25.documents.values[i]!);
    }
    return bag;
  });
}

/** The encoder as a safetensors file: params as tensors, vocabulary in the metadata. */
export function writeEncoder(encoder: SparseEncoder): Uint8Array {
  checkEncoder(encoder);
  const tensors = Object.fromEntries(
    Object.entries(encoder.params).map(([name, { shape, data }]) => [name, { dtype: "f32" as const, shape, data }]),
  );
  return writeSafetensors({
    tensors,
    metadata: { kind: "sparse-encoder", text: JSON.stringify(encoder.text), tokens: JSON.stringify(encoder.tokens) },
  });
}

/** Reads what `writeEncoder` wrote. @throws FormatError when it is another kind of file; ShapeError when its parts do not fit */
export function readEncoder(bytes: Uint8Array): SparseEncoder {
  const { tensors, metadata } = readSafetensors(bytes);
  if (metadata?.["kind"] !== "sparse-encoder")
    throw new FormatError(
      "sparse encoder",
      "the file's metadata does not say kind: sparse-encoder; train one with `sparseland index train-encoder`",
    );
  let tokens: unknown;
  let text: unknown;
  try {
    tokens = JSON.parse(metadata["tokens"] ?? "");
    text = JSON.parse(metadata["text"] ?? "");
  } catch {
    throw new FormatError("sparse encoder", "the vocabulary in the metadata is not JSON");
  }
  if (!Array.isArray(tokens) || !tokens.every((t) => typeof t === "string"))
    throw new FormatError("sparse encoder", "the vocabulary in the metadata is no list of strings");
  if ((text as Bm25Encoder)?.kind !== "bm25") throw new FormatError("sparse encoder", "the metadata does not say how text is cut");
  const params = Object.fromEntries(
    Object.entries(tensors).map(([name, t]) => {
      if (t.dtype !== "f32") throw new FormatError("sparse encoder", `${name} is ${t.dtype}, expected f32`);
      return [name, { shape: t.shape, dtype: "f32" as const, data: t.data as Float32Array }];
    }),
  );
  const encoder = { tokens, text: text as Bm25Encoder, params };
  checkEncoder(encoder);
  return encoder;
}
