/** Update rules, one pass each, with PyTorch's formulas. Learning rates and bias corrections are read from memory: plans stay fixed. */
import type { KernelSource, Template } from "./emit.js";
import { flat, type Place } from "./strip.js";

function sgd(): KernelSource {
  const step = (at: Place, g: string) => at.store("w", `f32x4.sub(p, f32x4.mul(rate, ${g}))`);
  const load = (at: Place) => `const p = ${at.load("w")}, d = f32x4.add(${at.load("g")}, f32x4.mul(wd, p));`;
  const moved = (at: Place) => `${load(at)} const v = f32x4.add(f32x4.mul(mu, ${at.load("m")}), d); ${at.store("m", "v")}`;
  return {
    name: "sgd",
    params: ["n: i32", "w: usize", "g: usize", "m: usize", "lr: usize", "momentum: f32", "decay: f32", "nesterov: i32"],
    body: `const rate = v128.load32_splat(lr), mu = f32x4.splat(momentum), wd = f32x4.splat(decay);
 if (!m) ${flat(["w", "g"], (at) => `${load(at)} ${step(at, "d")}`)}
 else if (nesterov) ${flat(["w", "g", "m"], (at) => `${moved(at)} ${step(at, "f32x4.add(d, f32x4.mul(mu, v))")}`)}
 else ${flat(["w", "g", "m"], (at) => `${moved(at)} ${step(at, "v")}`)}`,
  };
}

function adam(): KernelSource {
  return {
    name: "adam",
    params: [
      ...(["n: i32", "w: usize", "g: usize", "m: usize", "v: usize", "lr: usize", "c: usize"] as const),
      ...(["b1: f32", "b2: f32", "o1: f32", "o2: f32", "eps: f32", "decay: f32", "decoupled: i32"] as const),
    ],
    body: `const rate = load<f32>(lr), size = f32x4.splat(rate / load<f32>(c)), root = f32x4.splat(sqrt(load<f32>(c, 4)));
 const shrink = f32x4.splat(decoupled ? 1 - rate * decay : 1), wd = f32x4.splat(decoupled ? 0 : decay);
 const k1 = f32x4.splat(b1), p1 = f32x4.splat(o1), k2 = f32x4.splat(b2), p2 = f32x4.splat(o2), tiny = f32x4.splat(eps);
 ${flat(
   ["w", "g", "m", "v"],
   (at) => `const p = f32x4.mul(${at.load("w")}, shrink), d = f32x4.add(${at.load("g")}, f32x4.mul(wd, p));
   const m1 = f32x4.add(f32x4.mul(${at.load("m")}, k1), f32x4.mul(d, p1)), v1 = f32x4.add(f32x4.mul(${at.load("v")}, k2), f32x4.mul(f32x4.mul(d, d), p2));
   ${at.store("m", "m1")} ${at.store("v", "v1")}
   ${at.store("w", "f32x4.sub(p, f32x4.div(f32x4.mul(size, m1), f32x4.add(f32x4.div(f32x4.sqrt(v1), root), tiny)))")}`,
   1,
 )}`,
  };
}

/** Sum of squares in double precision: two accumulators of two lanes, then lanes in order. */
const norm2: KernelSource = {
  name: "norm2",
  params: ["n: i32", "x: usize", "out: usize"],
  body: `let a = f64x2.splat(0), b = a;
 for (; n > 0; n -= 4) { const v = part(x, n), l = f64x2.promote_low_f32x4(v), h = f64x2.promote_low_f32x4(v128.shuffle<f32>(v, v, 2, 3, 0, 1));
  a = f64x2.add(a, f64x2.mul(l, l)); b = f64x2.add(b, f64x2.mul(h, h)); x += 16; }
 store<f64>(out, (f64x2.extract_lane(a, 0) + f64x2.extract_lane(a, 1)) + (f64x2.extract_lane(b, 0) + f64x2.extract_lane(b, 1)));`,
};

const scalePtr: KernelSource = {
  name: "scale_ptr",
  params: ["n: i32", "x: usize", "s: usize"],
  body: `const k = v128.load32_splat(s); ${flat(["x"], (at) => at.store("x", `f32x4.mul(${at.load("x")}, k)`))}`,
};

export function optimiser(): Template {
  return { kernels: [sgd(), adam(), norm2, scalePtr] };
}
