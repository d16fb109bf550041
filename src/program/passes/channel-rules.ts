/**
 * How each operation carries channels: which positions of its operands and results belong together, and which cannot be removed.
 * A rule holds for cutting when a masked network (all params of the removed positions zero) computes what the cut one computes.
 */
import { sizeOf } from "../../core/index.js";
import type { ConvAttrs } from "../ops/conv2d.js";
import { unaryOps } from "../ops/unary.js";
import type { Operation } from "../types.js";
import type { ChannelLinks } from "./channel-links.js";

type Rule = (links: ChannelLinks, operation: Operation) => void;

/** Same axes, same positions: operands broadcast against the result. */
const elementwise: Rule = (links, { op, inputs, outputs: [y] }) => {
  for (const x of inputs) {
    const lead = links.rank(y!) - links.rank(x);
    for (let axis = 0; axis < links.rank(x); axis++) {
      if (links.size(x, axis) === links.size(y!, lead + axis))
        links.tie(`${op} works position by position`, [x, axis], [y!, lead + axis]);
    }
  }
};

/** One operand whose listed axes are mixed, the others pass through. */
const passing =
  (mixed: (operation: Operation, links: ChannelLinks) => readonly number[], why: (op: string) => string): Rule =>
  (links, operation) => {
    const [x, y] = [operation.inputs[0]!, operation.outputs[0]!];
    const held = mixed(operation, links);
    for (let axis = 0; axis < links.rank(x); axis++) {
      if (!held.includes(axis)) links.tie(`${operation.op} keeps this axis`, [x, axis], [y, axis]);
      else {
        links.hold(why(operation.op), x, axis);
        links.hold(why(operation.op), y, axis);
      }
    }
  };

const conv2d: Rule = (links, { inputs: [x, w], outputs: [y], attrs }) => {
  const { groups } = attrs as unknown as ConvAttrs;
  const sliding = "a convolution's kernel slides over rows and columns";
  links.tie("conv2d keeps the batch", [x!, 0], [y!, 0]);
  for (const value of [x!, w!, y!]) for (const axis of [2, 3]) links.hold(sliding, value, axis);
  links.tie("conv2d makes one output channel per filter", [w!, 0], [y!, 1]);
  const [channels, filters, perGroup] = [links.size(x!, 1), links.size(w!, 0), links.size(w!, 1)];
  if (groups === 1) {
    links.tie("conv2d reads its input channels by column of the weight", [w!, 1], [x!, 1]);
  } else if (perGroup === 1) {
    const multiplier = filters / channels;
    links.tie("a depthwise filter reads its own channel", [w!, 0], [x!, 1], (f) => Math.floor(f / multiplier));
  } else {
    const why = `the ${groups} groups of a convolution must stay equally wide`;
    links.tie(why, [x!, 1], [w!, 1], (c) => c % perGroup);
    const own = filters / groups;
    links.tie(why, [w!, 0], [w!, 0], (f) => f % own);
  }
};

/** A transposed convolution: what a convolution reads and writes, the other way round. */
const conv2dInputGrad: Rule = (links, operation) => {
  const {
    inputs: [x, w],
    outputs: [y],
    attrs,
  } = operation;
  if (attrs["groups"] !== 1) {
    for (const value of [x!, w!, y!]) links.holdAll("a grouped transposed convolution has no rule for cutting", value);
    return;
  }
  links.tie("a transposed convolution keeps the batch", [x!, 0], [y!, 0]);
  for (const value of [x!, w!, y!])
    for (const axis of [2, 3]) links.hold("a convolution's kernel slides over rows and columns", value, axis);
  links.tie("a transposed convolution reads by row of the weight", [w!, 0], [x!, 1]);
  links.tie("a transposed convolution writes by column of the weight", [w!, 1], [y!, 1]);
};

/** Whether a value is a param, perhaps moved about: zeroing the param zeroes the position. */
function isWeight(links: ChannelLinks, value: number): boolean {
  const { params, operations } = links.program;
  let at = value;
  for (;;) {
    if (Object.values(params).some((p) => p.value === at)) return true;
    const maker = operations.find(({ outputs }) => outputs.includes(at));
    if (!maker || (maker.op !== "reshape" && maker.op !== "transpose")) return false;
    at = maker.inputs[0]!;
  }
}

const matmul: Rule = (links, { inputs: [a, b], outputs: [y], attrs }) => {
  const rank = links.rank(y!);
  for (let axis = 0; axis < rank - 2; axis++) {
    links.tie("matmul multiplies matrix by matrix", [a!, axis], [y!, axis]);
    links.tie("matmul multiplies matrix by matrix", [b!, axis], [y!, axis]);
  }
  const [left, innerA] = attrs["transposeA"] ? [rank - 1, rank - 2] : [rank - 2, rank - 1];
  const [right, innerB] = attrs["transposeB"] ? [rank - 2, rank - 1] : [rank - 1, rank - 2];
  links.tie("matmul keeps the rows of its left operand", [a!, left], [y!, rank - 2]);
  links.tie("matmul makes one output per row of the weight", [b!, right], [y!, rank - 1]);
  links.tie("matmul reads its inputs by column of the weight", [b!, innerB], [a!, innerA]);
  if (!isWeight(links, a!) && !isWeight(links, b!)) links.hold("a product of two activations sums over this axis", a!, innerA);
};

/** Axes of a reshape in blocks of equal size: one axis stays, several merge into one, or one splits. */
export function reshapeBlocks(from: readonly number[], to: readonly number[]): { from: number[]; to: number[] }[] {
  const blocks: { from: number[]; to: number[] }[] = [];
  let [i, j] = [0, 0];
  while (i < from.length || j < to.length) {
    const block = { from: [] as number[], to: [] as number[] };
    let [a, b] = [1, 1];
    do {
      if (i < from.length && (a <= b || j >= to.length)) {
        a *= from[i]!;
        block.from.push(i++);
      } else {
        b *= to[j]!;
        block.to.push(j++);
      }
    } while (a !== b);
    blocks.push(block);
  }
  return blocks;
}

const reshape: Rule = (links, { inputs: [x], outputs: [y] }) => {
  const shapes = [links.program.values[x!]!.shape, links.program.values[y!]!.shape] as const;
  for (const block of reshapeBlocks(...shapes)) {
    const from = block.from.filter((axis) => shapes[0][axis] !== 1);
    const to = block.to.filter((axis) => shapes[1][axis] !== 1);
    if (from.length === 0 && to.length === 0) continue;
    if (from.length === 1 && to.length === 1) links.tie("reshape keeps this axis", [x!, from[0]!], [y!, to[0]!]);
    else if (to.length === 1) merge(links, x!, from, y!, to[0]!, "flattening makes one position of the flat axis for each element");
    else if (from.length === 1) merge(links, y!, to, x!, from[0]!, "one axis is split into parts");
    else {
      for (const axis of from) links.hold("a reshape regroups these axes", x!, axis);
      for (const axis of to) links.hold("a reshape regroups these axes", y!, axis);
    }
  }
};

/** Whether an axis only tells parts apart: slices of it are taken later (queries, keys and values made by one product). */
function isTakenApart({ program }: ChannelLinks, value: number, axis: number): boolean {
  return program.operations.some(({ op, inputs, outputs: [y], attrs }) => {
    if (inputs[0] !== value) return false;
    if (op === "slice") return program.values[y!]!.shape[axis]! < program.values[value]!.shape[axis]!;
    if (op === "transpose") {
      const to = (attrs["perm"] as readonly number[]).indexOf(axis);
      return program.operations.some(
        (next) =>
          next.op === "slice" &&
          next.inputs[0] === y &&
          program.values[next.outputs[0]!]!.shape[to]! < program.values[y!]!.shape[to]!,
      );
    }
    return false;
  });
}

/** The flat axis follows one of the axes that it consists of: the first that can still be cut and is no mere part. The others are held. */
function merge(links: ChannelLinks, wide: number, axes: readonly number[], flat: number, flatAxis: number, why: string): void {
  const free = axes.filter((axis) => !links.isHeld(wide, axis));
  const leader = free.find((axis) => !isTakenApart(links, wide, axis)) ?? free[0] ?? axes[0]!;
  for (const axis of axes) if (axis !== leader) links.hold(`${why}; it follows another axis`, wide, axis);
  const inner = sizeOf(axes.slice(axes.indexOf(leader) + 1).map((axis) => links.size(wide, axis)));
  const along = links.size(wide, leader);
  links.tie(why, [flat, flatAxis], [wide, leader], (i) => Math.floor(i / inner) % along);
}

const slice: Rule = (links, { inputs: [x], outputs: [y], attrs }) => {
  const [starts, steps] = [attrs["starts"], attrs["steps"]] as [number[], number[]];
  for (let axis = 0; axis < links.rank(x!); axis++) {
    links.tie("slice picks positions", [y!, axis], [x!, axis], (i) => starts[axis]! + i * steps[axis]!);
    if (steps[axis] !== 1) links.hold("a slice with a step counts positions", x!, axis);
  }
};

const pad: Rule = (links, { inputs: [x], outputs: [y], attrs }) => {
  const before = attrs["before"] as number[];
  for (let axis = 0; axis < links.rank(x!); axis++)
    links.tie("pad shifts positions", [x!, axis], [y!, axis], (i) => i + before[axis]!);
};

const concat: Rule = (links, { inputs, outputs: [y], attrs }) => {
  let offset = 0;
  for (const x of inputs) {
    const from = offset;
    for (let axis = 0; axis < links.rank(x); axis++) {
      const shift = axis === attrs["axis"] ? from : 0;
      links.tie("concat lays its operands side by side", [x, axis], [y!, axis], (i) => i + shift);
    }
    offset += links.size(x, attrs["axis"] as number);
  }
};

const batchNorm: Rule = (links, { op, inputs: [x, ...vectors], outputs: [y, ...statistics] }) => {
  for (let axis = 0; axis < links.rank(x!); axis++) links.tie(`${op} works channel by channel`, [x!, axis], [y!, axis]);
  for (const vector of [...vectors, ...statistics]) links.tie(`${op} has one number per channel`, [vector, 0], [x!, 1]);
};

const normLast: Rule = (links, operation) => {
  passing(
    (_, l) => [l.rank(operation.inputs[0]!) - 1],
    (op) => `${op} takes its statistics over this axis`,
  )(links, operation);
  for (const vector of operation.inputs.slice(1)) links.holdAll(`${operation.op} takes its statistics over this axis`, vector);
};

const reduction: Rule = (links, { op, inputs: [x], outputs: [y], attrs }) => {
  const { axes, keepDims } = attrs as unknown as { axes: number[]; keepDims: boolean };
  let to = 0;
  for (let axis = 0; axis < links.rank(x!); axis++) {
    if (!axes.includes(axis)) links.tie(`${op} keeps this axis`, [x!, axis], [y!, to++]);
    else {
      links.hold(`${op} runs over this axis`, x!, axis);
      if (keepDims) to++;
    }
  }
};

const transpose: Rule = (links, { inputs: [x], outputs: [y], attrs }) => {
  (attrs["perm"] as number[]).forEach((from, to) => {
    links.tie("transpose moves this axis", [x!, from], [y!, to]);
  });
};

const gather: Rule = (links, { inputs: [table, indices], outputs: [y] }) => {
  links.hold("rows of a table are read by number", table!, 0);
  for (let axis = 0; axis < links.rank(indices!); axis++) links.tie("gather reads one row per index", [indices!, axis], [y!, axis]);
  links.tie("gather reads whole rows", [table!, 1], [y!, links.rank(y!) - 1]);
};

const axisOf = ({ attrs }: Operation): readonly number[] => [attrs["axis"] as number];
const planes = (): readonly number[] => [2, 3];

const rules: Readonly<Record<string, Rule>> = {
  ...Object.fromEntries(
    [
      ...Object.keys(unaryOps),
      "add",
      "sub",
      "mul",
      "div",
      "neg",
      "max",
      "min",
      "pow",
      "where",
      "equal",
      "greater",
      "greaterEqual",
      "stopGradient",
      "cast",
      "broadcastTo",
    ].map((op) => [op, elementwise]),
  ),
  ...Object.fromEntries(["sum", "mean", "sumSquares", "reduceMax", "reduceMin"].map((op) => [op, reduction])),
  conv2d,
  conv2dInputGrad,
  matmul,
  reshape,
  slice,
  pad,
  concat,
  transpose,
  gather,
  batchNorm,
  batchNormInference: batchNorm,
  layerNorm: normLast,
  rmsNorm: normLast,
  softmax: passing(axisOf, (op) => `${op} normalises over this axis`),
  logSoftmax: passing(axisOf, (op) => `${op} normalises over this axis`),
  maxPool2d: passing(planes, () => "a pooling window slides over rows and columns"),
  avgPool2d: passing(planes, () => "a pooling window slides over rows and columns"),
  constant: () => {},
};

/** Applies the rule of every operation; one without a rule holds everything that it touches. Inputs and outputs are held. */
export function linkChannels(links: ChannelLinks): void {
  const { program } = links;
  for (const [name, id] of Object.entries(program.inputs)) links.holdAll(`the input "${name}" is given from outside`, id);
  program.operations.forEach((operation, i) => {
    links.operation = i;
    const rule = Object.hasOwn(rules, operation.op) ? rules[operation.op] : undefined;
    if (rule) rule(links, operation);
    else
      for (const value of [...operation.inputs, ...operation.outputs])
        links.holdAll(`${operation.op} has no rule for cutting`, value);
  });
  for (const [name, id] of Object.entries(program.outputs)) links.holdAll(`the output "${name}" is promised to the caller`, id);
}
