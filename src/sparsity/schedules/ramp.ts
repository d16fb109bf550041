import { OptionError, requireInteger, requireNumber } from "../../core/index.js";
import type { Schedule } from "../types.js";

/** A value that moves from `from` at step `begin` to `to` at step `end`, and is constant outside. */
export interface Ramp {
  readonly from: number;
  readonly to: number;
  /** First step, at least 0. Default 0. */
  readonly begin?: number;
  /** Last step, after `begin`. */
  readonly end: number;
}

/**
 * Total schedule from a shape: exact at both ends, constant outside.
 *
 * @param name  for messages
 * @param curve value between the ends, of the share x in (0, 1) of the way
 * @throws OptionError when `end` is not after `begin` or an end value is not finite
 */
export function ramp(name: string, { from, to, begin = 0, end }: Ramp, curve: (x: number) => number): Schedule {
  requireNumber(`${name}.from`, from);
  requireNumber(`${name}.to`, to);
  requireInteger(`${name}.begin`, begin);
  requireInteger(`${name}.end`, end);
  if (end <= begin) throw new OptionError(`${name}.end`, `a step after begin (${begin})`, end);
  return (step) => (step >= end ? to : step > begin ? curve((step - begin) / (end - begin)) : from);
}
