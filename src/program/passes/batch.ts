/**
 * Programs of any batch size: a program traced at batch 1 and again at batch 2 differs only in numbers, and each of them grows
 * evenly with the batch. What a file holds is the first trace and those numbers' growth.
 */
import { InputError, requireInteger } from "../../core/index.js";
import type { Program } from "../types.js";

/** A program for every batch size. Plain JSON. */
export interface BatchProgram {
  /** The program at batch 1. */
  readonly one: Program;
  /** Where a number grows with the batch, as a path into `one`, and by how much per example. */
  readonly grows: readonly { readonly at: readonly (string | number)[]; readonly by: number }[];
}

/**
 * @param at makes the program of a batch size, the same operations each time
 * @throws InputError when the traces differ in more than numbers
 */
export function anyBatch(at: (batch: number) => Program): BatchProgram {
  const one = at(1);
  const grows: { at: (string | number)[]; by: number }[] = [];
  compare(one, at(2), [], grows);
  return { one, grows };
}

function compare(a: unknown, b: unknown, at: (string | number)[], grows: { at: (string | number)[]; by: number }[]): void {
  if (typeof a === "number" && typeof b === "number") {
    if (a !== b && !(Number.isNaN(a) && Number.isNaN(b))) grows.push({ at, by: b - a });
    return;
  }
  if (typeof a === "object" && typeof b === "object" && a !== null && b !== null) {
    const keys = Object.keys(a);
    if (keys.length === Object.keys(b).length && keys.every((key) => key in b)) {
      for (const key of keys) {
        compare(
          (a as Record<string, unknown>)[key],
          (b as Record<string, unknown>)[key],
          [...at, Array.isArray(a) ? Number(key) : key],
          grows,
        );
      }
      return;
    }
  } else if (a === b) return;
  throw new InputError(
    `anyBatch: the program at batch 2 differs from that at batch 1 at ${at.join(".")}; its operations must not depend on the batch`,
  );
}

/** The program of one batch size. @throws OptionError when the batch is no integer of at least 1 */
export function atBatch({ one, grows }: BatchProgram, batch: number): Program {
  requireInteger("batch", batch, 1);
  if (batch === 1) return one;
  const copy = structuredClone(one) as unknown;
  const holderOf = (root: unknown, at: readonly (string | number)[]) =>
    at.slice(0, -1).reduce((holder, key) => (holder as Record<string | number, unknown> | undefined)?.[key], root) as Record<
      string | number,
      number
    >;
  for (const { at, by } of grows) {
    const key = at.at(-1)!;
    if (at.includes("__proto__") || typeof holderOf(one, at)?.[key] !== "number")
      throw new InputError(`atBatch: ${at.join(".")} is no number of the program`);
    // Types may share one shape array, which then stands at several paths: set the number, do not add to it.
    holderOf(copy, at)[key] = holderOf(one, at)[key]! + by * (batch - 1);
  }
  return copy as Program;
}
