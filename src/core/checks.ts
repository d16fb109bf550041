/** Option checks: each returns the value or throws an `OptionError` that names the option. */
import { OptionError } from "./errors.js";

/** @throws OptionError unless `value` is a number in [0, 1] */
export function requireFraction(option: string, value: unknown): number {
  if (typeof value !== "number" || !(value >= 0 && value <= 1)) throw new OptionError(option, "a fraction in [0, 1]", value);
  return value;
}

/** Sparsity is a fraction in [0, 1): 1 would leave nothing. @throws OptionError */
export function requireSparsity(option: string, value: unknown): number {
  if (typeof value !== "number" || !(value >= 0 && value < 1)) throw new OptionError(option, "a sparsity in [0, 1)", value);
  return value;
}

/** @throws OptionError unless `value` is an integer in [min, max] */
export function requireInteger(option: string, value: unknown, min = 0, max = Number.MAX_SAFE_INTEGER): number {
  if (!Number.isSafeInteger(value) || (value as number) < min || (value as number) > max) {
    const range = max === Number.MAX_SAFE_INTEGER ? `an integer of at least ${min}` : `an integer in [${min}, ${max}]`;
    throw new OptionError(option, range, value);
  }
  return value as number;
}

/** @throws OptionError unless `value` is a finite number in [min, max] */
export function requireNumber(
  option: string,
  value: unknown,
  min = Number.NEGATIVE_INFINITY,
  max = Number.POSITIVE_INFINITY,
): number {
  if (typeof value !== "number" || !Number.isFinite(value) || value < min || value > max) {
    throw new OptionError(option, `a finite number in [${min}, ${max}]`, value);
  }
  return value;
}

/** @throws OptionError unless `value` is one of `choices` */
export function requireOneOf<T extends string>(option: string, value: unknown, choices: readonly T[]): T {
  if (!choices.includes(value as T)) throw new OptionError(option, `one of ${choices.join(", ")}`, value);
  return value as T;
}
