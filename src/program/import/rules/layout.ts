/** Operators that move elements: shapes, slices, joins, gathers, padding. */
import { InputError, sizeOf } from "../../../core/index.js";
import type { Value } from "../../graph.js";
import * as op from "../../ops/index.js";
import { type NodeView, type Rule, refuse } from "../node.js";

/** A result of the kind of operand 0. */
const same = (n: NodeView, y: Value) => n.of(y, n.kind(0));

const reshape: Rule = (n) => {
  const x = n.value(0);
  const asked = n.integers(1, "the shape");
  const shape = asked.map((d, i) => {
    if (d !== 0 || n.int("allowzero", 0)) return d;
    const kept = x.shape[i];
    if (kept === undefined)
      throw new InputError(`the shape [${asked.join(", ")}] keeps dim ${i}, the input [${x.shape.join(", ")}] has none`);
    return kept;
  });
  if (sizeOf(x.shape) === 0)
    return same(
      n,
      op.reshape(
        x,
        shape.map((d) => (d === -1 ? 0 : d)),
      ),
    );
  return same(n, op.reshape(x, shape));
};

const flatten: Rule = (n) => {
  const x = n.value(0);
  const axis = n.int("axis", 1);
  const at = axis < 0 ? axis + x.shape.length : axis;
  if (at < 0 || at > x.shape.length) throw new InputError(`axis is ${axis}, the input has rank ${x.shape.length}`);
  return same(n, op.reshape(x, [sizeOf(x.shape.slice(0, at)), sizeOf(x.shape.slice(at))]));
};

const squeeze: Rule = (n) => {
  const x = n.value(0);
  const given = n.axesFrom(1);
  const axes = given ? given.map((a) => n.axis(a, x.shape.length)) : x.shape.flatMap((d, i) => (d === 1 ? [i] : []));
  for (const a of axes) if (x.shape[a] !== 1) throw new InputError(`axis ${a} of [${x.shape.join(", ")}] is not of size 1`);
  return same(
    n,
    op.reshape(
      x,
      x.shape.filter((_, i) => !axes.includes(i)),
    ),
  );
};

const unsqueeze: Rule = (n) => {
  const x = n.value(0);
  const given = n.axesFrom(1) ?? [];
  const rank = x.shape.length + given.length;
  const axes = given.map((a) => n.axis(a, rank));
  if (new Set(axes).size !== axes.length) throw new InputError(`an axis is repeated in [${given.join(", ")}]`);
  const rest = [...x.shape];
  return same(
    n,
    op.reshape(
      x,
      Array.from({ length: rank }, (_, i) => (axes.includes(i) ? 1 : rest.shift()!)),
    ),
  );
};

const transpose: Rule = (n) => {
  const x = n.value(0);
  const perm = n.ints("perm");
  if (perm && (perm.length !== x.shape.length || [...perm].sort((a, b) => a - b).some((p, i) => p !== i))) {
    throw new InputError(`perm [${perm.join(", ")}] is no order of the axes of [${x.shape.join(", ")}]`);
  }
  return same(n, op.transpose(x, perm));
};

const concat: Rule = (n) => {
  const parts = Array.from({ length: n.count }, (_, i) => n.value(i));
  const axis = n.axis(n.int("axis", 0), parts[0]?.shape.length ?? 0);
  const filled = parts.filter((p) => sizeOf(p.shape) > 0);
  return same(n, filled.length === 0 ? parts[0]! : op.concat(filled, axis));
};

const split: Rule = (n) => {
  const x = n.value(0);
  const axis = n.axis(n.int("axis", 0), x.shape.length);
  const outputs = n.node.outputs.length;
  const along = x.shape[axis]!;
  const chunk = Math.ceil(along / n.int("num_outputs", outputs));
  const sizes =
    (n.has(1) ? n.integers(1, "split") : n.ints("split")) ??
    Array.from({ length: outputs }, (_, i) => Math.min(chunk, along - i * chunk));
  if (sizes.length !== outputs || sizes.some((s) => s < 0) || sizes.reduce((a, b) => a + b, 0) !== along) {
    throw new InputError(
      `split [${sizes.join(", ")}] does not divide axis ${axis} of [${x.shape.join(", ")}] into ${outputs} outputs`,
    );
  }
  let from = 0;
  return sizes.map((s) => {
    from += s;
    return same(n, op.sliceAxis(x, axis, from - s, from));
  });
};

/** The elements at known places of one axis. */
export function takeAxis(n: NodeView, x: Value, axis: number, places: readonly number[]): Value {
  const size = x.shape[axis]!;
  for (const p of places)
    if (p < 0 || p >= size) throw new InputError(`index ${p} lies outside axis ${axis} of [${x.shape.join(", ")}]`);
  if (places.length > 0 && places.every((p, i) => p === places[0]! + i))
    return op.sliceAxis(x, axis, places[0]!, places[0]! + places.length);
  return gatherAxis(x, axis, op.constant(n.graph, [places.length], places, undefined, "i32"));
}

/** Rows of one axis by number: [before, ...indices, after]. */
function gatherAxis(x: Value, axis: number, indices: Value): Value {
  const rank = x.shape.length;
  const perm = [axis, ...x.shape.map((_, i) => i).filter((i) => i !== axis)];
  const front = op.transpose(x, perm);
  const rest = front.shape.slice(1);
  const rows = op.gather(op.reshape(front, [x.shape[axis]!, sizeOf(rest)]), indices);
  const wide = op.reshape(rows, [...indices.shape, ...rest]);
  const r = indices.shape.length;
  // [...indices, ...before, ...after] -> [...before, ...indices, ...after]
  const order = [
    ...Array.from({ length: axis }, (_, i) => r + i),
    ...Array.from({ length: r }, (_, i) => i),
    ...Array.from({ length: rank - 1 - axis }, (_, i) => r + axis + i),
  ];
  return op.transpose(wide, order);
}

const gather: Rule = (n) => {
  const axis = n.axis(n.int("axis", 0), n.shape(0).length);
  const known = n.known(1);
  const shape = n.shape(0);
  if (known && known.data.length <= 65536) {
    const size = shape[axis]!;
    const places = Array.from(known.data, (v) => (v < 0 ? v + size : v));
    for (const p of places)
      if (!Number.isInteger(p) || p < 0 || p >= size)
        throw new InputError(`index ${p} lies outside axis ${axis} of [${shape.join(", ")}]`);
    const taken = takeAxis(n, n.value(0), axis, places);
    return same(n, op.reshape(taken, [...shape.slice(0, axis), ...known.shape, ...shape.slice(axis + 1)]));
  }
  return same(n, gatherAxis(n.value(0), axis, n.indices(1)));
};

/** y[i, j, k] = x[i, index[i, j, k], k] for axis 1: a gather of single elements by their flat place. */
const gatherElements: Rule = (n) => {
  const x = n.value(0);
  const index = n.value(1);
  const axis = n.axis(n.int("axis", 0), x.shape.length);
  const fits = index.shape.length === x.shape.length && index.shape.every((d, k) => k === axis || d <= x.shape[k]!);
  if (!fits) throw new InputError(`indices [${index.shape.join(", ")}] do not fit [${x.shape.join(", ")}] beside axis ${axis}`);
  if (sizeOf(x.shape) > 2 ** 24) refuse("more than 2^24 elements, whose places float32 cannot count");
  const stride = (k: number): number => sizeOf(x.shape.slice(k + 1));
  // Negative indices count from the end.
  let flat = op.affine(op.add(index, op.affine(op.greater(0, index), x.shape[axis]!, 0)), stride(axis), 0);
  index.shape.forEach((d, k) => {
    if (k === axis || d === 1) return;
    const along = index.shape.map((_, i) => (i === k ? d : 1));
    const places = Array.from({ length: d }, (_, i) => i * stride(k));
    flat = op.add(flat, op.constant(n.graph, along, places));
  });
  const rows = op.gather(op.reshape(x, [sizeOf(x.shape), 1]), op.cast(op.reshape(flat, [sizeOf(index.shape)]), "i32"));
  return same(n, op.reshape(rows, index.shape));
};

const slice: Rule = (n) => {
  const x = n.value(0);
  const rank = x.shape.length;
  const list = (i: number, name: string): number[] | undefined => (n.has(i) ? n.integers(i, name) : n.ints(name));
  const starts = list(1, "starts") ?? [];
  const ends = list(2, "ends") ?? [];
  const axes = (list(3, "axes") ?? starts.map((_, i) => i)).map((a) => n.axis(a, rank));
  const steps = list(4, "steps") ?? starts.map(() => 1);
  if ([ends, axes, steps].some((l) => l.length !== starts.length))
    throw new InputError("starts, ends, axes and steps differ in length");
  const from = x.shape.map(() => 0);
  const to = [...x.shape];
  const step = x.shape.map(() => 1);
  const reversed: { axis: number; places: number[] }[] = [];
  axes.forEach((axis, i) => {
    const size = x.shape[axis]!;
    const [s, e, by] = [starts[i]!, ends[i]!, steps[i]!];
    if (by === 0) throw new InputError("a step is 0");
    const start = s < 0 ? s + size : s;
    const end = e < 0 ? e + size : e;
    if (by > 0) {
      from[axis] = Math.min(Math.max(start, 0), size);
      to[axis] = Math.max(Math.min(Math.max(end, 0), size), from[axis]!);
      step[axis] = Math.min(by, Math.max(size, 1));
      return;
    }
    const places: number[] = [];
    const last = Math.max(end, -1);
    for (let p = Math.min(start, size - 1); p > last; p += by) places.push(p);
    if (places.length === 0) refuse("a slice backwards that takes nothing");
    reversed.push({ axis, places });
  });
  let y = op.slice(x, from, to, step);
  for (const { axis, places } of reversed) y = takeAxis(n, y, axis, places);
  return same(n, y);
};

/** numpy broadcasting in both directions. */
const expand: Rule = (n) => {
  const x = n.value(0);
  const asked = n.integers(1, "the shape");
  const rank = Math.max(asked.length, x.shape.length);
  const shape = Array.from({ length: rank }, (_, i) => {
    const a = x.shape[i - (rank - x.shape.length)] ?? 1;
    const b = asked[i - (rank - asked.length)] ?? 1;
    return b === 1 ? a : b;
  });
  return same(n, op.broadcastTo(x, shape));
};

const tile: Rule = (n) => {
  const x = n.value(0);
  const repeats = n.integers(1, "repeats");
  if (repeats.length !== x.shape.length || repeats.some((r) => r < 1))
    refuse(`repeats [${repeats.join(", ")}] of an input [${x.shape.join(", ")}]`);
  const apart = x.shape.flatMap((d) => [1, d]);
  const wide = x.shape.flatMap((d, i) => [repeats[i]!, d]);
  return same(
    n,
    op.reshape(
      op.broadcastTo(op.reshape(x, apart), wide),
      x.shape.map((d, i) => d * repeats[i]!),
    ),
  );
};

/** Where each padded position comes from. */
function mirrored(size: number, before: number, after: number, mode: string): number[] {
  return Array.from({ length: size + before + after }, (_, k) => {
    const i = k - before;
    if (mode === "edge") return Math.min(Math.max(i, 0), size - 1);
    if (mode === "wrap") return ((i % size) + size) % size;
    const period = Math.max(2 * (size - 1), 1);
    const at = ((i % period) + period) % period;
    return at < size ? at : period - at;
  });
}

const pad: Rule = (n) => {
  let x = n.value(0);
  const rank = x.shape.length;
  const given = (n.has(1) ? n.integers(1, "pads") : n.ints("pads")) ?? [];
  const axes = n.has(3) ? n.integers(3, "axes").map((a) => n.axis(a, rank)) : x.shape.map((_, i) => i);
  if (given.length !== 2 * axes.length) throw new InputError(`pads are [${given.join(", ")}], expected ${2 * axes.length} numbers`);
  const before = x.shape.map(() => 0);
  const after = x.shape.map(() => 0);
  axes.forEach((a, i) => {
    before[a] = given[i]!;
    after[a] = given[i + axes.length]!;
  });
  if ([...before, ...after].some((p) => p < 0)) {
    x = op.slice(
      x,
      before.map((p) => Math.max(-p, 0)),
      x.shape.map((d, i) => d - Math.max(-after[i]!, 0)),
    );
    for (const list of [before, after]) for (const [i, p] of list.entries()) list[i] = Math.max(p, 0);
  }
  const mode = n.text("mode", "constant");
  if (mode === "constant") {
    const value = n.has(2) ? n.numbers(2, "the padding value")[0]! : n.float("value", 0);
    return same(n, [...before, ...after].every((p) => p === 0) ? x : op.pad(x, before, after, value));
  }
  if (!["reflect", "edge", "wrap"].includes(mode))
    throw new InputError(`mode is "${mode}", expected constant, reflect, edge or wrap`);
  let y = x;
  x.shape.forEach((size, axis) => {
    if (before[axis] === 0 && after[axis] === 0) return;
    if (before[axis]! + after[axis]! > 65536) refuse(`padding by ${before[axis]! + after[axis]!}`);
    if (size === 0) refuse("padding of an empty axis");
    y = takeAxis(n, y, axis, mirrored(size, before[axis]!, after[axis]!, mode));
  });
  return same(n, y);
};

const blocks = (n: NodeView): number => {
  const b = n.int("blocksize", 0);
  if (b < 1) throw new InputError(`blocksize is ${b}, expected at least 1`);
  return b;
};

function four(x: Value): [number, number, number, number] {
  if (x.shape.length !== 4) throw new InputError(`expected [N, C, H, W], got [${x.shape.join(", ")}]`);
  return x.shape as unknown as [number, number, number, number];
}

const depthToSpace: Rule = (n) => {
  const x = n.value(0);
  const b = blocks(n);
  const [batch, c, h, w] = four(x);
  const out = c / (b * b);
  const y =
    n.text("mode", "DCR") === "CRD"
      ? op.transpose(op.reshape(x, [batch, out, b, b, h, w]), [0, 1, 4, 2, 5, 3])
      : op.transpose(op.reshape(x, [batch, b, b, out, h, w]), [0, 3, 4, 1, 5, 2]);
  return op.reshape(y, [batch, out, h * b, w * b]);
};

const spaceToDepth: Rule = (n) => {
  const x = n.value(0);
  const b = blocks(n);
  const [batch, c, h, w] = four(x);
  const y = op.transpose(op.reshape(x, [batch, c, h / b, b, w / b, b]), [0, 3, 5, 1, 2, 4]);
  return op.reshape(y, [batch, c * b * b, h / b, w / b]);
};

/** Operators that move elements, by name. */
export const layoutRules: Readonly<Record<string, Rule>> = {
  Reshape: reshape,
  Flatten: flatten,
  Squeeze: squeeze,
  Unsqueeze: unsqueeze,
  Transpose: transpose,
  Concat: concat,
  Split: split,
  Gather: gather,
  GatherElements: gatherElements,
  Slice: slice,
  Expand: expand,
  Tile: tile,
  Pad: pad,
  DepthToSpace: depthToSpace,
  SpaceToDepth: spaceToDepth,
};
