/**
 * Activations that files write in several operations, as one:
 *
 *     sigmoid(x) x                          -> silu
 *     a x + b held to [0, 1]                -> hardSigmoid
 *     x (a x + b held to [0, c]) / c        -> hardSwish; the division may stand before the product too
 *
 * Each operation less is a pass over the value less. Numbers change by rounding.
 */
import type { Operation, Program } from "../types.js";

/** A chain of operations that `operation` stands for; the last makes its result. */
interface Match {
  readonly gone: readonly number[];
  readonly operation: Operation;
}

/** What a factor of a file's single precision may differ by from the number that it stands for. */
const ROUNDING = 1e-6;
const isOne = (value: number): boolean => Math.abs(value - 1) < ROUNDING;

const number = ({ attrs }: Operation, name: "a" | "b"): number => (attrs[name] as number | undefined) ?? 0;

/**
 * @param program any program; an operation whose result something else needs stays as it is
 * @returns the same values, fewer operations
 */
export function fuseActivations(program: Program): Program {
  const { operations } = program;
  const users = program.values.map((): number[] => []);
  operations.forEach(({ inputs }, i) => {
    for (const id of new Set(inputs)) users[id]!.push(i);
  });
  const ends = new Set([...Object.values(program.outputs), ...Object.values(program.updates)]);
  /** The position of the only user of the result of operation `i`. */
  const next = (i: number): number => {
    const [value] = operations[i]!.outputs as [number];
    return ends.has(value) || users[value]!.length !== 1 ? -1 : users[value]![0]!;
  };
  /** Whether operation `i` is the product of `x` and the result of operation `of`. */
  const multiplies = (i: number, of: number, x: number): boolean => {
    const operation = operations[i];
    if (operation?.op !== "mul") return false;
    const [p, q] = operation.inputs as [number, number];
    const [h] = operations[of]!.outputs as [number];
    return h !== x && ((p === x && q === h) || (p === h && q === x));
  };
  /** The factor of operation `i`, where it only scales. */
  const scale = (i: number): number | undefined => {
    const operation = operations[i];
    return operation?.op === "affine" && number(operation, "b") === 0 ? number(operation, "a") : undefined;
  };
  const made = (last: number, gone: readonly number[], op: string, x: number, attrs: Operation["attrs"]): Match => ({
    gone,
    operation: { op, inputs: [x], outputs: operations[last]!.outputs, attrs },
  });

  function silu(first: number): Match | undefined {
    const [x] = operations[first]!.inputs as [number];
    const product = next(first);
    return multiplies(product, first, x) ? made(product, [first, product], "silu", x, {}) : undefined;
  }

  /** From `held`, the operation that makes c times a hard sigmoid of a x + b. */
  function hard(gone: readonly number[], held: number, x: number, a: number, b: number, c: number): Match | undefined {
    const after = next(held);
    const divided = scale(after);
    const early = divided !== undefined && isOne(divided * c);
    const part = early ? [...gone, after] : gone;
    const gate = early ? after : held;
    const attrs = { a: a / c, b: b / c };
    const product = next(gate);
    if (multiplies(product, gate, x)) {
      if (early || isOne(c)) return made(product, [...part, product], "hardSwish", x, attrs);
      const last = next(product);
      if (isOne((scale(last) ?? 0) * c)) return made(last, [...part, product, last], "hardSwish", x, attrs);
    }
    if (!early && !isOne(c)) return undefined;
    return part.length > 1 ? made(gate, part, "hardSigmoid", x, attrs) : undefined;
  }

  function match(first: number): Match | undefined {
    const operation = operations[first]!;
    const [x] = operation.inputs as [number];
    const [a, b] = [number(operation, "a"), number(operation, "b")];
    if (operation.op === "sigmoid") return silu(first);
    if (operation.op === "hardSigmoid") return hard([first], first, x, a, b, 1);
    if (operation.op !== "affine") return undefined;
    const clamp = operations[next(first)];
    if (clamp?.op !== "clamp" || number(clamp, "a") !== 0 || number(clamp, "b") <= 0) return undefined;
    return hard([first, next(first)], next(first), x, a, b, number(clamp, "b"));
  }

  const gone = new Set<number>();
  const instead = new Map<number, Operation>();
  operations.forEach((_, i) => {
    if (gone.has(i)) return;
    const found = match(i);
    if (!found) return;
    for (const position of found.gone) gone.add(position);
    instead.set(found.gone.at(-1)!, found.operation);
  });
  if (gone.size === 0) return program;
  return { ...program, operations: operations.flatMap((o, i) => instead.get(i) ?? (gone.has(i) ? [] : [o])) };
}
