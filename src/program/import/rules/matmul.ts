/** Matrix products. A known right operand becomes a param [out, in], as sparse kernels and pruning rules expect it. */
import { InputError } from "../../../core/index.js";
import type { Value } from "../../graph.js";
import * as op from "../../ops/index.js";
import type { NodeView, Rule } from "../node.js";

function matmul(n: NodeView): Value {
  const [ra, rb] = [n.shape(0).length, n.shape(1).length];
  if (ra === 0 || rb === 0) throw new InputError("expected operands of rank 1 or more, got a scalar");
  const weight = rb === 2 && ra >= 2 ? n.weight(1, { perm: [1, 0] }) : undefined;
  if (weight) return op.matmul(n.value(0), weight, { transposeB: true });
  let a = n.value(0);
  let b = n.value(1);
  if (ra === 1) a = op.reshape(a, [1, a.shape[0]!]);
  if (rb === 1) b = op.reshape(b, [b.shape[0]!, 1]);
  const y = op.matmul(a, b);
  const shape = y.shape.filter((_, i) => !(ra === 1 && i === y.shape.length - 2) && !(rb === 1 && i === y.shape.length - 1));
  return op.reshape(y, shape);
}

const gemm: Rule = (n) => {
  const transposeB = n.int("transB", 0) !== 0;
  if (n.shape(0).length !== 2 || n.shape(1).length !== 2)
    throw new InputError(`expected matrices, got [${n.shape(0).join(", ")}] and [${n.shape(1).join(", ")}]`);
  const weight = n.weight(1, transposeB ? {} : { perm: [1, 0] });
  let y = op.matmul(n.value(0), weight ?? n.value(1), {
    transposeA: n.int("transA", 0) !== 0,
    transposeB: weight ? true : transposeB,
  });
  const [alpha, beta] = [n.float("alpha", 1), n.float("beta", 1)];
  if (alpha !== 1) y = op.affine(y, alpha, 0);
  if (!n.has(2) || beta === 0) return y;
  const c = n.operand(2, 2);
  if (typeof c === "number") return op.add(y, c * beta);
  return op.add(y, beta === 1 ? c : op.affine(c, beta, 0));
};

/** Matrix products by name. */
export const matmulRules: Readonly<Record<string, Rule>> = { MatMul: matmul, Gemm: gemm };
