/**
 * A mac (macrocolumn): Q winner-take-all modules of K cells. A code is one winner per module; storing an input takes one trial,
 * a time that does not depend on how many are stored.
 *
 * Rinkus 2017, arXiv:1710.07829.
 */
import { OptionError, type Rng, requireInteger, requireNumber } from "../../core/index.js";
import {
  bestWinners,
  drawWinners,
  expansivity,
  familiarity,
  type SelectionOptions,
  selectionDefaults,
  winProbabilities,
} from "./code-selection.js";
import { createSynapses, type Permanence } from "./synapses.js";

/** What `createMac` is told. Names in brackets are the paper's. */
export interface MacOptions extends SelectionOptions {
  /** Binary inputs that the mac sees, at least 1. */
  readonly inputs: number;
  /** Competitive modules, Q: at least 1. */
  readonly modules: number;
  /** Cells of a module, K: at least 1. */
  readonly cells: number;
  /** Least and greatest number of active inputs; the mac is silent outside. Default [1, inputs]. */
  readonly gate?: readonly [number, number];
  /** Mean weight above which a cell learns no more, in (0, 1]. Default 0.5; 1 never freezes. */
  readonly saturation?: number;
  /** Ageing of weights; none unless given. */
  readonly permanence?: Permanence;
  /** Weights from the mac's previous code, for sequences. Default false. */
  readonly temporal?: boolean;
  /** Exponents on bottom-up and on horizontal evidence (a, b): V = U^a H^b. Default [1, 1]. */
  readonly exponents?: readonly [number, number];
}

/** What a mac makes of an input. */
export interface MacResponse {
  /** Winner of each module, [modules]; undefined while the mac is silent. */
  readonly code: Int32Array | undefined;
  /** Familiarity G, in [0, 1]; 0 while silent. */
  readonly familiarity: number;
}

/** One macrocolumn with its weights. */
export interface Mac {
  readonly modules: number;
  readonly cells: number;
  readonly inputs: number;
  /**
   * Chooses a code for the active inputs and learns it: familiar inputs get their stored code, novel ones random winners.
   * @param previous the mac's code one step before, for sequences
   */
  store(active: ArrayLike<number>, rng: Rng, previous?: Int32Array): MacResponse;
  /** The code of most evidence, without learning. */
  recognise(active: ArrayLike<number>, previous?: Int32Array): MacResponse;
  /** The code that should follow `previous`, from horizontal weights alone. */
  predict(previous: Int32Array): MacResponse;
  /** Evidence of every input given a code: share of the code's cells that are connected to it, [inputs] in [0, 1]. */
  reconstruct(code: Int32Array): Float32Array;
  /** Cells that learn no more, and the mean of all bottom-up weights. */
  health(): { readonly frozen: number; readonly fullness: number };
}

/** @throws OptionError for an option outside its range */
export function createMac(options: MacOptions): Mac {
  const {
    inputs,
    modules,
    cells,
    gate = [1, options.inputs],
    saturation = 0.5,
    permanence,
    temporal = false,
    exponents = [1, 1],
  } = options;
  const selection = { ...selectionDefaults, ...definedOf(options) };
  requireInteger("mac.inputs", inputs, 1, 1 << 24);
  requireInteger("mac.modules", modules, 1, 1 << 16);
  requireInteger("mac.cells", cells, 1, 1 << 16);
  const [least, most] = gate;
  requireInteger("mac.gate[0]", least, 0, inputs);
  requireInteger("mac.gate[1]", most, least, inputs);
  requireNumber("mac.saturation", saturation, Number.MIN_VALUE, 1);
  requireNumber("mac.minFamiliarity", selection.minFamiliarity, 0, 1 - 1e-9);
  requireNumber("mac.expansivity", selection.expansivity, 0, 1e9);
  requireNumber("mac.exponent", selection.exponent, Number.MIN_VALUE, 100);
  requireNumber("mac.steepness", selection.steepness, Number.MIN_VALUE, 1e6);
  requireNumber("mac.offset", selection.offset, -1e6, 1e6);
  for (const e of exponents) requireNumber("mac.exponents", e, 0, 100);
  if (permanence) {
    requireInteger("mac.permanence.steps", permanence.steps, 1, 10_000_000);
    requireNumber("mac.permanence.convexity", permanence.convexity ?? 1, Number.MIN_VALUE, 1e12);
  }
  const size = modules * cells;
  if (inputs * size > 2 ** 31)
    throw new OptionError("mac.inputs", `at most ${Math.floor(2 ** 31 / size)} inputs for ${size} cells`, inputs);

  const upward = createSynapses(inputs, size, saturation, permanence);
  const across = temporal ? createSynapses(size, size, saturation, permanence) : undefined;
  const evidence = new Float32Array(size);
  const horizontal = new Float32Array(size);
  const probabilities = new Float32Array(size);
  let step = 0;

  const units = (code: Int32Array) => code.map((k, q) => q * cells + k);
  const requireActive = (active: ArrayLike<number>): void => {
    for (let a = 0; a < active.length; a++) {
      const j = active[a]!;
      if (!(j >= 0 && j < inputs)) throw new OptionError(`mac.active[${a}]`, `an input number in [0, ${inputs - 1}]`, j);
    }
  };
  const horizontalEvidence = (previous: Int32Array): void => {
    horizontal.fill(0);
    across!.gather(units(previous), horizontal, step);
    for (let i = 0; i < size; i++) horizontal[i]! /= modules;
  };
  /** Fills `evidence` with V; false while the gate is shut. */
  const weigh = (active: ArrayLike<number>, previous: Int32Array | undefined): boolean => {
    requireActive(active);
    const count = active.length;
    if (count < least || count > most) return false;
    evidence.fill(0);
    upward.gather(active, evidence, step);
    const [a, b] = exponents;
    if (count > 0) for (let i = 0; i < size; i++) evidence[i]! /= count;
    if (a !== 1) for (let i = 0; i < size; i++) evidence[i] = evidence[i]! ** a;
    if (across && previous) {
      horizontalEvidence(previous);
      for (let i = 0; i < size; i++) evidence[i]! *= b === 1 ? horizontal[i]! : horizontal[i]! ** b;
    }
    return true;
  };
  const silent: MacResponse = { code: undefined, familiarity: 0 };
  return {
    modules,
    cells,
    inputs,
    store(active, rng, previous) {
      step++;
      if (!weigh(active, previous)) return silent;
      const familiar = familiarity(evidence, modules, cells);
      const code = new Int32Array(modules);
      winProbabilities(evidence, modules, cells, expansivity(familiar, cells, selection), selection, probabilities);
      drawWinners(probabilities, modules, cells, rng, code);
      const winners = units(code);
      upward.connect(active, winners, step);
      if (across && previous) across.connect(units(previous), winners, step);
      return { code, familiarity: familiar };
    },
    recognise(active, previous) {
      if (!weigh(active, previous)) return silent;
      const code = new Int32Array(modules);
      bestWinners(evidence, modules, cells, code);
      return { code, familiarity: familiarity(evidence, modules, cells) };
    },
    predict(previous) {
      if (!across) throw new OptionError("mac.temporal", "true, for a mac that predicts", false);
      horizontalEvidence(previous);
      const code = new Int32Array(modules);
      bestWinners(horizontal, modules, cells, code);
      return { code, familiarity: familiarity(horizontal, modules, cells) };
    },
    reconstruct(code) {
      const out = new Float32Array(inputs);
      upward.scatter(units(code), out, step);
      for (let j = 0; j < inputs; j++) out[j]! /= modules;
      return out;
    },
    health: () => ({ frozen: upward.frozen(), fullness: upward.fullness() }),
  };
}

function definedOf(options: SelectionOptions): SelectionOptions {
  const keys = Object.keys(selectionDefaults) as (keyof SelectionOptions)[];
  return Object.fromEntries(keys.filter((key) => options[key] !== undefined).map((key) => [key, options[key]]));
}
