/** Training the tiny sparse encoder with our own engine: title against text, in-batch negatives, FLOPS regulariser. */
import { InputError, type Rng, requireInteger, requireNumber, type Tensor, tensor } from "../../src/core/index.js";
import type { Engine } from "../../src/engine/index.js";
import { adam } from "../../src/optim/index.js";
import {
  add,
  crossEntropy,
  gradients,
  log1p,
  matmul,
  mean,
  mul,
  relu,
  square,
  sum,
  trace,
  type Value,
} from "../../src/program/index.js";
import { bm25Collection, documentWeights, encoderShapes, queryWeights, type SparseEncoder } from "../../src/retrieval/index.js";

/** How an encoder is trained. */
export interface EncoderTraining {
  /** tokens known to the encoder, the most frequent; 4096 */
  readonly vocabulary?: number;
  /** rank of the expansion; 32 */
  readonly rank?: number;
  /** few: a bag-of-words network on a small collection overfits soon; 120 */
  readonly steps?: number;
  /** pairs in a batch, which are each other's negatives; 64 */
  readonly batch?: number;
  /** learning rate of Adam, falling to zero over the last half; 1e-3 */
  readonly rate?: number;
  /** weight of the FLOPS regulariser on documents (lambda_d); queries take three times as much; 0.03 */
  readonly flops?: number;
  readonly onStep?: (step: number, loss: number) => void;
}

/** A pair to bring together: a short text as query, a longer one as document. */
export interface TextPair {
  readonly query: string;
  readonly document: string;
}

/**
 * Trains an encoder.
 *
 *     loss = cross entropy of Y_q Y_d^T / T over the batch, the own document being right
 *            + sum over tokens of lambda * (mean over the batch of y)^2        FLOPS, Paria et al. 2020, eq. 4
 *
 * @param pairs at least one batch
 * @throws InputError for too few pairs; OptionError for an option outside its range
 * Formal et al. 2021, "SPLADE v2", section 3 (loss and activation). Differs: a bag-of-words network in place of a transformer.
 */
export function trainEncoder(engine: Engine, pairs: readonly TextPair[], rng: Rng, options: EncoderTraining = {}): SparseEncoder {
  const { vocabulary = 4096, rank = 32, steps = 120, batch = 64, rate = 1e-3, flops = 0.03, onStep } = options;
  requireInteger("encoder.vocabulary", vocabulary, 2);
  requireInteger("encoder.rank", rank, 1, 4096);
  requireInteger("encoder.steps", steps, 1);
  requireInteger("encoder.batch", batch, 2, 4096);
  requireNumber("encoder.rate", rate, 0);
  requireNumber("encoder.flops", flops, 0);
  if (pairs.length < batch)
    throw new InputError(
      `train-encoder: ${pairs.length} documents with title and text, fewer than a batch of ${batch}; give more text or a smaller --batch`,
    );
  const texts = pairs.map((p) => p.document);
  const bm25 = bm25Collection([...texts, ...pairs.map((p) => p.query)]);
  const frequency = new Uint32Array(bm25.tokens.length);
  for (const t of bm25.documents.indices) frequency[t]!++;
  const chosen = Array.from(frequency.keys())
    .sort((a, b) => frequency[b]! - frequency[a]! || a - b)
    .slice(0, vocabulary);
  const tokens = chosen.map((t) => bm25.tokens[t]!);
  const size = tokens.length;
  const shapes = encoderShapes(size, rank);
  const normal = (shape: readonly number[], spread: number) =>
    tensor(
      shape,
      Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => spread * rng.normal()),
    );
  const filled = (shape: readonly number[], value: number) =>
    tensor(shape, new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(value));
  // The expansion starts at zero and the document scale where log(1 + z) is nearly linear: the first scores are those of BM25.
  const initial: Record<string, Tensor> = {
    queryScale: filled(shapes["queryScale"]!, 1),
    documentScale: filled(shapes["documentScale"]!, 0.15),
    down: filled(shapes["down"]!, 0),
    up: normal(shapes["up"]!, 0.05),
    bias: filled(shapes["bias"]!, 0),
  };
  const optimizer = adam();
  const specs = Object.fromEntries(Object.entries(shapes).map(([path, shape]) => [path, { shape }]));
  const names = Object.keys(shapes);
  const program = trace(
    ({ params, inputs }) => {
      const encode = (x: Value, scale: Value) =>
        log1p(relu(add(add(mul(x, scale), matmul(matmul(x, params["down"]!), params["up"]!)), params["bias"]!)));
      const q = encode(inputs["q"]!, params["queryScale"]!);
      const d = encode(inputs["d"]!, params["documentScale"]!);
      const logits = mul(matmul(q, d, { transposeB: true }), 1.5);
      const fit = crossEntropy(logits, inputs["right"]!);
      const cost = (y: Value, weight: number) => mul(sum(square(mean(y, 0))), weight);
      const loss = add(add(fit, cost(d, flops)), cost(q, 3 * flops));
      const found = gradients(
        loss,
        names.map((n) => params[n]!),
      );
      const tree = (values: readonly Value[]) => Object.fromEntries(names.map((n, i) => [n, values[i]!]));
      const updates = optimizer.update({ params: tree(names.map((n) => params[n]!)), grads: tree(found), slots: params, inputs });
      return { outputs: { loss: fit }, updates };
    },
    {
      params: { ...specs, ...optimizer.slots(specs) },
      inputs: {
        q: { shape: [batch, size] },
        d: { shape: [batch, size] },
        right: { shape: [batch], dtype: "i32" },
        ...optimizer.inputs,
      },
    },
  );
  const store = engine.params({ ...specs, ...optimizer.slots(specs) }, initial);
  const plan = engine.compile(program, store);
  const documents = documentWeights({ tokens, text: bm25.encoder }, texts);
  const queries = pairs.map((p) => queryWeights({ tokens, text: bm25.encoder }, p.query));
  const q = new Float32Array(batch * size);
  const d = new Float32Array(batch * size);
  const right = Int32Array.from({ length: batch }, (_, i) => i);
  try {
    let order = rng.permutation(pairs.length);
    let at = 0;
    for (let step = 0; step < steps; step++) {
      if (at + batch > order.length) {
        order = rng.permutation(pairs.length);
        at = 0;
      }
      q.fill(0);
      d.fill(0);
      for (let i = 0; i < batch; i++) {
        for (const [t, w] of queries[order[at + i]!]!) q[i * size + t] = w;
        for (const [t, w] of documents[order[at + i]!]!) d[i * size + t] = w;
      }
      at += batch;
      const { loss } = plan.run({ q, d, right, ...optimizer.feed(step, rate * Math.min(1, (steps - step) / (0.5 * steps))) });
      const value = loss!.data[0]!;
      if (!Number.isFinite(value)) throw new InputError(`train-encoder: the loss became ${value} at step ${step}; lower --rate`);
      onStep?.(step, value);
    }
    const params = Object.fromEntries(names.map((n) => [n, store.get(n)]));
    return {
      tokens,
      text: bm25.encoder,
      params: Object.fromEntries(Object.entries(params).map(([n, t]) => [n, tensor(t.shape, t.data.slice())])),
    };
  } finally {
    plan.close();
    store.close();
  }
}
