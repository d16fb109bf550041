/**
 * Sparsey's code selection: how novel an input is decides how random its code will be.
 *
 * Rinkus 2017, arXiv:1710.07829; 2014, "Sparsey: event recognition via deep hierarchical sparse distributed codes".
 */
import type { Rng } from "../../core/index.js";

/** Shape of the map from evidence to win probability. Names in brackets are the paper's. */
export interface SelectionOptions {
  /** Familiarity below which winners are uniform (G-): in [0, 1). Default 0.2. */
  readonly minFamiliarity?: number;
  /** Expansivity (chi): how far full familiarity raises the best cells above the floor, per cell of a module. Above 0. Default 100. */
  readonly expansivity?: number;
  /** Exponent on familiarity (gamma): above 0. Default 2. */
  readonly exponent?: number;
  /** Steepness of the sigmoid (lambda): above 0. Default 28. */
  readonly steepness?: number;
  /** Offset of the sigmoid (phi): its midpoint lies at phi / lambda. Default 14. */
  readonly offset?: number;
}

/** Defaults of `SelectionOptions`. */
export const selectionDefaults: Required<SelectionOptions> = {
  minFamiliarity: 0.2,
  expansivity: 100,
  exponent: 2,
  steepness: 28,
  offset: 14,
};

/**
 * Familiarity of an input: the mean over modules of the greatest evidence in the module.
 *
 *     G = (1 / Q) sum_q max_k V[q, k]
 *
 * @param evidence [modules * cells], in [0, 1]
 */
export function familiarity(evidence: Float32Array, modules: number, cells: number): number {
  let sum = 0;
  for (let q = 0; q < modules; q++) {
    let best = 0;
    for (let i = q * cells; i < (q + 1) * cells; i++) if (evidence[i]! > best) best = evidence[i]!;
    sum += best;
  }
  return sum / modules;
}

/**
 * Height of the sigmoid over its floor of 1, plus 1: eta = 1 + (max(0, G - G-) / (1 - G-))^gamma chi K.
 * 1 means that every cell is as likely as any other.
 */
export function expansivity(familiar: number, cells: number, options: Required<SelectionOptions>): number {
  const share = Math.max(0, familiar - options.minFamiliarity) / (1 - options.minFamiliarity);
  return 1 + Math.min(1, share) ** options.exponent * options.expansivity * cells;
}

/**
 * Win probabilities of all cells, module by module.
 *
 *     psi = (eta - 1) / (1 + exp(phi - lambda V)) + 1,   p = psi / (sum of psi in the module)
 *
 * @param out [modules * cells], becomes the probabilities: each module sums to 1
 */
export function winProbabilities(
  evidence: Float32Array,
  modules: number,
  cells: number,
  eta: number,
  { steepness, offset }: Required<SelectionOptions>,
  out: Float32Array,
): void {
  for (let q = 0; q < modules; q++) {
    const from = q * cells;
    let sum = 0;
    for (let i = from; i < from + cells; i++) {
      const psi = (eta - 1) / (1 + Math.exp(offset - steepness * evidence[i]!)) + 1;
      out[i] = psi;
      sum += psi;
    }
    for (let i = from; i < from + cells; i++) out[i]! /= sum;
  }
}

/** One winner per module, drawn from the probabilities. @param out [modules], becomes the winners' positions in their modules */
export function drawWinners(probabilities: Float32Array, modules: number, cells: number, rng: Rng, out: Int32Array): void {
  for (let q = 0; q < modules; q++) {
    let left = rng.uniform();
    let winner = cells - 1;
    for (let k = 0; k < cells - 1; k++) {
      left -= probabilities[q * cells + k]!;
      if (left < 0) {
        winner = k;
        break;
      }
    }
    out[q] = winner;
  }
}

/** One winner per module: the cell of most evidence; ties go to the lowest cell. */
export function bestWinners(evidence: Float32Array, modules: number, cells: number, out: Int32Array): void {
  for (let q = 0; q < modules; q++) {
    let winner = 0;
    for (let k = 1; k < cells; k++) if (evidence[q * cells + k]! > evidence[q * cells + winner]!) winner = k;
    out[q] = winner;
  }
}

/** Share of modules in which two codes agree, in [0, 1]. Two random codes agree in 1 / K of them. */
export function codeOverlap(a: Int32Array, b: Int32Array): number {
  let same = 0;
  for (let q = 0; q < a.length; q++) if (a[q] === b[q]) same++;
  return a.length === 0 ? 0 : same / a.length;
}
