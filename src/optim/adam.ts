/** Adam and AdamW. */
import { requireNumber, tensor } from "../core/index.js";
import { adamStep, type Value } from "../program/index.js";
import { type Optimizer, requireRate, slotPath, slotSpecs } from "./optimizer.js";

/** Options of `adam` and `adamW`. */
export interface AdamOptions {
  /** Decay of the first moment, in [0, 1); default 0.9. */
  readonly beta1?: number;
  /** Decay of the second moment, in [0, 1); default 0.999. */
  readonly beta2?: number;
  /** Default 1e-8. */
  readonly eps?: number;
  /** At least 0; default 0 for adam (added to the gradient), 0.01 for adamW (shrinks the weight by lr * decay). */
  readonly decay?: number;
  /** Which paths decay; default all. */
  readonly decays?: (path: string) => boolean;
}

function moments(
  name: string,
  decoupled: boolean,
  { beta1 = 0.9, beta2 = 0.999, eps = 1e-8, decay = 0, decays = () => true }: AdamOptions,
): Optimizer {
  const below1 = 1 - Number.EPSILON;
  requireNumber(`${name}.beta1`, beta1, 0, below1);
  requireNumber(`${name}.beta2`, beta2, 0, below1);
  requireNumber(`${name}.eps`, eps, 0);
  requireNumber(`${name}.decay`, decay, 0);
  return {
    name,
    slots: (params) => slotSpecs(params, ["m", "v"]),
    inputs: { lr: { shape: [] }, corrections: { shape: [2] } },
    feed: (step, lr) => ({
      lr: tensor([], [requireRate(name, lr)]),
      corrections: tensor([2], [1 - beta1 ** (step + 1), 1 - beta2 ** (step + 1)]),
    }),
    update({ params, grads, slots, inputs }) {
      const out: Record<string, Value> = {};
      for (const [path, w] of Object.entries(params)) {
        const [first, second] = [slotPath(path, "m"), slotPath(path, "v")];
        const operands = {
          w,
          g: grads[path]!,
          m: slots[first]!,
          v: slots[second]!,
          lr: inputs["lr"]!,
          corrections: inputs["corrections"]!,
        };
        const next = adamStep(operands, { beta1, beta2, eps, decay: decays(path) ? decay : 0, decoupled });
        out[path] = next.w;
        out[first] = next.m;
        out[second] = next.v;
      }
      return out;
    },
  };
}

/**
 *     m' = beta1 m + (1 - beta1) g';  v' = beta2 v + (1 - beta2) g'^2,  g' = g + decay w
 *     w' = w - lr m^ / (sqrt(v^) + eps),  m^ = m' / (1 - beta1^t), v^ = v' / (1 - beta2^t)
 *
 * Slots: `m`, `v`. The step count is the run's: a slot cleared midway starts from zero without a new bias correction.
 * @throws OptionError outside a range
 *
 * Kingma and Ba 2015, algorithm 1.
 */
export const adam = (options: AdamOptions = {}): Optimizer => moments("adam", false, options);

/**
 * Adam with decay apart from the gradient: w shrinks by lr * decay before the step.
 * @throws OptionError outside a range
 *
 * Loshchilov and Hutter 2019, algorithm 2 (with the learning rate on the decay, as PyTorch).
 */
export const adamW = ({ decay = 0.01, ...options }: AdamOptions = {}): Optimizer => moments("adamW", true, { decay, ...options });
