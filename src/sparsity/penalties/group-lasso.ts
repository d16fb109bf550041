import { requireInteger, requireNumber, ShapeError, sizeOf, type Tensor } from "../../core/index.js";
import type { Penalty } from "../types.js";

/**
 * Group lasso over channels: lambda sum_c sqrt(n_c) ||w_c||, n_c weights per channel. Its prox zeroes whole channels:
 * w_c max(0, 1 - step lambda sqrt(n_c) / ||w_c||).
 *
 * @param lambda strength, at least 0
 * @param axis   0 = output channels, 1 = input channels
 *
 * Yuan & Lin 2006, J. R. Stat. Soc. B 68(1), eq. 2.2; Wen et al. 2016, arXiv:1608.03665.
 */
export function groupLasso(lambda: number, axis: 0 | 1 = 0): Penalty {
  requireNumber("groupLasso.lambda", lambda, 0);
  requireInteger("groupLasso.axis", axis, 0, 1);
  const channelsOf = ({ shape, data }: Tensor) => {
    const channels = shape[axis];
    if (channels === undefined) throw new ShapeError("groupLasso", { weight: shape }, `a tensor with axis ${axis}`);
    const inner = sizeOf(shape.slice(axis + 1));
    const at = (i: number) => Math.floor(i / inner) % channels;
    const norms = new Float64Array(channels);
    for (let i = 0; i < data.length; i++) norms[at(i)]! += data[i]! * data[i]!;
    return { at, norms: norms.map(Math.sqrt), strength: lambda * Math.sqrt(data.length / channels) };
  };
  return {
    value(weight) {
      const { norms, strength } = channelsOf(weight);
      return strength * norms.reduce((a, b) => a + b, 0);
    },
    gradient(weight) {
      const { at, norms, strength } = channelsOf(weight);
      return weight.data.map((w, i) => (norms[at(i)] === 0 ? 0 : (strength * w) / norms[at(i)]!));
    },
    prox(weight, step) {
      const { at, norms, strength } = channelsOf(weight);
      return weight.data.map((w, i) => (norms[at(i)] === 0 ? 0 : w * Math.max(0, 1 - (step * strength) / norms[at(i)]!)));
    },
  };
}
