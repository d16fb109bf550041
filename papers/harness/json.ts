/** Plain JSON: what configurations and results are made of. */
import { createHash } from "node:crypto";
import { InputError } from "../../src/core/index.js";

/** @throws InputError naming the place of the first value that JSON cannot hold (NaN, a function, a typed array, ...) */
export function requirePlain(value: unknown, place: string): void {
  if (value === null || typeof value === "string" || typeof value === "boolean" || value === undefined) return;
  if (typeof value === "number") {
    if (!Number.isFinite(value)) throw new InputError(`${place}: is ${value}, expected a finite number`);
  } else if (Array.isArray(value)) {
    value.forEach((item, i) => {
      if (item === undefined) throw new InputError(`${place}[${i}]: is undefined`);
      requirePlain(item, `${place}[${i}]`);
    });
  } else if (
    typeof value === "object" &&
    (Object.getPrototypeOf(value) === Object.prototype || Object.getPrototypeOf(value) === null)
  ) {
    for (const [key, item] of Object.entries(value)) requirePlain(item, `${place}.${key}`);
  } else
    throw new InputError(
      `${place}: expected plain JSON, got ${typeof value === "object" ? (value as object).constructor?.name : typeof value}`,
    );
}

/** The value with the keys of every object sorted, so that equal values have equal text. */
function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, item]) => item !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, item]) => [key, canonical(item)]),
  );
}

/** SHA-256 of a plain value, the same for any order of keys. */
export const contentHash = (value: unknown): string =>
  createHash("sha256")
    .update(JSON.stringify(canonical(value)))
    .digest("hex");
