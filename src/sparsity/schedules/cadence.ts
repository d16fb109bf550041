import { requireInteger } from "../../core/index.js";

/** When updates happen: every `every` steps. */
export interface Cadence {
  /** First step at which an update may happen. Default 0 (but never step 0 itself). */
  readonly begin?: number;
  /** Steps between updates, at least 1. */
  readonly every: number;
  /** Step before which updates stop. Default: never. */
  readonly until?: number;
  /** A step that is always due, whether or not `every` divides the interval. */
  readonly also?: number;
}

/**
 * Whether an update is due. Total: false for step 0, negative, fractional and not-a-number steps.
 * @throws OptionError when `every` or `begin` is out of range (at once, not when called)
 */
export function cadence({ begin = 0, every, until = Number.POSITIVE_INFINITY, also }: Cadence): (step: number) => boolean {
  requireInteger("cadence.every", every, 1);
  requireInteger("cadence.begin", begin);
  return (step) => {
    if (!Number.isSafeInteger(step) || step <= 0) return false;
    return step === also || (step >= begin && step < until && (step - begin) % every === 0);
  };
}
