/** Gradients that the user states: what `vjp` returns stands in for the derivative of what `fn` computes. */
import { InputError, ShapeError, sameShape, type Tree } from "../../core/index.js";
import type { OpDef, Value } from "../graph.js";
import { inline, trace } from "../trace.js";
import type { InputSpec, Program, ValueType } from "../types.js";
import { constant } from "./arithmetic.js";

/** How many of the operands are results of `fn` (the others are its arguments), and `vjp` as a program. */
type CustomAttrs = { results: number; vjp: Program };

/** Names of the inputs and outputs of the program of a `vjp`. */
const name = (kind: "argument" | "result" | "grad", i: number): string => `${kind}${i}`;

/** Passes results of a function on; the gradients of its arguments are the program `vjp` of arguments, results and gradients of results. */
export const customGradientOp: OpDef<CustomAttrs> = {
  name: "customGradient",
  type: (inputs, { results }) => inputs.slice(0, results),
  reference: (inputs, { results }) => inputs.slice(0, results).map((t) => ({ ...t, data: t.data.slice() }) as typeof t),
  gradient({ inputs, grads, attrs: { results, vjp }, operationNamed }) {
    const bound: Record<string, Value> = {};
    for (let i = 0; i < results; i++) {
      const y = inputs[i]!;
      bound[name("result", i)] = y;
      bound[name("grad", i)] = grads[i] ?? constant(y.graph, y.shape, 0, y.type.pattern);
    }
    const args = inputs.slice(results);
    for (const [i, x] of args.entries()) bound[name("argument", i)] = x;
    const { outputs } = inline(vjp, operationNamed, { inputs: bound, params: {} });
    return inputs.map((_, i) => (i < results ? undefined : outputs[name("grad", i - results)]));
  },
};

/** What a `vjp` is given: arguments and results of the function, and the gradient of each result (zeros where none flows back). */
export interface Flow<A extends readonly Value[]> {
  readonly args: A;
  readonly results: readonly Value[];
  readonly grads: readonly Value[];
}

const typed = ({ shape, dtype, pattern }: ValueType): InputSpec =>
  ({ shape, dtype, ...(pattern === undefined ? {} : { pattern }) }) as InputSpec;

/** @throws InputError when what was traced since operation `from` reads a value that is neither an argument nor a constant */
function requireClosed(fn: readonly Value[], args: readonly Value[], from: number): void {
  const { graph } = args[0]!;
  const known = new Set(args.map(({ id }) => id));
  const check = (id: number): void => {
    const producer = graph.producers[id]!;
    if (known.has(id) || producer >= from || graph.operations[producer]?.op === "constant") return;
    throw new InputError(
      `customGradient: the function reads a value [${graph.value(id).shape.join(", ")}] that is not among its arguments, so no gradient would reach it; pass it as an argument`,
    );
  };
  for (const operation of graph.operations.slice(from)) operation.inputs.forEach(check);
  for (const { id } of fn) check(id);
}

/**
 * A function with a gradient of its own, as JAX's `custom_vjp`:
 *
 *     forward   results = fn(...args)
 *     backward  gradient of args[i] = vjp({ args, results, grads })[i]
 *
 *     const clipped = customGradient((x) => x, ({ grads: [g] }) => [clamp(g!, -1, 1)]);   // passes x, clips what flows back
 *
 * `vjp` is traced with the function, once per call, and kept in the program, so that programs which are stored, imported elsewhere or
 * differentiated again (`grad`, `gradients` of `gradients`) keep it. It need not be linear in the gradients; it may itself use functions
 * with gradients of their own. Where it is the true derivative, second derivatives are true too.
 *
 * @param fn  what to compute: of its arguments and constants alone; its result or results
 * @param vjp one gradient per argument, of the argument's shape; undefined where none flows back
 * @returns   the function; it takes at least one value
 * @throws InputError when called without a value, when `fn` reads another value, or when the number of gradients is not that of the
 *         arguments; ShapeError when a gradient has another shape than its argument
 */
export function customGradient<A extends readonly Value[], R extends Value | readonly Value[]>(
  fn: (...args: A) => R,
  vjp: (flow: Flow<A>) => readonly (Value | undefined)[],
): (...args: A) => R {
  return (...args) => {
    const [first] = args;
    if (!first) throw new InputError("customGradient: expected at least one value, got none");
    const { graph } = first;
    const from = graph.operations.length;
    const made = fn(...args);
    const results = ("graph" in made ? [made] : made) as readonly Value[];
    requireClosed(results, args, from);
    const specs: Record<string, InputSpec> = {};
    args.forEach(({ type }, i) => {
      specs[name("argument", i)] = typed(type);
    });
    results.forEach(({ type }, i) => {
      specs[name("result", i)] = typed(type);
      specs[name("grad", i)] = typed(type);
    });
    const program = trace(
      ({ inputs }) => {
        const list = (kind: "argument" | "result" | "grad", n: number) =>
          Array.from({ length: n }, (_, i) => inputs[name(kind, i)]!);
        const found = vjp({
          args: list("argument", args.length) as readonly Value[] as A,
          results: list("result", results.length),
          grads: list("grad", results.length),
        });
        if (found.length !== args.length)
          throw new InputError(`customGradient: expected a gradient for each of ${args.length} arguments, got ${found.length}`);
        const outputs: Tree<Value> = Object.fromEntries(
          found.flatMap((g, i) => {
            if (g && !sameShape(g.shape, args[i]!.shape))
              throw new ShapeError(
                "customGradient",
                { argument: args[i]!.shape, gradient: g.shape },
                `equal shapes for argument ${i}`,
              );
            return g ? [[name("grad", i), g] as const] : [];
          }),
        );
        return { outputs };
      },
      { inputs: specs },
    );
    const passed = graph.emit(customGradientOp, [...results, ...args], { results: results.length, vjp: program });
    return ("graph" in made ? passed[0]! : passed) as R;
  };
}
