/** References of templates/norm.ts. */
import type { Reference } from "./differential.js";
import { add, columns, tree } from "./reduce.js";
import { axisSum } from "./softmax.js";

const f = Math.fround;

const forward =
  (layer: boolean): Reference =>
  (v, p) => {
    const n = p.axis!;
    const line = p.inner === 1 && p.sa === 4 && p.ya === 4;
    columns(p, (o, i, at) => {
      const mean = layer ? f(axisSum(line, n, (a) => v.f32[at(a)]!) / f(n)) : 0;
      const d = (a: number) => f(v.f32[at(a)]! - mean);
      const inv = f(1 / f(Math.sqrt(f(f(axisSum(line, n, (a) => f(d(a) * d(a))) / f(n)) + p.eps!))));
      if (layer) v.f32[p.mean! / 4 + o * p.inner! + i] = mean;
      v.f32[p.inv! / 4 + o * p.inner! + i] = inv;
      for (let a = 0; a < n; a++) {
        let y = f(d(a) * inv);
        if (p.gamma) y = f(y * v.f32[p.gamma / 4 + a]!);
        if (p.beta) y = f(y + v.f32[p.beta / 4 + a]!);
        v.f32[(p.y! + o * p.yo! + a * p.ya!) / 4 + i] = y;
      }
    });
  };

const gradient =
  (layer: boolean): Reference =>
  (v, p) => {
    const n = p.axis!;
    const line = p.inner === 1 && p.sa === 4 && p.da === 4 && p.xa === 4;
    columns(p, (o, i, at) => {
      const mean = layer ? v.f32[p.mean! / 4 + o * p.inner! + i]! : 0;
      const inv = v.f32[p.inv! / 4 + o * p.inner! + i]!;
      const e = (a: number) => f(v.f32[(p.dy! + o * p.dyo! + a * p.da!) / 4 + i]! * (p.gamma ? v.f32[p.gamma / 4 + a]! : 1));
      const h = (a: number) => f(f(v.f32[at(a)]! - mean) * inv);
      const es = layer ? f(axisSum(line, n, e) / f(n)) : 0;
      const hs = f(axisSum(line, n, (a) => f(e(a) * h(a))) / f(n));
      for (let a = 0; a < n; a++) v.f32[(p.dx! + o * p.xo! + a * p.xa!) / 4 + i] = inv * f(f(e(a) - es) - f(h(a) * hs));
    });
  };

const parameters =
  (layer: boolean): Reference =>
  (v, p) => {
    const line = p.inner === 1 && p.sa === 4 && p.da === 4;
    const [g, b] = [p.dgamma! / 4, layer && p.dbeta ? p.dbeta / 4 : -1];
    if (!p.acc) v.f32.fill(0, g, g + p.axis!);
    if (!p.acc && b >= 0) v.f32.fill(0, b, b + p.axis!);
    for (let o = 0; o < p.outer!; o++) {
      for (let a = 0; a < p.axis!; a++) {
        const lanesG = [0, 0, 0, 0];
        const lanesB = [0, 0, 0, 0];
        for (let i = 0; i < p.inner!; i++) {
          const d = v.f32[(p.dy! + o * p.dyo! + a * p.da!) / 4 + i]!;
          const mean = layer ? v.f32[p.mean! / 4 + o * p.inner! + i]! : 0;
          const h = f(f(v.f32[(p.x! + o * p.so! + a * p.sa!) / 4 + i]! - mean) * v.f32[p.inv! / 4 + o * p.inner! + i]!);
          lanesG[i & 3] = f(lanesG[i & 3]! + f(d * h));
          lanesB[i & 3] = f(lanesB[i & 3]! + d);
        }
        v.f32[g + a]! += line ? lanesG[0]! : tree(lanesG, add);
        if (b >= 0) v.f32[b + a]! += line ? lanesB[0]! : tree(lanesB, add);
      }
    }
  };

export const layernorm = forward(true);
export const rmsnorm = forward(false);
export const layernorm_grad = gradient(true);
export const rmsnorm_grad = gradient(false);
export const layernorm_grad_params = parameters(true);
export const rmsnorm_grad_params = parameters(false);
