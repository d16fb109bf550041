/**
 * Training the tiny sparse encoder of learned sparse retrieval: a short text against a longer one, in-batch negatives, FLOPS regulariser.
 * It knows nothing of indexes: `sparseland/retrieval` cuts text into bags (`encoderPairs`) and encodes with the params.
 */
import { InputError, type Rng, requireInteger, requireNumber, type Tensor, type Tree, tensor } from "../core/index.js";
import type { Engine } from "../engine/index.js";
import { adam } from "../optim/index.js";
import { add, crossEntropy, gradients, log1p, matmul, mean, mul, relu, square, sum, trace, type Value } from "../program/index.js";

/** Pairs to bring together, as bags of words: token number -> weight. */
export interface EncoderBags {
  /** names of the tokens; only their number counts here */
  readonly tokens: readonly string[];
  /** one per pair: the short text, counts of its tokens */
  readonly queries: readonly ReadonlyMap<number, number>[];
  /** one per pair: the long text, BM25 weights of its tokens */
  readonly documents: readonly ReadonlyMap<number, number>[];
}

/** How an encoder is trained. */
export interface EncoderTraining {
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

/**
 * Trains an encoder y = log(1 + ReLU(scale * x + (x . down) . up + bias)).
 *
 *     loss = cross entropy of 1.5 Y_q Y_d^T over the batch, the own document being right
 *            + sum over tokens of lambda * (mean over the batch of y)^2        FLOPS, Paria et al. 2020, eq. 4
 *
 * @param bags at least one batch of pairs
 * @returns    params queryScale [V], documentScale [V], down [V, rank], up [rank, V], bias [V]: with the tokens a `SparseEncoder`
 * @throws InputError for too few pairs, and when the loss is no longer finite; OptionError for an option outside its range
 * Formal et al. 2021, "SPLADE v2", section 3 (loss and activation). Differs: a bag-of-words network in place of a transformer.
 */
export function trainSparseEncoder(engine: Engine, bags: EncoderBags, rng: Rng, options: EncoderTraining = {}): Tree<Tensor> {
  const { rank = 32, steps = 120, batch = 64, rate = 1e-3, flops = 0.03, onStep } = options;
  requireInteger("encoder.rank", rank, 1, 4096);
  requireInteger("encoder.steps", steps, 1);
  requireInteger("encoder.batch", batch, 2, 4096);
  requireNumber("encoder.rate", rate, 0);
  requireNumber("encoder.flops", flops, 0);
  const { queries, documents } = bags;
  if (queries.length !== documents.length)
    throw new InputError(`train-encoder: ${queries.length} queries and ${documents.length} documents; pairs have one of each`);
  if (queries.length < batch)
    throw new InputError(
      `train-encoder: ${queries.length} documents with title and text, fewer than a batch of ${batch}; give more text or a smaller --batch`,
    );
  const size = bags.tokens.length;
  const shapes: Readonly<Record<string, readonly number[]>> = {
    queryScale: [size],
    documentScale: [size],
    down: [size, rank],
    up: [rank, size],
    bias: [size],
  };
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
  const q = new Float32Array(batch * size);
  const d = new Float32Array(batch * size);
  const right = Int32Array.from({ length: batch }, (_, i) => i);
  try {
    let order = rng.permutation(queries.length);
    let at = 0;
    for (let step = 0; step < steps; step++) {
      if (at + batch > order.length) {
        order = rng.permutation(queries.length);
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
      if (!Number.isFinite(value))
        throw new InputError(`train-encoder: the loss became ${value} at step ${step}; lower the learning rate`);
      onStep?.(step, value);
    }
    return Object.fromEntries(
      names.map((name) => {
        const { shape, data } = store.get(name);
        return [name, tensor(shape, data.slice())];
      }),
    );
  } finally {
    plan.close();
    store.close();
  }
}
