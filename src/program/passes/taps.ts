/** Looks into a program: the same operations with other outputs. */
import { InputError, type Tree } from "../../core/index.js";
import type { Operation, Program } from "../types.js";

/**
 * The part of a program that computes the given values, with them as outputs. Params and inputs that it does not need are gone.
 * @param values value numbers by output name
 * @throws InputError for a number that the program does not have
 */
export function tapProgram(program: Program, values: Tree<number>): Program {
  for (const [name, id] of Object.entries(values)) {
    if (program.values[id] === undefined)
      throw new InputError(`tapProgram: "${name}" asks for value ${id}; the program has ${program.values.length}`);
  }
  const used = new Set(Object.values(values));
  const kept: Operation[] = [];
  for (const operation of [...program.operations].reverse()) {
    if (!operation.outputs.some((id) => used.has(id))) continue;
    for (const id of operation.inputs) used.add(id);
    kept.push(operation);
  }
  const still = <T>(tree: Tree<T>, at: (leaf: T) => number): Tree<T> =>
    Object.fromEntries(Object.entries(tree).filter(([, leaf]) => used.has(at(leaf))));
  return {
    values: program.values,
    operations: kept.reverse(),
    inputs: still(program.inputs, (id) => id),
    params: still(program.params, (p) => p.value),
    outputs: values,
    updates: {},
  };
}
