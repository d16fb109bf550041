/** Gradient clipping, traced. */
import { InputError, mapTree, requireNumber, type Tree } from "../core/index.js";
import { add, div, min, mul, sqrt, sumSquares, type Value } from "../program/index.js";

/** The Euclidean norm over all gradients together: []. @throws InputError on an empty tree */
export function globalNorm(grads: Tree<Value>): Value {
  const squares = Object.values(grads).map((g) => sumSquares(g));
  if (squares.length === 0) throw new InputError("globalNorm: expected at least one gradient, got none");
  return sqrt(squares.reduce((a, b) => add(a, b)));
}

/**
 * Scales all gradients together so that their norm is at most `most`: g * min(1, most / (norm + 1e-6)).
 * @param most above 0
 * @throws OptionError, InputError
 *
 * Pascanu et al. 2013, algorithm 1 (PyTorch's form).
 */
export function clipByNorm(grads: Tree<Value>, most: number): { grads: Tree<Value>; norm: Value } {
  requireNumber("clipByNorm.most", most, Number.MIN_VALUE);
  const norm = globalNorm(grads);
  const scale = min(div(most, add(norm, 1e-6)), 1);
  return { grads: mapTree(grads, (g) => mul(g, scale)), norm };
}
