/** Matrix products. A known right operand becomes a param [out, in], as sparse kernels and pruning rules expect it. */
import { InputError, sizeOf } from "../../../core/index.js";
import type { Value } from "../../graph.js";
import * as op from "../../ops/index.js";
import { type NodeView, type Rule, refuse } from "../node.js";

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

interface Sum {
  readonly a: string;
  readonly b: string;
  readonly y: string;
}

/** Two operands, no letter twice in one of them. */
function parsed(n: NodeView): Sum {
  const equation = n.text("equation", "").replace(/\s/g, "");
  const match = /^([A-Za-z]+),([A-Za-z]+)->([A-Za-z]*)$/.exec(equation);
  if (!match) refuse(`the Einsum equation "${equation.slice(0, 80)}" (two operands and a result of letters are)`);
  const [, a, b, y] = match as unknown as [string, string, string, string];
  for (const word of [a, b, y])
    if (new Set(word).size !== word.length) refuse(`a letter twice in one operand of "${equation.slice(0, 80)}"`);
  if ([...y].some((c) => !a.includes(c) && !b.includes(c)))
    throw new InputError(`the result of "${equation}" has a letter that no operand has`);
  return { a, b, y };
}

/** Letters in both operands and the result are batch, in both only summed; the rest are rows or columns. */
const einsum: Rule = (n) => {
  const { a, b, y } = parsed(n);
  if (a.length !== n.shape(0).length || b.length !== n.shape(1).length)
    throw new InputError(`"${a},${b}" does not fit [${n.shape(0).join(", ")}] and [${n.shape(1).join(", ")}]`);
  const summed = (word: string, v: Value): { word: string; v: Value } => {
    const gone = [...word].flatMap((c, i) => (!y.includes(c) && !(a.includes(c) && b.includes(c)) ? [i] : []));
    return { word: [...word].filter((_, i) => !gone.includes(i)).join(""), v: gone.length > 0 ? op.sum(v, gone) : v };
  };
  const left = summed(a, n.value(0));
  const right = summed(b, n.value(1));
  const pick = (word: string, keep: (c: string) => boolean): string => [...word].filter(keep).join("");
  const batch = pick(left.word, (c) => right.word.includes(c) && y.includes(c));
  const inner = pick(left.word, (c) => right.word.includes(c) && !y.includes(c));
  const rows = pick(left.word, (c) => !right.word.includes(c));
  const columns = pick(right.word, (c) => !left.word.includes(c));
  const size = new Map([...left.word].map((c, i) => [c, left.v.shape[i]!] as const));
  [...right.word].forEach((c, i) => {
    if ((size.get(c) ?? right.v.shape[i]) !== right.v.shape[i])
      throw new InputError(`"${c}" is ${size.get(c)} in one operand and ${right.v.shape[i]} in the other`);
    size.set(c, right.v.shape[i]!);
  });
  const sizes = (word: string): number[] => [...word].map((c) => size.get(c)!);
  const matrix = ({ word, v }: { word: string; v: Value }, order: readonly [string, string]): Value => {
    const perm = [...batch, ...order[0], ...order[1]].map((c) => word.indexOf(c));
    return op.reshape(op.transpose(v, perm), [...sizes(batch), sizeOf(sizes(order[0])), sizeOf(sizes(order[1]))]);
  };
  const product = op.reshape(
    op.matmul(matrix(left, [rows, inner]), matrix(right, [inner, columns])),
    sizes(batch + rows + columns),
  );
  return op.transpose(
    product,
    [...y].map((c) => (batch + rows + columns).indexOf(c)),
  );
};

/** Matrix products by name. */
export const matmulRules: Readonly<Record<string, Rule>> = { MatMul: matmul, Gemm: gemm, Einsum: einsum };
