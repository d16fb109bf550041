/** Removes channel units: the network becomes physically smaller and computes what the masked network computes. */
import { InputError, ShapeError, sizeOf, type Tensor, type Tree, tensor } from "../../core/index.js";
import { operationNamed } from "../ops/index.js";
import type { Attrs, Operation, Program, ValueType } from "../types.js";
import type { ChannelUnit } from "./channel-groups.js";
import { linksOf } from "./channel-groups.js";

/** A cut program, and which positions of each param's axes stay. */
export interface Cut {
  readonly program: Program;
  /** Per param and axis the kept positions, ascending. */
  readonly kept: Tree<readonly (readonly number[])[]>;
}

/**
 * @param units what to remove; whole units of `channelGraph(program)`
 * @throws InputError when a unit is not whole, cannot be removed, or nothing of an axis would be left; the message says why
 */
export function cutChannels(program: Program, units: readonly ChannelUnit[]): Cut {
  const links = linksOf(program);
  const removed = new Set<number>();
  const listed = new Set<string>();
  for (const { members } of units) {
    for (const { path, axis, indices } of members) {
      const param = program.params[path];
      if (!param) throw new InputError(`cutChannels: the program has no param "${path}"`);
      if (param.layout.kind !== "dense")
        throw new InputError(`cutChannels: "${path}" is stored sparse; cut the dense program, then make it sparse`);
      for (const i of indices) {
        const size = program.values[param.value]!.shape[axis];
        if (size === undefined || !Number.isInteger(i) || i < 0 || i >= size)
          throw new InputError(`cutChannels: "${path}" has no position ${i} on axis ${axis}`);
        const node = links.node(param.value, axis, i);
        const why = links.heldWhy(node);
        if (why !== undefined)
          throw new InputError(`cutChannels: position ${i} of "${path}", axis ${axis}, cannot be removed: ${why}`);
        removed.add(links.find(node));
        listed.add(`${path}/${axis}/${i}`);
      }
    }
  }
  const keptOf = (value: number): number[][] =>
    program.values[value]!.shape.map((size, axis) => {
      const stay: number[] = [];
      for (let i = 0; i < size; i++) if (!removed.has(links.find(links.node(value, axis, i)))) stay.push(i);
      return stay;
    });
  const kept: Record<string, readonly (readonly number[])[]> = {};
  for (const [path, { value }] of Object.entries(program.params)) {
    kept[path] = keptOf(value);
    program.values[value]!.shape.forEach((size, axis) => {
      const stay = new Set(kept[path]![axis]);
      for (let i = 0; i < size; i++) {
        if (stay.has(i) || listed.has(`${path}/${axis}/${i}`)) continue;
        throw new InputError(
          `cutChannels: removing these units also removes position ${i} of "${path}", axis ${axis}; list whole units of channelGraph`,
        );
      }
      if (stay.size === 0 && size > 0)
        throw new InputError(`cutChannels: nothing would be left of "${path}", axis ${axis}; keep at least one unit`);
    });
  }
  const positions = program.values.map((_, id) => keptOf(id));
  const values = program.values.map((type, id): ValueType => ({ ...type, shape: positions[id]!.map((list) => list.length) }));
  const operations = program.operations.map(
    (operation): Operation => ({ ...operation, attrs: cutAttrs(operation, program, values, positions) }),
  );
  for (const { op, inputs, outputs, attrs } of operations) {
    const types = operationNamed(op).type(
      inputs.map((id) => values[id]!),
      attrs,
    );
    outputs.forEach((id, i) => {
      if (types[i]!.shape.join() !== values[id]!.shape.join())
        throw new ShapeError(`cutChannels, ${op}`, { cut: values[id]!.shape, operation: types[i]!.shape }, "the cut shapes to fit");
    });
  }
  return { program: { ...program, values, operations }, kept };
}

/** Attributes that count positions, counted anew. */
function cutAttrs(
  { op, inputs, outputs, attrs }: Operation,
  program: Program,
  values: readonly ValueType[],
  positions: readonly (readonly number[][])[],
): Attrs {
  const shape = values[outputs[0]!]!.shape;
  const before = (list: readonly number[], limit: number) => list.filter((i) => i < limit).length;
  switch (op) {
    case "reshape":
    case "broadcastTo":
      return { ...attrs, shape };
    case "constant": {
      const value = attrs["value"] as number | readonly number[];
      if (typeof value === "number") return { ...attrs, shape };
      const old = program.values[outputs[0]!]!.shape;
      return { ...attrs, shape, value: [...pick(Float64Array.from(value), old, positions[outputs[0]!]!)] };
    }
    case "slice": {
      const [starts, stops] = [attrs["starts"], attrs["stops"]] as [number[], number[]];
      const stay = positions[inputs[0]!]!;
      return {
        ...attrs,
        starts: starts.map((s, axis) => before(stay[axis]!, s)),
        stops: stops.map((s, axis) => before(stay[axis]!, s)),
      };
    }
    case "pad": {
      const widths = attrs["before"] as number[];
      const stay = positions[outputs[0]!]!;
      const lead = widths.map((w, axis) => before(stay[axis]!, w));
      return { ...attrs, before: lead, after: shape.map((d, axis) => d - lead[axis]! - values[inputs[0]!]!.shape[axis]!) };
    }
    case "conv2dInputGrad":
      return { ...attrs, inputShape: shape };
    case "conv2d": {
      const depthwise = (attrs["groups"] as number) > 1 && program.values[inputs[1]!]!.shape[1] === 1;
      return depthwise ? { ...attrs, groups: values[inputs[0]!]!.shape[1]! } : attrs;
    }
    default:
      return attrs;
  }
}

/** The elements at the kept positions, row-major. */
function pick<T extends Float32Array | Float64Array>(data: T, shape: readonly number[], kept: readonly (readonly number[])[]): T {
  const out = new (data.constructor as new (n: number) => T)(sizeOf(kept.map((list) => list.length)));
  let to = 0;
  const walk = (axis: number, at: number): void => {
    if (axis === shape.length) {
      out[to++] = data[at]!;
      return;
    }
    for (const i of kept[axis]!) walk(axis + 1, at * shape[axis]! + i);
  };
  walk(0, 0);
  return out;
}

/** The values of a cut program's params. @throws InputError when one is missing */
export function cutParams(params: Tree<Tensor>, { kept }: Pick<Cut, "kept">): Tree<Tensor> {
  const out: Record<string, Tensor> = {};
  for (const [path, lists] of Object.entries(kept)) {
    const value = params[path];
    if (!value) throw new InputError(`cutParams: no value for the param "${path}"`);
    out[path] = tensor(
      lists.map((list) => list.length),
      pick(value.data, value.shape, lists),
    );
  }
  return out;
}

/** The params of the masked network: zero at every position of the units. It computes what the cut network computes. */
export function maskChannels(params: Tree<Tensor>, units: readonly ChannelUnit[]): Tree<Tensor> {
  const out: Record<string, Tensor> = { ...params };
  const lists = new Map<string, Map<number, Set<number>>>();
  for (const { members } of units) {
    for (const { path, axis, indices } of members) {
      const axes = lists.get(path) ?? new Map<number, Set<number>>();
      axes.set(axis, new Set([...(axes.get(axis) ?? []), ...indices]));
      lists.set(path, axes);
    }
  }
  for (const [path, axes] of lists) {
    const value = params[path];
    if (!value) throw new InputError(`maskChannels: no value for the param "${path}"`);
    const data = value.data.slice();
    for (const [axis, gone] of axes) {
      const inner = sizeOf(value.shape.slice(axis + 1));
      for (let i = 0; i < data.length; i++) if (gone.has(Math.floor(i / inner) % value.shape[axis]!)) data[i] = 0;
    }
    out[path] = { ...value, data };
  }
  return out;
}
