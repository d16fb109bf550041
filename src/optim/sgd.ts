/** Stochastic gradient descent with momentum. */
import { InputError, requireNumber, tensor } from "../core/index.js";
import { sgdStep, type Value } from "../program/index.js";
import { type Optimizer, requireRate, slotPath, slotSpecs } from "./optimizer.js";

/** Options of `sgd`. */
export interface SgdOptions {
  /** In [0, 1); default 0, which needs no slot. */
  readonly momentum?: number;
  /** L2 penalty added to the gradient, at least 0; default 0. */
  readonly decay?: number;
  /** Default false; needs momentum. */
  readonly nesterov?: boolean;
  /** Which paths decay; default all. */
  readonly decays?: (path: string) => boolean;
}

/**
 *     g' = g + decay w;  m' = momentum m + g';  w' = w - lr (nesterov ? g' + momentum m' : m')
 *
 * PyTorch's form: the learning rate multiplies the momentum when it is used, not when it is stored.
 * Slot: `momentum`.
 * @throws OptionError outside a range
 *
 * Sutskever et al. 2013.
 */
export function sgd({ momentum = 0, decay = 0, nesterov = false, decays = () => true }: SgdOptions = {}): Optimizer {
  requireNumber("sgd.momentum", momentum, 0, 1);
  requireNumber("sgd.decay", decay, 0);
  if (nesterov && momentum === 0) throw new InputError("sgd.nesterov: expected a momentum above 0 with nesterov, got 0");
  return {
    name: "sgd",
    slots: (params) => slotSpecs(params, momentum === 0 ? [] : ["momentum"]),
    inputs: { lr: { shape: [] } },
    feed: (_, lr) => ({ lr: tensor([], [requireRate("sgd", lr)]) }),
    update({ params, grads, slots, inputs }) {
      const out: Record<string, Value> = {};
      for (const [path, w] of Object.entries(params)) {
        const slot = slotPath(path, "momentum");
        const m = momentum === 0 ? undefined : slots[slot];
        const next = sgdStep({ w, g: grads[path]!, m, lr: inputs["lr"]! }, { momentum, decay: decays(path) ? decay : 0, nesterov });
        out[path] = next.w;
        if (next.m) out[slot] = next.m;
      }
      return out;
    },
  };
}
