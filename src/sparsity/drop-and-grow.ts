import { type Rng, requireFraction, ShapeError, sameShape, type Tensor } from "../core/index.js";
import { dropLeast } from "./drop.js";
import { indicesOf, minus } from "./masks.js";
import type { Dropper, Grower, Mask } from "./types.js";

/** One topology update of one tensor. */
export interface DropAndGrow {
  readonly mask: Mask;
  /** The weight: active values decide what is dropped. */
  readonly weight: Tensor;
  /** Drop fraction, in [0, 1]: share of active weights replaced. */
  readonly fraction: number;
  readonly grow: Grower;
  /** Default `dropLeast`. */
  readonly drop?: Dropper;
  /** Dense gradient, for growers that need one. */
  readonly gradient?: Tensor | undefined;
  readonly rng: Rng;
  /** Whether weights dropped now may be grown back at once (they then keep their value). Default false. */
  readonly regrow?: boolean;
}

/** The new mask, and the positions that became active (new minus old). */
export interface DroppedAndGrown {
  readonly mask: Mask;
  readonly born: Mask;
}

/**
 * Deactivates a fraction of the active weights and activates as many pruned ones: the count never changes.
 * Without `regrow` the fraction is capped so that there are enough pruned positions.
 *
 * @throws ShapeError when mask, weight and gradient differ in shape
 * @throws InputError when an active weight is NaN
 * @throws OptionError when the fraction is outside [0, 1]
 */
export function dropAndGrow(options: DropAndGrow): DroppedAndGrown {
  const { mask, weight, fraction, grow, drop = dropLeast, gradient, rng, regrow = false } = options;
  requireFraction("dropAndGrow.fraction", fraction);
  const shapes = { mask: mask.shape, weight: weight.shape, gradient: gradient?.shape ?? mask.shape };
  if (!sameShape(mask.shape, weight.shape) || !sameShape(mask.shape, shapes.gradient))
    throw new ShapeError("dropAndGrow", shapes, "one shape");

  const live = indicesOf(mask);
  const dead = mask.data.length - live.length;
  const share = regrow || live.length === 0 ? fraction : Math.min(fraction, dead / live.length);
  const values = new Float32Array(live.length);
  for (let i = 0; i < values.length; i++) values[i] = weight.data[live[i]!]!;
  const dropped = drop(values, share).map((i) => live[i]!);

  const data = mask.data.slice();
  const candidatesOf = regrow ? data : mask.data;
  for (const i of dropped) data[i] = 0;
  const candidates = indicesOf({ shape: mask.shape, data: candidatesOf }, 0);
  for (const i of grow({ candidates, count: dropped.length, gradient: gradient?.data, rng })) data[i] = 1;
  const next = { shape: mask.shape, data };
  return { mask: next, born: minus(next, mask) };
}
