/** References of templates/random.ts, over the stream of core/rng.ts. */
import { philox } from "../../core/index.js";
import type { Reference } from "./differential.js";
import { log, sine } from "./maths.js";
import type { Views } from "./views.js";

const f = Math.fround;

/** Uniform number i of the stream that `p.key` points at. */
const draw = (v: Views, p: Record<string, number>, i: number): number =>
  (philox((p.offset! + i) >>> 0, v.u32[p.key! / 4 + 1]!, v.u32[p.key! / 4]!) >>> 8) / 16777216;

export const philox_uniform: Reference = (v, p) => {
  for (let i = 0; i < p.n!; i++) v.f32[p.y! / 4 + i] = draw(v, p, i);
};

export const philox_normal: Reference = (v, p) => {
  for (let i = 0; i < p.n!; i++) {
    const radius = f(Math.sqrt(f(-2 * log(f(1 - draw(v, p, 2 * i))))));
    const z = f(radius * sine(f(f(2 * Math.PI) * draw(v, p, 2 * i + 1)), 1));
    v.f32[p.y! / 4 + i] = f(z * p.deviation!) + p.mean!;
  }
};

export const dropout_mask: Reference = (v, p) => {
  for (let i = 0; i < p.n!; i++) v.f32[p.y! / 4 + i] = draw(v, p, i) < p.keep! ? 1 / p.keep! : 0;
};
