/** What a random program may do next to a matrix, or to several of them: products, attention, lookups. */
import {
  broadcastTo,
  gather,
  linear,
  matmul,
  mul,
  reshape,
  segmentSum,
  softmax,
  transpose,
  type Value,
} from "../../program/index.js";
import { type Draw, type Steps, unary } from "./random-steps.js";

/** Longer rows are no operands of products: their weights would take more time than they tell. */
const WIDEST = 512;

/** Products of matrices, lookups. */
export function products(d: Draw, v: Value): Steps {
  const { shape } = v;
  const rank = shape.length;
  if (rank < 2) return [];
  const last = shape[rank - 1]!;
  const product = () => {
    const out = d.pick([1, 2, 4, 8, 32, d.size(20), 4 * d.size(12), 64 * d.size(4)]);
    const w = d.weight([out, last]);
    return d.coin() ? linear(v, w, d.weight([out])) : matmul(v, w, { transposeB: true });
  };
  const same = () => linear(v, d.weight([last, last]), d.weight([last]));
  const found: Steps = [];
  if (last <= WIDEST)
    found.push(
      product,
      product,
      product,
      same,
      () => unary(d, same()),
      () => unary(d, product()),
    );
  found.push(() => matmul(v, v, { transposeB: true }));
  found.push(() => matmul(v, v, { transposeA: true }));
  if (rank === 3 && last % 2 === 0 && last <= WIDEST)
    found.push(
      () => attention(d, v),
      () => attention(d, v),
    );
  if (rank === 2) {
    const n = shape[0]!;
    found.push(
      () => segmentSum(v, d.indices(n, 3), 3),
      () => gather(v, d.indices(d.size(5), n)),
      () => matmul(d.weight([d.pick([4, 8, d.size(9)]), n], true), v),
      () => broadcastTo(reshape(v, [...shape, 1, 1]), [...shape, d.size(6), d.size(6)]),
    );
  }
  return found;
}

/** Two heads of attention of a [n, t, f] value over itself, or over another of the same features. */
function attention(d: Draw, v: Value): Value {
  const [n, t, f] = v.shape as [number, number, number];
  const over = d.pick(d.made.filter(({ shape }) => shape.length === 3 && shape[0] === n && shape[2] === f));
  const heads = (u: Value, perm: readonly number[]) =>
    transpose(reshape(linear(u, d.weight([f, f]), d.weight([f])), [n, u.shape[1]!, 2, f / 2]), perm);
  const [q, w] = [heads(v, [0, 2, 1, 3]), heads(over, [0, 2, 1, 3])];
  const scores = d.coin() ? matmul(q, heads(over, [0, 2, 1, 3]), { transposeB: true }) : matmul(q, heads(over, [0, 2, 3, 1]));
  return reshape(transpose(matmul(softmax(mul(scores, 0.5), -1), w), [0, 2, 1, 3]), [n, t, f]);
}
