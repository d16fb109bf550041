/** Batch normalisation on planes, columns or row-major images, and its gradient. */
import { InputError, sizeOf } from "../../core/index.js";
import type { Operation } from "../../program/index.js";
import { columnsOf, type Layout, ROWS, rowVectors } from "../layout.js";
import { at, type Lowering, local, MOST_PARTS, ONE, type Placed, whole } from "../lowering.js";
import type { Access, Buffer, Domain } from "../step.js";

/** How the batch-norm kernels walk a value: groups of planes, one statistic per channel. */
interface Walk {
  readonly layout: Layout;
  readonly domain: Domain;
  readonly groups: number;
  readonly c: number;
  readonly h: number;
  readonly w4: number;
  readonly tail: number;
  readonly plane: number;
  readonly row: number;
  readonly count: number;
  readonly address: (placed: Placed, unit: number) => number;
}

function walkOf(l: Lowering, value: number): Walk {
  const shape = l.type(value).shape;
  if (shape.length === 4) {
    const layout = l.planes(shape);
    return {
      layout,
      domain: l.groupDomain(layout),
      groups: layout.groups,
      c: layout.c,
      h: layout.geometry.h,
      ...rowVectors(layout),
      plane: layout.plane,
      row: layout.row,
      count: shape[0]! * shape[2]! * shape[3]!,
      address: (placed, unit) => at(placed) + unit * layout.group + layout.origin,
    };
  }
  if (shape.length === 2) {
    const layout = columnsOf(shape[0]!, shape[1]!);
    const n = shape[0]!;
    return {
      layout,
      domain: ONE,
      groups: 1,
      c: shape[1]!,
      h: 1,
      w4: n >> 2,
      tail: n & 3,
      plane: layout.stride,
      row: 0,
      count: n,
      address: (placed) => at(placed),
    };
  }
  if (shape.length < 2) throw new InputError(`engine: batchNorm works on [N, C, ...], got shape [${shape}]`);
  // Row-major images: one group each.
  const [n, c] = shape as [number, number];
  const inner = sizeOf(shape.slice(2));
  const domain = { key: `images:${n}`, units: n, parts: Math.min(MOST_PARTS, n) };
  return {
    layout: ROWS,
    domain,
    groups: n,
    c,
    h: 1,
    w4: inner >> 2,
    tail: inner & 3,
    plane: inner * 4,
    row: 0,
    count: n * inner,
    address: (placed, unit) => at(placed) + unit * c * inner * 4,
  };
}

/** All of a value or its own slice, as the walk is cut. */
const slice = (walk: Walk, placed: Placed): Access => (walk.domain === ONE ? whole(placed) : local(placed));
const own = (walk: Walk, buffer: Buffer): Access => ({ buffer, local: walk.domain !== ONE });

/** y = gamma (x - mean) / sqrt(variance + eps) + beta, with the batch's statistics. */
export function lowerBatchNorm(l: Lowering, operation: Operation): void {
  const [x, gamma, beta] = operation.inputs as [number, number, number];
  const [y, mean, variance] = operation.outputs as [number, number, number];
  const eps = operation.attrs["eps"] as number;
  const walk = walkOf(l, x);
  const { c, h, w4, tail, groups, count } = walk;
  const input = l.as(x, walk.layout);
  const g = l.rows(gamma);
  const b = l.rows(beta);
  const sums = l.temporary(groups * c * 16, "statistics");
  const inv = l.temporary(c * 4, "1/deviation");
  const ab = l.temporary(c * 8, "scale and shift");
  const m = l.allocate(mean, ROWS);
  const v = l.allocate(variance, ROWS);
  l.notes.set(`inv:${mean}`, { buffer: inv, offset: 0, layout: ROWS, clean: false });
  l.step({
    name: "batchNorm statistics",
    domain: walk.domain,
    reads: [slice(walk, input)],
    writes: [own(walk, sums)],
    emit: (call, { unit }) =>
      call("bn_stats", {
        c,
        h,
        w4,
        tail,
        x: walk.address(input, unit),
        xps: walk.plane,
        xrs: walk.row,
        sums: sums.address + unit * c * 16,
      }),
  });
  l.step({
    name: "batchNorm finish",
    domain: ONE,
    reads: [{ buffer: sums, local: false }, whole(g), whole(b)],
    writes: [{ buffer: ab, local: false }, { buffer: inv, local: false }, whole(m), whole(v)],
    emit: (call) =>
      call("bn_finish", {
        c,
        groups,
        count,
        eps,
        sums: sums.address,
        gs: c * 16,
        gamma: at(g),
        beta: at(b),
        ab: ab.address,
        mean: at(m),
        variance: at(v),
        inv: inv.address,
      }),
  });
  deferAffine(l, y, x, walk, ab);
}

/** y = a x + b per channel, which may take a residual and a relu. */
function deferAffine(l: Lowering, y: number, x: number, walk: Walk, ab: Buffer): void {
  const { c, h, w4, tail } = walk;
  l.defer(y, {
    layout: walk.layout,
    takes: { bias: false, residual: true, upper: false },
    finish(value, epilogue) {
      const input = l.as(x, walk.layout);
      const { residual } = epilogue;
      const output = l.allocate(value, walk.layout, { value: x, placed: input });
      l.step({
        name: "batchNorm apply",
        domain: walk.domain,
        reads: [slice(walk, input), { buffer: ab, local: false }, ...(residual ? [slice(walk, residual)] : [])],
        writes: [slice(walk, output)],
        emit(call, { unit }) {
          call("bn_apply", {
            c,
            h,
            w4,
            tail,
            x: walk.address(input, unit),
            xps: walk.plane,
            xrs: walk.row,
            res: residual ? walk.address(residual, unit) : 0,
            rps: walk.plane,
            rrs: walk.row,
            y: walk.address(output, unit),
            yps: walk.plane,
            yrs: walk.row,
            ab: ab.address,
            lo: epilogue.lo,
          });
        },
      });
      return output;
    },
  });
}

/** Batch normalisation with running statistics. */
export function lowerBatchNormInference(l: Lowering, operation: Operation): void {
  const [x, gamma, beta, mean, variance] = operation.inputs as [number, number, number, number, number];
  const [y] = operation.outputs as [number];
  const eps = operation.attrs["eps"] as number;
  const walk = walkOf(l, x);
  const [g, b, m, v] = [gamma, beta, mean, variance].map((value) => l.rows(value)) as [Placed, Placed, Placed, Placed];
  const ab = l.temporary(walk.c * 8, "scale and shift");
  l.step({
    name: "batchNorm fold",
    domain: ONE,
    reads: [g, b, m, v].map(whole),
    writes: [{ buffer: ab, local: false }],
    emit: (call) => call("bn_fold", { c: walk.c, eps, gamma: at(g), beta: at(b), mean: at(m), variance: at(v), ab: ab.address }),
  });
  deferAffine(l, y, x, walk, ab);
}

/** relu's gradient; where a batch norm's gradient follows, it also takes the sums that this needs, in the same pass. */
export function lowerReluGrad(l: Lowering, operation: Operation, otherwise: () => void): void {
  const [dy, y] = operation.inputs as [number, number];
  const [dz] = operation.outputs as [number];
  const next = l.consumers[dz]!.map((i) => l.program.operations[i]!).find((o) => o.op === "batchNormGrad" && o.inputs[0] === dz);
  const shape = l.type(dz).shape;
  if (!next || (shape.length !== 4 && shape.length !== 2)) {
    otherwise();
    return;
  }
  const walk = walkOf(l, dz);
  const output = l.as(y, walk.layout);
  const grad = l.as(dy, walk.layout);
  const x = l.as(next.inputs[1]!, walk.layout);
  const result = l.allocate(dz, walk.layout, { value: dy, placed: grad });
  const sums = backwardSums(l, walk, grad, output, x, result);
  l.notes.set(`sums:${dz}:${next.inputs[1]}`, { buffer: sums, offset: 0, layout: ROWS, clean: false });
}

function backwardSums(
  l: Lowering,
  walk: Walk,
  grad: Placed,
  output: Placed | undefined,
  x: Placed,
  result: Placed | undefined,
): Buffer {
  const { c, h, w4, tail, plane, row } = walk;
  const sums = l.temporary(walk.groups * c * 16, "gradient sums");
  l.step({
    name: "batchNorm gradient sums",
    domain: walk.domain,
    reads: [slice(walk, grad), slice(walk, x), ...(output ? [slice(walk, output)] : [])],
    writes: [own(walk, sums), ...(result ? [slice(walk, result)] : [])],
    emit(call, { unit }) {
      call("bn_bwd_sums", {
        c,
        h,
        w4,
        tail,
        dy: walk.address(grad, unit),
        dps: plane,
        drs: row,
        y: output ? walk.address(output, unit) : 0,
        yps: plane,
        yrs: row,
        x: walk.address(x, unit),
        xps: plane,
        xrs: row,
        dz: result ? walk.address(result, unit) : 0,
        zps: plane,
        zrs: row,
        sums: sums.address + unit * c * 16,
      });
    },
  });
  return sums;
}

/** dx, dgamma, dbeta of batchNorm. */
export function lowerBatchNormGrad(l: Lowering, operation: Operation): void {
  const [dy, x, gamma, mean, variance] = operation.inputs as [number, number, number, number, number];
  const [dx, dgamma, dbeta] = operation.outputs as [number, number, number];
  const eps = operation.attrs["eps"] as number;
  const walk = walkOf(l, x);
  const { c, h, w4, tail, plane, row, groups, count } = walk;
  const grad = l.as(dy, walk.layout);
  const input = l.as(x, walk.layout);
  const g = l.rows(gamma);
  const m = l.rows(mean);
  const inv = l.notes.get(`inv:${mean}`)?.buffer ?? inverse(l, variance, c, eps);
  const sums = l.notes.get(`sums:${dy}:${x}`)?.buffer ?? backwardSums(l, walk, grad, undefined, input, undefined);
  const abc = l.temporary(c * 12, "gradient scale and shift");
  const dg = l.allocate(dgamma, ROWS);
  const db = l.allocate(dbeta, ROWS);
  l.step({
    name: "batchNorm gradient finish",
    domain: ONE,
    reads: [{ buffer: sums, local: false }, { buffer: inv, local: false }, whole(g), whole(m)],
    writes: [{ buffer: abc, local: false }, whole(dg), whole(db)],
    emit: (call) =>
      call("bn_bwd_finish", {
        c,
        groups,
        count,
        sums: sums.address,
        gs: c * 16,
        gamma: at(g),
        mean: at(m),
        inv: inv.address,
        abc: abc.address,
        dgamma: at(dg),
        dbeta: at(db),
      }),
  });
  if (!l.needed(dx)) return;
  const result = l.allocate(dx, walk.layout, { value: dy, placed: grad });
  l.step({
    name: "batchNorm gradient",
    domain: walk.domain,
    reads: [slice(walk, grad), slice(walk, input), { buffer: abc, local: false }],
    writes: [slice(walk, result)],
    emit(call, { unit }) {
      call("bn_bwd_apply", {
        c,
        h,
        w4,
        tail,
        dz: walk.address(grad, unit),
        zps: plane,
        zrs: row,
        x: walk.address(input, unit),
        xps: plane,
        xrs: row,
        dx: walk.address(result, unit),
        ps: plane,
        rs: row,
        abc: abc.address,
        acc: 0,
      });
    },
  });
}

/** 1 / sqrt(variance + eps), when the forward pass that made it is not in the program. */
function inverse(l: Lowering, variance: number, c: number, eps: number): Buffer {
  const v = l.rows(variance);
  const inv = l.temporary(c * 4, "1/deviation");
  const AFFINE = 10;
  const RSQRT = 3;
  l.step({
    name: "1/deviation",
    domain: ONE,
    reads: [whole(v)],
    writes: [{ buffer: inv, local: false }],
    emit(call) {
      call("unary", { n: c, kind: AFFINE, x: at(v), y: inv.address, a: 1, b: eps });
      call("unary", { n: c, kind: RSQRT, x: inv.address, y: inv.address, a: 0, b: 0 });
    },
  });
  return inv;
}
