/** References of templates/batchnorm.ts: the same additions in the same order, one float at a time. */
import { BAND } from "../templates/batchnorm.js";
import type { Reference } from "./differential.js";
import { pmax } from "./maths.js";
import type { Views } from "./views.js";

const f = Math.fround;
type Params = Record<string, number>;

/** Float `i` of row r of plane c of the tensor whose parameters are `at`, `ps`, `rs`. */
const place = (at: number, ps: number, rs: number, c: number, r: number, i: number): number => (at + c * ps + r * rs) / 4 + i;

/** Two sums over a plane: four accumulators of four lanes each, emptied into double precision every BAND vectors. */
function twoSums(p: Params, terms: (row: number, i: number) => readonly [number, number]): [number, number] {
  const a = new Float32Array(16);
  const b = new Float32Array(16);
  const s = [0, 0, 0, 0];
  const q = [0, 0, 0, 0];
  let run = 0;
  const flush = () => {
    for (let lane = 0; lane < 4; lane++) {
      s[lane]! += f(f(a[lane]! + a[4 + lane]!) + f(a[8 + lane]! + a[12 + lane]!));
      q[lane]! += f(f(b[lane]! + b[4 + lane]!) + f(b[8 + lane]! + b[12 + lane]!));
    }
    a.fill(0);
    b.fill(0);
    run = 0;
  };
  for (let row = 0; row < p.h!; row++) {
    let more = p.w4!;
    let i = 0;
    const add = (slot: number) => {
      const [d, e] = terms(row, i++);
      a[slot]! += d;
      b[slot]! += f(d * e);
    };
    do {
      const m = Math.min(more, BAND);
      const tail = m === more ? p.tail! : 0;
      for (let j = 0; j < m; j++) for (let lane = 0; lane < 4; lane++) add((j < (m & ~3) ? j & 3 : 0) * 4 + lane);
      for (let j = 0; j < tail; j++) add(0);
      more -= m;
      run += m + (tail > 0 ? 1 : 0);
      if (run >= BAND) flush();
    } while (more > 0);
  }
  flush();
  return [s[0]! + s[1]! + (s[2]! + s[3]!), q[0]! + q[1]! + (q[2]! + q[3]!)];
}

export const bn_stats: Reference = (v, p) => {
  for (let c = 0; c < p.c!; c++) {
    const sums = twoSums(p, (r, i) => {
      const x = v.f32[place(p.x!, p.xps!, p.xrs!, c, r, i)]!;
      return [x, x];
    });
    v.f64.set(sums, p.sums! / 8 + 2 * c);
  }
};

function grouped(v: Views, p: Params, c: number): [number, number] {
  let s = 0;
  let q = 0;
  for (let g = 0; g < p.groups!; g++) {
    s += v.f64[(p.sums! + g * p.gs!) / 8 + 2 * c]!;
    q += v.f64[(p.sums! + g * p.gs!) / 8 + 2 * c + 1]!;
  }
  return [s, q];
}

export const bn_finish: Reference = (v, p) => {
  for (let c = 0; c < p.c!; c++) {
    const [s, q] = grouped(v, p, c);
    const mean = s / p.count!;
    const variance = Math.max(0, q / p.count! - mean * mean);
    const inv = 1 / Math.sqrt(variance + p.eps!);
    const a = (p.gamma ? v.f32[p.gamma / 4 + c]! : 1) * inv;
    const b = p.beta ? v.f32[p.beta / 4 + c]! : 0;
    v.f32[p.ab! / 4 + 2 * c] = a;
    v.f32[p.ab! / 4 + 2 * c + 1] = b - a * mean;
    v.f32[p.mean! / 4 + c] = mean;
    v.f32[p.variance! / 4 + c] = variance;
    v.f32[p.inv! / 4 + c] = inv;
  }
};

export const bn_running: Reference = (v, p) => {
  const momentum = p.momentum!;
  const keep = f(1 - momentum);
  for (let c = 0; c < p.c!; c++) {
    const m = p.rmean! / 4 + c;
    const s = p.rvariance! / 4 + c;
    v.f32[m] = f(keep * v.f32[m]!) + f(momentum * v.f32[p.mean! / 4 + c]!);
    v.f32[s] = f(keep * v.f32[s]!) + f(momentum * f(p.unbias! * v.f32[p.variance! / 4 + c]!));
  }
};

export const bn_fold: Reference = (v, p) => {
  for (let c = 0; c < p.c!; c++) {
    const inv = 1 / Math.sqrt(v.f32[p.variance! / 4 + c]! + p.eps!);
    const a = (p.gamma ? v.f32[p.gamma / 4 + c]! : 1) * inv;
    const b = p.beta ? v.f32[p.beta / 4 + c]! : 0;
    v.f32[p.ab! / 4 + 2 * c] = a;
    v.f32[p.ab! / 4 + 2 * c + 1] = b - a * v.f32[p.mean! / 4 + c]!;
  }
};

function eachFloat(p: Params, visit: (c: number, r: number, i: number) => void): void {
  for (let c = 0; c < p.c!; c++) for (let r = 0; r < p.h!; r++) for (let i = 0; i < 4 * p.w4! + p.tail!; i++) visit(c, r, i);
}

export const bn_apply: Reference = (v, p) => {
  eachFloat(p, (c, r, i) => {
    const a = v.f32[p.ab! / 4 + 2 * c]!;
    const b = v.f32[p.ab! / 4 + 2 * c + 1]!;
    let y = f(f(a * v.f32[place(p.x!, p.xps!, p.xrs!, c, r, i)]!) + b);
    if (p.res) y = f(y + v.f32[place(p.res, p.rps!, p.rrs!, c, r, i)]!);
    v.f32[place(p.y!, p.yps!, p.yrs!, c, r, i)] = pmax(y, p.lo!);
  });
};

export const bn_bwd_sums: Reference = (v, p) => {
  for (let c = 0; c < p.c!; c++) {
    const sums = twoSums(p, (r, i) => {
      const d = v.f32[place(p.dy!, p.dps!, p.drs!, c, r, i)]!;
      const dz = p.y && !(v.f32[place(p.y, p.yps!, p.yrs!, c, r, i)]! > 0) ? 0 : d;
      if (p.dz) v.f32[place(p.dz, p.zps!, p.zrs!, c, r, i)] = dz;
      return [dz, v.f32[place(p.x!, p.xps!, p.xrs!, c, r, i)]!];
    });
    v.f64.set(sums, p.sums! / 8 + 2 * c);
  }
};

export const bn_bwd_finish: Reference = (v, p) => {
  for (let c = 0; c < p.c!; c++) {
    const [s, q] = grouped(v, p, c);
    const inv = v.f32[p.inv! / 4 + c]!;
    const mean = v.f32[p.mean! / 4 + c]!;
    const dgamma = inv * (q - mean * s);
    const a = (p.gamma ? v.f32[p.gamma / 4 + c]! : 1) * inv;
    const b = -((a * inv * dgamma) / p.count!);
    v.f32.set([a, b, -((a * s) / p.count!) - b * mean], p.abc! / 4 + 3 * c);
    if (p.dgamma) v.f32[p.dgamma / 4 + c] = dgamma;
    if (p.dbeta) v.f32[p.dbeta / 4 + c] = s;
  }
};

export const bn_bwd_apply: Reference = (v, p) => {
  eachFloat(p, (c, r, i) => {
    const [a, b, k] = v.f32.subarray(p.abc! / 4 + 3 * c, p.abc! / 4 + 3 * c + 3) as unknown as [number, number, number];
    const dz = v.f32[place(p.dz!, p.zps!, p.zrs!, c, r, i)]!;
    const g = f(f(f(a * dz) + f(b * v.f32[place(p.x!, p.xps!, p.xrs!, c, r, i)]!)) + k);
    const at = place(p.dx!, p.ps!, p.rs!, c, r, i);
    v.f32[at] = p.acc ? v.f32[at]! + g : g;
  });
};

export const border: Reference = (v, p) => {
  for (let c = 0; c < p.c!; c++) {
    for (let at = 0; at < p.ps!; at += 4) {
      const inside = at - p.p0!;
      const row = Math.floor(inside / p.rs!);
      const kept = inside >= 0 && row < p.h! && inside - row * p.rs! < p.wbytes!;
      if (!kept) v.f32[(p.base! + c * p.ps! + at) / 4] = 0;
    }
  }
};

export const clear_rows: Reference = (v, p) => {
  for (let c = 0; c < p.c!; c++) {
    for (let r = 0; r < p.h!; r++) {
      const from = (p.y! + c * p.ps! + r * p.rs!) / 4;
      v.f32.fill(0, from, from + p.bytes! / 4);
    }
  }
};
