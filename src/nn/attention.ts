/** Multi-head attention, with shared key-value heads and a causal mask where asked. */
import { InputError, requireInteger } from "../core/index.js";
import * as ops from "../program/index.js";
import { linear } from "./dense.js";
import type { Initialiser } from "./initialise.js";
import { compose, type Module } from "./module.js";

/** Options of `attention`. */
export interface AttentionOptions {
  /** Query heads; the size must divide by it. */
  readonly heads: number;
  /** Key-value heads, each shared by heads / keyValueHeads query heads (Ainslie et al. 2023); default: heads. */
  readonly keyValueHeads?: number;
  /** Position t sees positions up to t only. Default false. */
  readonly causal?: boolean;
  /** Default true. */
  readonly bias?: boolean;
  readonly init?: Initialiser;
}

/**
 * Scaled dot-product attention.
 *
 *     softmax(q k^T / sqrt(d) [+ causal mask]) v
 *
 * @param q [N, H, T, d]
 * @param k [N, K, S, d], K divides H: query head h uses key-value head floor(h K / H)
 * @param v [N, K, S, d]
 * @param causal with S >= T, query t sees keys up to S - T + t
 * @returns [N, H, T, d]
 * @throws InputError, ShapeError
 *
 * Vaswani et al. 2017, eq. 1.
 */
export function scaledDotProductAttention(
  q: ops.Value,
  k: ops.Value,
  v: ops.Value,
  { causal = false }: { causal?: boolean } = {},
): ops.Value {
  const [n, heads, t, d] = q.shape as [number, number, number, number];
  const [shared, s] = [k.shape[1]!, k.shape[2]!];
  if (heads % shared !== 0)
    throw new InputError(`attention: expected query heads that divide by the ${shared} key-value heads, got ${heads}`);
  const each = heads / shared;
  const scores = ops.mul(ops.matmul(ops.reshape(q, [n, shared, each * t, d]), k, { transposeB: true }), 1 / Math.sqrt(d));
  const byQuery = ops.reshape(scores, [n, shared * each, t, s]);
  const seen = causal ? ops.where(causalMask(q.graph, t, s), byQuery, -1e9) : byQuery;
  const weights = ops.reshape(ops.softmax(seen), [n, shared, each * t, s]);
  return ops.reshape(ops.matmul(weights, v), [n, heads, t, d]);
}

/** 1 where query i of t sees key j of s, else 0: [t, s]. */
function causalMask(graph: ops.Value["graph"], t: number, s: number): ops.Value {
  const last = ops.constant(
    graph,
    [t, 1],
    Array.from({ length: t }, (_, i) => s - t + i),
  );
  return ops.greaterEqual(
    last,
    ops.constant(
      graph,
      [1, s],
      Array.from({ length: s }, (_, j) => j),
    ),
  );
}

/** [N, T, heads * d] -> [N, heads, T, d]. */
export function splitHeads(x: ops.Value, heads: number): ops.Value {
  const [n, t, size] = x.shape as [number, number, number];
  return ops.transpose(ops.reshape(x, [n, t, heads, size / heads]), [0, 2, 1, 3]);
}

/** [N, heads, T, d] -> [N, T, heads * d]. */
export function joinHeads(x: ops.Value): ops.Value {
  const [n, heads, t, d] = x.shape as [number, number, number, number];
  return ops.reshape(ops.transpose(x, [0, 2, 1, 3]), [n, t, heads * d]);
}

/**
 * Self-attention of x [N, T, size]. Params: q_proj, k_proj, v_proj, o_proj, each weight (and bias).
 * @throws OptionError, InputError when the sizes do not divide
 */
export function attention(
  size: number,
  { heads, keyValueHeads = heads, causal = false, bias = true, init }: AttentionOptions,
): Module {
  requireInteger("attention.heads", heads, 1);
  requireInteger("attention.keyValueHeads", keyValueHeads, 1);
  if (size % heads !== 0 || heads % keyValueHeads !== 0) {
    throw new InputError(
      `attention: expected size to divide by heads, and heads by keyValueHeads, got size ${size}, heads ${heads}, keyValueHeads ${keyValueHeads}`,
    );
  }
  const shared = (size / heads) * keyValueHeads;
  const options = { bias, ...(init ? { init } : {}) };
  return compose(
    {
      q_proj: linear(size, size, options),
      k_proj: linear(size, shared, options),
      v_proj: linear(size, shared, options),
      o_proj: linear(size, size, options),
    },
    (run, x) => {
      const q = splitHeads(run("q_proj", x), heads);
      const k = splitHeads(run("k_proj", x), keyValueHeads);
      const v = splitHeads(run("v_proj", x), keyValueHeads);
      return run("o_proj", joinHeads(scaledDotProductAttention(q, k, v, { causal })));
    },
  );
}
