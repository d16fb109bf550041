/**
 * Scaling a degree distribution to fewer nodes.
 *
 * A histogram is seen by its levels N(>= d): nodes of degree at least d. Scaled by the ratio p, every level goes to the floor or
 * the ceiling of p N(>= d), so that no cumulative count moves by as much as one node, and the levels' sum (the stubs, the number
 * of arcs) meets a wanted total by error diffusion from the highest degree down. Hence, with n' = round(p n),
 *
 *     KS(sample, original) <= 1.5 / n'
 *
 * whenever the wanted total lies inside the `slack` and no degree had to be capped; in general (max(1, deviation) + 0.5) / n'.
 */
import type { DegreeHistogram } from "./degree-matrix.js";

/** The scaled, still real-valued levels of a histogram, with the highest degrees cut to a cap. */
export interface ScaledLevels {
  /** Degrees of at least 1 where the levels step, ascending. */
  readonly degrees: readonly number[];
  /** p N(>= degree), descending. */
  readonly wanted: readonly number[];
  /** Least and greatest integer each level may take. */
  readonly low: readonly number[];
  readonly high: readonly number[];
  /** Stubs when every level is lowest, greatest, and as wanted. */
  readonly slack: { readonly low: number; readonly high: number; readonly wanted: number };
  /** Stubs that the cap took away, before scaling. */
  readonly capped: number;
  /** Nodes of a degree above the cap, scaled: p N(> cap). */
  readonly aboveCap: number;
  readonly cap: number;
  readonly nodes: number;
}

/**
 * @param ratio p in (0, 1]
 * @param nodes nodes of the sample, n'
 * @param cap   the highest degree a node of the sample can have
 */
export function scaleLevels({ degrees, counts }: DegreeHistogram, ratio: number, nodes: number, cap: number): ScaledLevels {
  const steps: number[] = [];
  const wanted: number[] = [];
  let above = 0;
  let capped = 0;
  let aboveCap = 0;
  for (let i = degrees.length - 1; i >= 0 && degrees[i]! > 0; i--) {
    above += counts[i]!;
    const degree = Math.min(degrees[i]!, cap);
    if (degree < degrees[i]!) aboveCap = above * ratio;
    capped += counts[i]! * (degrees[i]! - degree);
    if (degree === 0) continue;
    if (steps.at(-1) === degree) wanted[wanted.length - 1] = above * ratio;
    else {
      steps.push(degree);
      wanted.push(above * ratio);
    }
  }
  steps.reverse();
  wanted.reverse();
  const low = wanted.map((x) => Math.min(nodes, isWhole(x) ? Math.round(x) : Math.floor(x)));
  const high = wanted.map((x) => Math.min(nodes, isWhole(x) ? Math.round(x) : Math.ceil(x)));
  const sum = (levels: readonly number[]) => levels.reduce((total, level, i) => total + level * gap(steps, i), 0);
  return {
    degrees: steps,
    wanted,
    low,
    high,
    slack: { low: sum(low), high: sum(high), wanted: sum(wanted) },
    capped,
    aboveCap,
    cap,
    nodes,
  };
}

function isWhole(x: number): boolean {
  return Math.abs(x - Math.round(x)) <= 1e-9 * Math.max(1, x);
}

function gap(degrees: readonly number[], i: number): number {
  return degrees[i]! - (i === 0 ? 0 : degrees[i - 1]!);
}

/** A whole-numbered histogram with an exact number of stubs. */
export interface RoundedHistogram {
  readonly histogram: DegreeHistogram;
  /** Greatest |level - wanted level| over all degrees: below 1 unless the wanted total or the cap forced more. */
  readonly deviation: number;
}

/**
 * Rounds the levels so that their sum is `stubs` exactly.
 * @param stubs an integer in [0, nodes * cap]
 */
export function roundLevels(levels: ScaledLevels, stubs: number): RoundedHistogram {
  const { degrees, low, high, nodes, cap } = levels;
  const aim = shiftedLevels(levels, stubs);
  const chosen = new Array<number>(degrees.length);
  let error = 0;
  for (let i = degrees.length - 1; i >= 0; i--) {
    const width = gap(degrees, i);
    const floor = Math.max(low[i]!, Math.floor(aim[i]!), chosen[i + 1] ?? 0);
    const ceil = Math.max(Math.min(high[i]!, Math.ceil(aim[i]!)), floor);
    const ifFloor = error + (floor - aim[i]!) * width;
    const ifCeil = error + (ceil - aim[i]!) * width;
    const up = Math.abs(ifCeil) < Math.abs(ifFloor);
    chosen[i] = up ? ceil : floor;
    error = up ? ifCeil : ifFloor;
  }
  // One level per degree, so that single stubs can be moved. Index 0 holds all nodes.
  const unit = new Float64Array(cap + 2);
  const wanted = new Float64Array(cap + 2);
  unit[0] = nodes;
  wanted[0] = nodes;
  const step = new Uint8Array(cap + 2);
  step[0] = 1;
  for (let i = 0; i < degrees.length; i++) {
    const from = degrees[i]! - gap(degrees, i) + 1;
    unit.fill(chosen[i]!, from, degrees[i]! + 1);
    wanted.fill(levels.wanted[i]!, from, degrees[i]! + 1);
    step[degrees[i]!] = 1;
  }
  let have = 0;
  for (let d = 1; d <= cap; d++) have += unit[d]!;
  settleStubs(unit, wanted, step, stubs - have);
  let deviation = levels.aboveCap;
  const found: number[] = [];
  const counts: number[] = [];
  for (let d = 0; d <= cap; d++) {
    deviation = Math.max(deviation, d === 0 ? 0 : Math.abs(unit[d]! - wanted[d]!));
    const count = unit[d]! - unit[d + 1]!;
    if (count > 0) {
      found.push(d);
      counts.push(count);
    }
  }
  return { histogram: { degrees: Uint32Array.from(found), counts: Float64Array.from(counts) }, deviation };
}

/** Levels moved by one common amount, inside their floors and ceilings, so that their sum is as near `stubs` as those allow. */
function shiftedLevels({ degrees, wanted, low, high, slack }: ScaledLevels, stubs: number): number[] {
  if (stubs <= slack.low) return [...low];
  if (stubs >= slack.high) return [...high];
  const at = (shift: number) =>
    wanted.map((x, i) => (low[i] === high[i] ? low[i]! : Math.min(high[i]!, Math.max(low[i]!, x + shift))));
  let below = -1;
  let above = 1;
  for (let round = 0; round < 60; round++) {
    const middle = (below + above) / 2;
    const sum = at(middle).reduce((total, level, i) => total + level * gap(degrees, i), 0);
    if (sum < stubs) below = middle;
    else above = middle;
  }
  return at((below + above) / 2);
}

/**
 * Moves `missing` stubs (negative: removes them), one node one degree at a time: first between degrees that both occur, then
 * anywhere inside the floors and ceilings, then, as little as possible, beyond them.
 */
function settleStubs(unit: Float64Array, wanted: Float64Array, step: Uint8Array, missing: number): void {
  const cap = unit.length - 2;
  const sign = Math.sign(missing);
  let left = Math.abs(missing);
  const furthest = unit[0]! + wanted.reduce((most, x) => Math.max(most, x), 0) + 2;
  const canMove = (d: number) => (sign > 0 ? unit[d]! < unit[d - 1]! : unit[d]! > unit[d + 1]!);
  for (let reach = 1; left > 0; reach++) {
    for (const strict of [true, false]) {
      for (let moved = true; moved && left > 0; ) {
        moved = false;
        for (let d = 1; d <= cap && left > 0; d++) {
          if (strict && !(step[d] === 1 && step[d - 1] === 1)) continue;
          if (!canMove(d) || Math.abs(unit[d]! + sign - wanted[d]!) >= reach) continue;
          unit[d]! += sign;
          left--;
          moved = true;
        }
      }
    }
    if (reach > furthest) throw new RangeError(`settleStubs: ${left} stubs do not fit ${unit[0]} nodes of degree at most ${cap}`);
  }
}
