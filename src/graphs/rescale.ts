/**
 * Linear rescaling: the degree matrices of a graph times a ratio p, as whole numbers that a simple directed graph can have.
 *
 * "Constructing and Sampling Directed Graphs with Linearly Rescaled Degree Matrices", 2025, arXiv:2507.23025. The rounding is
 * ours (the paper's was not available): levels with error diffusion for the histograms (degree-levels.ts), transport and
 * dependent rounding for the matrices.
 */
import { InputError, OptionError, type Rng } from "../core/index.js";
import { controlledRounding } from "./controlled-rounding.js";
import { roundLevels, type ScaledLevels, scaleLevels } from "./degree-levels.js";
import { type DegreeHistogram, type DegreeMatrix, degreeMatrix, marginal } from "./degree-matrix.js";
import { addTo, fillResidual, type IntegerMatrix, integerMatrix } from "./residual-fill.js";
import { transportMargins } from "./transport.js";

/** How one matrix was rescaled. */
export interface RescaleStep {
  /** Entries rounded up or down. */
  readonly rounded: number;
  /** Mass that changed row, and column, to meet the whole-numbered histograms. */
  readonly movedRows: number;
  readonly movedCols: number;
  /** Sum of the changes of cells made afterwards to respect capacities and exact sums. */
  readonly repaired: number;
  /** Proven bound on the total variation from the original distribution: ((rounded + repaired) / 2 + movedRows + movedCols) / total. */
  readonly bound: number;
}

/** Rescaled matrices with an account of everything that rounding and repair changed. */
export interface Rescaled {
  readonly nodes: number;
  readonly arcs: number;
  readonly correlation: DegreeMatrix;
  readonly joint: DegreeMatrix;
  /** The highest degrees allowed: below n' - 1 only where repair lowered them. */
  readonly capOut: number;
  readonly capIn: number;
  /** Stubs above the cap in the original, out and in. */
  readonly cappedOut: number;
  readonly cappedIn: number;
  /** Greatest change of a cumulative count, in nodes: the Kolmogorov-Smirnov distance is at most (max(1, it) + 0.5) / n'. */
  readonly levelDeviationOut: number;
  readonly levelDeviationIn: number;
  readonly correlationStep: RescaleStep;
  readonly jointStep: RescaleStep;
  /** What was infeasible as asked, in words; empty when nothing was. */
  readonly repairs: readonly string[];
}

/**
 * @param correlation C of the original
 * @param joint       J of the original
 * @param ratio       p in (0, 1]
 * @throws OptionError when the ratio is outside (0, 1]
 * @throws InputError  when the two matrices do not belong to one graph
 */
export function rescaleDegreeMatrices(correlation: DegreeMatrix, joint: DegreeMatrix, ratio: number, rng: Rng): Rescaled {
  if (!(ratio > 0 && ratio <= 1)) throw new OptionError("rescale.ratio", "a ratio in (0, 1]", ratio);
  const inNodes = marginal(correlation, "rows");
  const outNodes = marginal(correlation, "cols");
  requireConsistent(inNodes, marginal(joint, "cols"), "in-degree");
  requireConsistent(outNodes, marginal(joint, "rows"), "out-degree");
  const nodes = Math.round(ratio * correlation.total);
  let caps: Caps = { into: Math.max(0, nodes - 1), out: Math.max(0, nodes - 1) };
  for (let round = 0; ; round++) {
    const sides = { inNodes, outNodes, ratio, nodes, caps };
    const done = attempt(correlation, joint, sides, rng.split(round));
    if ("nodes" in done) {
      if (round === 0) return done;
      const note = `no simple graph has degrees that high: lowered the caps from ${nodes - 1} to ${caps.out} out, ${caps.into} in (${round} rounds)`;
      return { ...done, repairs: [note, ...done.repairs] };
    }
    // Trim the highest degrees by about the stubs that found no place; harder when that takes long.
    const stubs = (done.unmet / 2) * 2 ** Math.max(0, round - 12);
    caps = { into: trimmed(done.inSide, stubs), out: trimmed(done.outSide, stubs) };
  }
}

/** Highest degrees allowed. */
interface Caps {
  readonly into: number;
  readonly out: number;
}

interface Sides {
  readonly inNodes: DegreeHistogram;
  readonly outNodes: DegreeHistogram;
  readonly ratio: number;
  readonly nodes: number;
  readonly caps: Caps;
}

/** The greatest cap that takes at least `stubs` (and at least one degree of the highest node) off a histogram. */
function trimmed({ degrees, counts }: DegreeHistogram, stubs: number): number {
  let cap = Math.max(0, (degrees.at(-1) ?? 0) - 1);
  const taken = () => degrees.reduce((sum, d, i) => sum + Math.max(0, d - cap) * counts[i]!, 0);
  while (cap > 0 && taken() < stubs) cap--;
  return cap;
}

/** Rescaled matrices, or the degrees that no simple graph can have with the stubs left over. */
type Attempt = Rescaled | { readonly unmet: number; readonly inSide: DegreeHistogram; readonly outSide: DegreeHistogram };

function attempt(correlation: DegreeMatrix, joint: DegreeMatrix, sides: Sides, rng: Rng): Attempt {
  const { inNodes, outNodes, ratio, nodes, caps } = sides;
  const repairs: string[] = [];
  const inLevels = scaleLevels(inNodes, ratio, nodes, caps.into);
  const outLevels = scaleLevels(outNodes, ratio, nodes, caps.out);
  const arcs = chooseArcs(inLevels, outLevels, Math.round(ratio * joint.total), nodes * Math.min(caps.into, caps.out), repairs);
  const inSide = roundLevels(inLevels, arcs);
  const outSide = roundLevels(outLevels, arcs);

  const newCorrelation = rescaleOne(
    correlation,
    { rows: inNodes, cols: outNodes },
    { rows: inSide.histogram, cols: outSide.histogram },
    () => Number.POSITIVE_INFINITY,
    rng.split("correlation"),
  );
  if (newCorrelation.unmet > 0)
    throw new Error(`rescale: ${newCorrelation.unmet} nodes have no pair of degrees; histograms disagree`);
  const both = cellLookup(newCorrelation.matrix, inSide.histogram.degrees, outSide.histogram.degrees);
  const outStubs = stubs(outSide.histogram);
  const inStubs = stubs(inSide.histogram);
  const outCount = lookup(outSide.histogram);
  const inCount = lookup(inSide.histogram);
  const newJoint = rescaleOne(
    joint,
    { rows: stubs(outNodes), cols: stubs(inNodes) },
    { rows: outStubs, cols: inStubs },
    (row, col) => {
      const k = outStubs.degrees[row]!;
      const l = inStubs.degrees[col]!;
      return outCount.get(k)! * inCount.get(l)! - both(l, k);
    },
    rng.split("joint"),
  );
  if (newJoint.unmet > 0) return { unmet: newJoint.unmet, inSide: inSide.histogram, outSide: outSide.histogram };
  return {
    nodes,
    arcs,
    correlation: toDegreeMatrix(newCorrelation.matrix, inSide.histogram.degrees, outSide.histogram.degrees),
    joint: toDegreeMatrix(newJoint.matrix, outStubs.degrees, inStubs.degrees),
    capOut: caps.out,
    capIn: caps.into,
    cappedOut: outLevels.capped,
    cappedIn: inLevels.capped,
    levelDeviationOut: outSide.deviation,
    levelDeviationIn: inSide.deviation,
    correlationStep: newCorrelation.step,
    jointStep: newJoint.step,
    repairs,
  };
}

/** The number of arcs nearest `wanted` that both sides can meet within their slack; between the two where none can. */
function chooseArcs(inSide: ScaledLevels, outSide: ScaledLevels, wanted: number, most: number, repairs: string[]): number {
  let low = Math.max(inSide.slack.low, outSide.slack.low);
  let high = Math.min(inSide.slack.high, outSide.slack.high);
  if (low > high) {
    repairs.push(
      `in-degrees scale to ${inSide.slack.low}..${inSide.slack.high} stubs and out-degrees to ${outSide.slack.low}..${outSide.slack.high}: ` +
        "cumulative counts of one side move by a node or more",
    );
    [low, high] = [high, low];
  }
  const arcs = Math.min(most, Math.max(low, Math.min(high, wanted)));
  if (arcs !== wanted)
    repairs.push(`${arcs} arcs instead of ${wanted}: degrees are capped at ${outSide.cap} out, ${inSide.cap} in`);
  return arcs;
}

function rescaleOne(
  matrix: DegreeMatrix,
  source: { readonly rows: DegreeHistogram; readonly cols: DegreeHistogram },
  targets: { readonly rows: DegreeHistogram; readonly cols: DegreeHistogram },
  capacity: (row: number, col: number) => number,
  rng: Rng,
): { readonly matrix: IntegerMatrix; readonly step: RescaleStep; readonly unmet: number } {
  const moved = transportMargins(matrix, source, targets);
  const height = targets.rows.degrees.length;
  const width = targets.cols.degrees.length;
  const rounded = controlledRounding(moved, [height, width], rng);
  const result = integerMatrix(height, width);
  for (let i = 0; i < moved.values.length; i++)
    if (moved.values[i]! > 0) addTo(result, moved.rows[i]!, moved.cols[i]!, moved.values[i]!);
  const fill = fillResidual(result, targets.rows.counts, targets.cols.counts, capacity);
  const total = targets.rows.counts.reduce((sum, x) => sum + x, 0);
  const change = (rounded + fill.changed) / 2 + moved.movedRows + moved.movedCols;
  return {
    matrix: result,
    unmet: fill.unmet,
    step: {
      rounded,
      movedRows: moved.movedRows,
      movedCols: moved.movedCols,
      repaired: fill.changed,
      bound: total === 0 ? 0 : change / total,
    },
  };
}

/** Stubs per degree: degree times nodes; degree 0 has none and is left out. */
function stubs({ degrees, counts }: DegreeHistogram): DegreeHistogram {
  const first = degrees[0] === 0 ? 1 : 0;
  return { degrees: degrees.slice(first), counts: counts.slice(first).map((n, i) => n * degrees[i + first]!) };
}

function lookup({ degrees, counts }: DegreeHistogram): Map<number, number> {
  return new Map(Array.from(degrees, (d, i) => [d, counts[i]!]));
}

function cellLookup(
  { cells }: IntegerMatrix,
  rowDegrees: Uint32Array,
  colDegrees: Uint32Array,
): (row: number, col: number) => number {
  const rows = new Map(Array.from(rowDegrees, (d, i) => [d, i]));
  const cols = new Map(Array.from(colDegrees, (d, i) => [d, i]));
  return (row, col) => cells[rows.get(row)!]!.get(cols.get(col)!) ?? 0;
}

function toDegreeMatrix({ cells }: IntegerMatrix, rowDegrees: Uint32Array, colDegrees: Uint32Array): DegreeMatrix {
  const rows: number[] = [];
  const cols: number[] = [];
  const counts: number[] = [];
  cells.forEach((row, r) => {
    for (const [c, value] of row) {
      rows.push(rowDegrees[r]!);
      cols.push(colDegrees[c]!);
      counts.push(value);
    }
  });
  return degreeMatrix(rows, cols, counts);
}

function requireConsistent(nodes: DegreeHistogram, arcs: DegreeHistogram, what: string): void {
  const wanted = stubs(nodes);
  const came = lookup(arcs);
  const bad = wanted.degrees.findIndex((d, i) => came.get(d) !== wanted.counts[i]);
  if (bad >= 0 || wanted.degrees.length !== arcs.degrees.length) {
    const d = bad >= 0 ? wanted.degrees[bad] : "?";
    throw new InputError(
      `rescale: the matrices are not of one graph: nodes of ${what} ${d} have ${bad >= 0 ? wanted.counts[bad] : 0} stubs in the ` +
        `degree correlation matrix and ${bad >= 0 ? (came.get(wanted.degrees[bad]!) ?? 0) : "others"} in the joint degree matrix`,
    );
  }
}
