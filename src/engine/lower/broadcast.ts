/** Broadcasting in row-major memory: two dims inside the kernel, the others one call each; and where, broadcastTo. */
import { InputError } from "../../core/index.js";
import { BINARY } from "../../kernels/index.js";
import type { Operation } from "../../program/index.js";
import { cutRows } from "../cut.js";
import type { Planes } from "../layout.js";
import { at, type Lowering, local, whole } from "../lowering.js";

/** A shape's strides in elements against the output's dims, 0 where it is broadcast. */
function broadcastStrides(shape: readonly number[], out: readonly number[]): number[] {
  const strides = new Array<number>(out.length).fill(0);
  let step = 1;
  for (let i = shape.length - 1, o = out.length - 1; i >= 0; i--, o--) {
    if (shape[i] !== 1) strides[o] = step;
    step *= shape[i]!;
  }
  return strides;
}

/** Joins neighbouring dims along which every operand walks evenly. */
function collapse(out: readonly number[], shapes: readonly (readonly number[])[]): { dims: number[]; strides: number[][] } {
  const all = shapes.map((shape) => broadcastStrides(shape, out));
  const dims: number[] = [];
  const strides: number[][] = shapes.map(() => []);
  for (let d = 0; d < out.length; d++) {
    if (out[d] === 1) continue;
    const last = dims.length - 1;
    const joins = last >= 0 && all.every((s, k) => strides[k]![last] === s[d]! * out[d]!);
    if (joins) {
      dims[last] = dims[last]! * out[d]!;
      all.forEach((s, k) => {
        strides[k]![last] = s[d]!;
      });
    } else {
      dims.push(out[d]!);
      all.forEach((s, k) => {
        strides[k]!.push(s[d]!);
      });
    }
  }
  while (dims.length < 2) {
    dims.unshift(1);
    for (const s of strides) s.unshift(0);
  }
  return { dims, strides };
}

/** Most kernel calls that one broadcast may take. */
const MOST_CALLS = 1 << 16;

function eachOuter(
  dims: readonly number[],
  strides: readonly (readonly number[])[],
  each: (outer: number, inner: number, at: number[], s: (readonly [number, number])[]) => void,
): void {
  const rank = dims.length;
  const outer = dims[rank - 2]!;
  const inner = dims[rank - 1]!;
  const loops = dims.slice(0, rank - 2);
  const total = loops.reduce((a, b) => a * b, 1);
  if (total > MOST_CALLS)
    throw new InputError(
      `engine: a broadcast over dims [${dims}] takes ${total} kernel calls; reshape the operands so that fewer dims alternate`,
    );
  const last = strides.map((s) => {
    const inside = s[rank - 1]!;
    if (inside > 1) throw new InputError(`engine: a broadcast over dims [${dims}] has an inner stride of ${inside}`);
    return [s[rank - 2]!, inside] as const;
  });
  for (let i = 0; i < total; i++) {
    const where = strides.map(() => 0);
    let rest = i;
    for (let d = loops.length - 1; d >= 0; d--) {
      const k = rest % loops[d]!;
      rest = (rest - k) / loops[d]!;
      strides.forEach((s, n) => {
        where[n]! += k * s[d]!;
      });
    }
    each(outer, inner, [...where, i * outer * inner], last);
  }
}

/** Any broadcast, row-major: two dims inside the kernel, the others one call each. */
export function binaryRows(l: Lowering, name: string, kind: number, x: number, y: number, z: number): void {
  const a = l.rows(x);
  const b = l.rows(y);
  const placed = l.allocate(z, { kind: "rows" });
  const { dims, strides } = collapse(l.type(z).shape, [l.type(x).shape, l.type(y).shape]);
  const cut = cutRows(l, dims.at(-2)!, l.size(z) / dims.at(-2)!);
  l.step({
    name,
    domain: cut.domain,
    reads: [whole(a), whole(b)],
    // With more than two dims a range of the last but one is no range of the result.
    writes: [dims.length === 2 ? local(placed) : whole(placed)],
    emit(call, { unit }) {
      const { from, count } = cut.range(unit);
      eachOuter(dims, strides, (_, inner, at0, [s1, s2]) => {
        const splat = (s: readonly [number, number]) => (s[1] === 0 ? 1 : 0);
        call("binary2d", {
          outer: count,
          inner,
          kind,
          x: at(a) + (at0[0]! + from * s1![0]) * 4,
          xs: s1![0] * 4,
          xsplat: splat(s1!),
          y: at(b) + (at0[1]! + from * s2![0]) * 4,
          ys: s2![0] * 4,
          ysplat: splat(s2!),
          z: at(placed) + (at0[2]! + from * inner) * 4,
          zs: inner * 4,
        });
      });
    },
  });
}

/** cond ? x : y. */
export function lowerWhere(l: Lowering, operation: Operation): void {
  const [z] = operation.outputs as [number];
  const placed = operation.inputs.map((v) => l.rows(v));
  const result = l.allocate(z, { kind: "rows" });
  const { dims, strides } = collapse(
    l.type(z).shape,
    operation.inputs.map((v) => l.type(v).shape),
  );
  l.step({
    name: "where",
    domain: { key: "one", units: 1, parts: 1 },
    reads: placed.map(whole),
    writes: [whole(result)],
    emit(call) {
      eachOuter(dims, strides, (outer, inner, where, s) => {
        const operand = (k: number) => ({ p: at(placed[k]!) + where[k]! * 4, s: s[k]![0] * 4, splat: s[k]![1] === 0 ? 1 : 0 });
        const [c, x, y] = [operand(0), operand(1), operand(2)];
        call("where2d", {
          outer,
          inner,
          cond: c.p,
          cs: c.s,
          csplat: c.splat,
          x: x.p,
          xs: x.s,
          xsplat: x.splat,
          y: y.p,
          ys: y.s,
          ysplat: y.splat,
          z: at(result) + where[3]! * 4,
          zs: inner * 4,
        });
      });
    },
  });
}

/** Copies a small value over the shape of a bigger one. */
export function lowerBroadcast(l: Lowering, operation: Operation): void {
  const [x] = operation.inputs as [number];
  const [y] = operation.outputs as [number];
  const shape = l.type(y).shape;
  const from = l.type(x).shape;
  const wanted = l.wanted(y);
  if (
    wanted?.kind === "planes" &&
    from.length === 4 &&
    from[0] === shape[0] &&
    from[1] === shape[1] &&
    from[2] === 1 &&
    from[3] === 1
  ) {
    spread(l, x, y, wanted);
    return;
  }
  const a = l.rows(x);
  const placed = l.allocate(y, { kind: "rows" });
  const zero = l.constantBuffer(new Float32Array(1), "zero");
  const { dims, strides } = collapse(shape, [from, []]);
  l.step({
    name: "broadcast",
    domain: { key: "one", units: 1, parts: 1 },
    reads: [whole(a)],
    writes: [whole(placed)],
    emit(call) {
      eachOuter(dims, strides, (outer, inner, where, s) => {
        call("binary2d", {
          outer,
          inner,
          kind: BINARY.add,
          x: at(a) + where[0]! * 4,
          xs: s[0]![0] * 4,
          xsplat: s[0]![1] === 0 ? 1 : 0,
          y: zero.address,
          ys: 0,
          ysplat: 1,
          z: at(placed) + where[2]! * 4,
          zs: inner * 4,
        });
      });
    },
  });
}

/** One value per image and channel, over all pixels of planes. */
function spread(l: Lowering, x: number, y: number, layout: Planes): void {
  const a = l.rows(x);
  const placed = l.allocate(y, layout);
  const turned = l.temporary(layout.groups * layout.c * layout.lanes * 4, "spread");
  const { h, w } = layout.geometry;
  l.step({
    name: "spread",
    domain: l.groupDomain(layout),
    reads: [whole(a)],
    writes: [local(placed), { buffer: turned, local: true }],
    emit(call, { unit }) {
      const images = Math.min(layout.lanes, layout.n - unit * layout.lanes);
      const own = turned.address + unit * layout.c * layout.lanes * 4;
      call("transpose2d", {
        rows: images,
        cols: layout.c,
        x: at(a) + unit * layout.lanes * layout.c * 4,
        xs: layout.c * 4,
        y: own,
        ys: layout.lanes * 4,
      });
      call(layout.lanes === 4 ? "spread_n4" : "spread_n1", {
        c: layout.c,
        h,
        w,
        x: own,
        y: at(placed) + unit * layout.group + layout.origin,
        ps: layout.plane,
        rs: layout.row,
      });
    },
  });
}
