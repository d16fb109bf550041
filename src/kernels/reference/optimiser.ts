/** References of templates/optimiser.ts. */
import type { Reference } from "./differential.js";

const f = Math.fround;

export const sgd: Reference = (v, p) => {
  const lr = v.f32[p.lr! / 4]!;
  for (let i = 0; i < p.n!; i++) {
    const w = v.f32[p.w! / 4 + i]!;
    let d = f(v.f32[p.g! / 4 + i]! + f(p.decay! * w));
    if (p.m) {
      const m = f(f(p.momentum! * v.f32[p.m / 4 + i]!) + d);
      v.f32[p.m / 4 + i] = m;
      d = p.nesterov ? f(d + f(p.momentum! * m)) : m;
    }
    v.f32[p.w! / 4 + i] = w - f(lr * d);
  }
};

export const adam: Reference = (v, p) => {
  const lr = v.f32[p.lr! / 4]!;
  const size = f(lr / v.f32[p.c! / 4]!);
  const root = f(Math.sqrt(v.f32[p.c! / 4 + 1]!));
  for (let i = 0; i < p.n!; i++) {
    const w = f(v.f32[p.w! / 4 + i]! * (p.decoupled ? f(1 - f(lr * p.decay!)) : 1));
    const d = f(v.f32[p.g! / 4 + i]! + f(w * (p.decoupled ? 0 : p.decay!)));
    const m = f(f(v.f32[p.m! / 4 + i]! * p.b1!) + f(d * p.o1!));
    const s = f(f(v.f32[p.v! / 4 + i]! * p.b2!) + f(f(d * d) * p.o2!));
    v.f32[p.m! / 4 + i] = m;
    v.f32[p.v! / 4 + i] = s;
    v.f32[p.w! / 4 + i] = w - f(f(size * m) / f(f(f(Math.sqrt(s)) / root) + p.eps!));
  }
};

export const norm2: Reference = (v, p) => {
  const s = [0, 0, 0, 0];
  for (let i = 0; i < p.n!; i++) s[i & 3]! += v.f32[p.x! / 4 + i]! ** 2;
  v.f64[p.out! / 8] = s[0]! + s[1]! + (s[2]! + s[3]!);
};

export const scale_ptr: Reference = (v, p) => {
  for (let i = 0; i < p.n!; i++) v.f32[p.x! / 4 + i]! *= v.f32[p.s! / 4]!;
};
