/** Learning-rate schedules: total functions of the step, which counts from 0. */
import { InputError, requireInteger, requireNumber } from "../core/index.js";

/** Learning rate by step; defined for every step, before the start and after the end too. */
export type RateSchedule = (step: number) => number;

/** The same rate at every step. */
export const constantRate = (rate: number): RateSchedule => {
  requireNumber("constantRate.rate", rate, 0);
  return () => rate;
};

/**
 * rate * factor^(number of milestones reached).
 * @param milestones steps from which one more factor applies, ascending
 * @throws InputError when milestones descend
 */
export function stepRate(
  rate: number,
  { milestones, factor = 0.1 }: { milestones: readonly number[]; factor?: number },
): RateSchedule {
  requireNumber("stepRate.rate", rate, 0);
  requireNumber("stepRate.factor", factor, 0);
  if (milestones.some((m, i) => i > 0 && m < milestones[i - 1]!))
    throw new InputError(`stepRate.milestones: expected ascending steps, got [${milestones.join(", ")}]`);
  return (step) => rate * factor ** milestones.filter((m) => step >= m).length;
}

/**
 * Half a cosine from `rate` at step 0 to `final` at step `steps`, then `final`.
 * @throws OptionError outside a range
 *
 * Loshchilov and Hutter 2017, eq. 5, without restarts.
 */
export function cosineRate(rate: number, { steps, final = 0 }: { steps: number; final?: number }): RateSchedule {
  requireNumber("cosineRate.rate", rate, 0);
  requireInteger("cosineRate.steps", steps, 1);
  requireNumber("cosineRate.final", final, 0);
  return (step) => {
    if (step <= 0) return rate;
    if (step >= steps) return final;
    return final + ((rate - final) * (1 + Math.cos((Math.PI * step) / steps))) / 2;
  };
}

/**
 * A linear rise over `steps` steps before another schedule: step s < steps has after(0) * (s + 1) / steps; step `steps` is
 * the other schedule's step 0.
 */
export function warmUp(steps: number, after: RateSchedule): RateSchedule {
  requireInteger("warmUp.steps", steps, 0);
  return (step) => (step < steps ? (after(0) * (Math.max(step, 0) + 1)) / steps : after(step - steps));
}

/**
 * One cycle: a cosine rise from rate / divide to rate over the first `rise` share of the steps, then a cosine fall to
 * rate / divide / finalDivide at the last step.
 * @throws OptionError outside a range
 *
 * Smith and Topin 2018; PyTorch's defaults and two-phase form.
 */
export function oneCycle(
  rate: number,
  { steps, rise = 0.3, divide = 25, finalDivide = 1e4 }: { steps: number; rise?: number; divide?: number; finalDivide?: number },
): RateSchedule {
  requireNumber("oneCycle.rate", rate, 0);
  requireInteger("oneCycle.steps", steps, 2);
  requireNumber("oneCycle.rise", rise, 0, 1);
  requireNumber("oneCycle.divide", divide, 1);
  requireNumber("oneCycle.finalDivide", finalDivide, 1);
  const peak = rise * steps - 1;
  const last = steps - 1;
  const [low, end] = [rate / divide, rate / divide / finalDivide];
  const between = (from: number, to: number, share: number) => to + ((from - to) * (1 + Math.cos(Math.PI * share))) / 2;
  return (step) => {
    const at = Math.min(Math.max(step, 0), last);
    if (at < peak) return between(low, rate, at / peak);
    return last === peak ? rate : between(rate, end, (at - Math.max(peak, 0)) / (last - Math.max(peak, 0)));
  };
}
