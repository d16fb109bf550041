import { requireInteger, requireNumber } from "../../core/index.js";
import type { Schedule } from "../types.js";

/**
 * All at once: `from` before step `at`, `to` from step `at` on.
 * @throws OptionError
 */
export function oneShot({ from = 0, to, at }: { readonly from?: number; readonly to: number; readonly at: number }): Schedule {
  requireNumber("oneShot.from", from);
  requireNumber("oneShot.to", to);
  requireInteger("oneShot.at", at);
  return (step) => (step >= at ? to : from);
}
