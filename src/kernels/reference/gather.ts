/** References of templates/gather.ts. */
import type { Reference } from "./differential.js";

export const gather_rows: Reference = (v, p) => {
  for (let i = 0; i < p.n!; i++) {
    const row = p.table! + v.i32[p.idx! / 4 + i]! * p.bytes!;
    v.u8.copyWithin(p.y! + i * p.bytes!, row, row + p.bytes!);
  }
};

export const scatter_add_rows: Reference = (v, p) => {
  for (let i = 0; i < p.n!; i++) {
    const row = p.table! / 4 + v.i32[p.idx! / 4 + i]! * p.cols!;
    for (let j = 0; j < p.cols!; j++) v.f32[row + j]! += v.f32[p.x! / 4 + i * p.cols! + j]!;
  }
};

export const segment_sum: Reference = (v, p) => {
  v.f32.fill(0, p.y! / 4, p.y! / 4 + p.segments! * p.cols!);
  scatter_add_rows(v, { ...p, table: p.y! });
};

export const topk: Reference = (v, p) => {
  const k = p.k!;
  for (let r = 0; r < p.rows!; r++) {
    const row = Array.from(v.f32.subarray((p.x! + r * p.xs!) / 4, (p.x! + r * p.xs!) / 4 + p.cols!), (x) =>
      Number.isNaN(x) ? Number.NEGATIVE_INFINITY : x,
    );
    const order = row.map((_, j) => j).sort((a, b) => (row[a] === row[b] ? a - b : row[b]! > row[a]! ? 1 : -1));
    order.slice(0, k).forEach((j, i) => {
      v.f32[p.values! / 4 + r * k + i] = row[j]!;
      v.i32[p.indices! / 4 + r * k + i] = j;
    });
  }
};

export const one_hot: Reference = (v, p) => {
  for (let i = 0; i < p.n!; i++) {
    for (let j = 0; j < p.cols!; j++) v.f32[p.y! / 4 + i * p.cols! + j] = v.i32[p.idx! / 4 + i] === j ? p.on! : p.off!;
  }
};
