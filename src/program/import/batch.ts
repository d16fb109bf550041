/** Programs of any batch from an importer that makes the program of one batch size. */
import { InputError } from "../../core/index.js";
import { operationNamed } from "../ops/index.js";
import { anyBatch, atBatch, type BatchProgram } from "../passes/batch.js";
import type { Program } from "../types.js";

/**
 * A program of any batch from its traces at 2 and 3: at 1, sizes that happen to be 1 would broadcast and hide what grows.
 * The result at 1 is type-checked, the result at 5 is compared with a fourth trace.
 * @throws InputError when the program depends on the batch in another way than evenly growing numbers
 */
export function fitBatch(at: (batch: number) => Program): BatchProgram {
  const { one: two, grows } = anyBatch((batch) => at(batch + 1));
  const one: unknown = copied(two);
  for (const { at: path, by } of grows) {
    let holder = one as Record<string | number, unknown>;
    for (const key of path.slice(0, -1)) holder = holder[key] as Record<string | number, unknown>;
    const key = path.at(-1)!;
    holder[key] = (holder[key] as number) - by;
  }
  const fitted: BatchProgram = { one: one as Program, grows };
  checkTypes(fitted.one);
  if (JSON.stringify(atBatch(fitted, 5)) !== JSON.stringify(at(5)))
    throw new InputError("the program does not grow evenly with the batch");
  return fitted;
}

/** A deep copy in which nothing is shared: `atBatch` writes each number once. */
function copied<T>(from: T): T {
  if (Array.isArray(from)) return from.map(copied) as T;
  if (typeof from !== "object" || from === null) return from;
  return Object.fromEntries(Object.entries(from).map(([key, value]) => [key, copied(value)])) as T;
}

/** @throws InputError when an operation does not give the types that the program states */
function checkTypes(program: Program): void {
  for (const { op, inputs, outputs, attrs } of program.operations) {
    const types = operationNamed(op).type(
      inputs.map((id) => program.values[id]!),
      attrs,
    );
    outputs.forEach((id, i) => {
      const stated = program.values[id]!;
      if (types[i]?.shape.join() !== stated.shape.join() || types[i]?.dtype !== stated.dtype)
        throw new InputError(`the batch changes what ${op} makes`);
    });
  }
}

/** The operations and params that the outputs need, as a program. */
export function pruneUnused(program: Program): Program {
  const used = new Set<number>(Object.values(program.outputs));
  const kept = [];
  for (const operation of [...program.operations].reverse()) {
    if (!operation.outputs.some((id) => used.has(id))) continue;
    for (const id of operation.inputs) used.add(id);
    kept.push(operation);
  }
  return {
    ...program,
    operations: kept.reverse(),
    params: Object.fromEntries(Object.entries(program.params).filter(([, p]) => used.has(p.value))),
  };
}
