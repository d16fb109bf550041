/** Control over gradients and time: stopGradient, straightThrough, scan. */
import { InputError, ShapeError, type Tree } from "../../core/index.js";
import type { OpDef, Value } from "../graph.js";
import { add, reshape, sub } from "./arithmetic.js";
import { slice, stack } from "./layout.js";
import { floats } from "./support.js";

export const stopGradientOp: OpDef = {
  name: "stopGradient",
  type: (inputs) => [inputs[0]!],
  reference([x]) {
    if (x!.dtype !== "f32") return [{ ...x!, data: x!.data.slice() } as typeof x & object];
    const y = floats(x!.shape, [x!]);
    y.data.set(x!.data);
    return [y];
  },
  gradient: () => [undefined],
};

/** x, through which no gradient flows. */
export const stopGradient = (x: Value): Value => x.graph.emit(stopGradientOp, [x], {})[0]!;

/**
 * The value of `forward` (up to one rounding) with the gradient of `surrogate`: surrogate + stopGradient(forward - surrogate).
 * Exactly 0 where `forward` is 0. Bengio, Leonard and Courville 2013.
 * @throws ShapeError
 */
export const straightThrough = (forward: Value, surrogate: Value): Value => add(surrogate, stopGradient(sub(forward, surrogate)));

/** Number of steps of sequences, all of which must agree. */
function stepsOf(xs: Tree<Value>): number {
  const lengths = Object.entries(xs).map(([name, x]) => [name, x.shape[0]] as const);
  const [first] = lengths;
  if (!first) throw new InputError("scan: expected at least one sequence, got none");
  if (lengths.some(([, n]) => n === undefined || n !== first[1])) {
    throw new ShapeError("scan", Object.fromEntries(Object.entries(xs).map(([name, x]) => [name, x.shape])), "equal leading sizes");
  }
  return first[1]!;
}

/**
 * Runs `f` along the leading axis, unrolled when traced, so it differentiates like any other code.
 *
 * @param f     (carry, x at t) -> next carry and what to collect at t
 * @param carry the state before the first step, by name
 * @param xs    sequences [T, ...], by name; f sees [...] at each step
 * @returns the last carry, and what was collected as [T, ...]
 * @throws InputError without sequences, ShapeError when their lengths differ
 */
export function scan<C extends Tree<Value>>(
  f: (carry: C, x: Tree<Value>, t: number) => { carry: C; y: Tree<Value> },
  carry: C,
  xs: Tree<Value>,
): { carry: C; ys: Tree<Value> } {
  const steps = stepsOf(xs);
  const collected: Record<string, Value[]> = {};
  let state = carry;
  for (let t = 0; t < steps; t++) {
    const at: Record<string, Value> = {};
    for (const [name, x] of Object.entries(xs)) {
      const from = slice(
        x,
        x.shape.map((_, i) => (i === 0 ? t : 0)),
        x.shape.map((d, i) => (i === 0 ? t + 1 : d)),
      );
      at[name] = reshape(from, x.shape.slice(1));
    }
    const { carry: next, y } = f(state, at, t);
    for (const [name, value] of Object.entries(y)) (collected[name] ??= []).push(value);
    state = next;
  }
  return { carry: state, ys: Object.fromEntries(Object.entries(collected).map(([name, values]) => [name, stack(values)])) };
}
