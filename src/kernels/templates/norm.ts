/**
 * Layer and root-mean-square normalisation along the axis of tensors seen as [outer][axis][inner] (see reduce.ts).
 *
 *     layer: y = (x - mean) * inv * gamma + beta,  inv = 1 / sqrt(variance + eps)
 *     rms:   y = x * inv * gamma,                  inv = 1 / sqrt(mean of x^2 + eps)
 *
 * `gamma` and `beta` [axis] may be 0 (none). `mean` and `inv` [outer][inner] are written for the backward pass.
 * Ba et al. 2016, arXiv:1607.06450; Zhang and Sennrich 2019, arXiv:1910.07467.
 */
import type { Flavor, KernelSource, Template } from "./emit.js";

const DIMS = ["outer: i32", "axis: i32", "inner: i32"] as const;

/** Visits vectors `v` of x and running addresses: lanes along the axis where that is contiguous, else along inner. */
function forward(kind: "layer" | "rms", training: boolean): KernelSource {
  const layer = kind === "layer";
  const shift = (x: string) => (layer ? `f32x4.sub(${x}, m)` : x);
  const square = (x: string) => `f32x4.mul(${x}, ${x})`;
  const variance = `f32x4.div(f32x4.splat(1), f32x4.sqrt(f32x4.add(f32x4.div(q, size), f32x4.splat(eps))))`;
  const line = `
   let s4 = f32x4.splat(0), p = x, t = y, n = axis; const size = f32x4.splat(f32(axis));
   ${layer ? "for (; n > 0; n -= 4) { s4 = f32x4.add(s4, part(p, n)); p += 16; } const m = f32x4.div(f32x4.splat(sumLanes(s4)), size); s4 = f32x4.splat(0); p = x;" : ""}
   for (n = axis; n > 0; n -= 4) { let d = ${shift("part(p, n)")}; if (n < 4) d = v128.and(d, lanes(n)); s4 = f32x4.add(s4, ${square("d")}); p += 16; }
   const q = f32x4.splat(sumLanes(s4)), k = ${variance};
   ${layer ? "store<f32>(mean, f32x4.extract_lane(m, 0)); mean += 4;" : ""} store<f32>(inv, f32x4.extract_lane(k, 0)); inv += 4;
   let g = gamma, b = ${layer ? "beta" : "0"}; p = x;
   for (n = axis; n > 0; n -= 4) { let d = f32x4.mul(${shift("part(p, n)")}, k);
    if (gamma) { d = f32x4.mul(d, part(g, n)); g += 16; } ${layer ? "if (beta) { d = f32x4.add(d, part(b, n)); b += 16; }" : ""}
    putPart(t, d, n); p += 16; t += 16; }`;
  const column = `let xi = x, yi = y; const size = f32x4.splat(f32(axis));
   for (let n = inner; n > 0; n -= 4) { let p = xi, t = yi, s = f32x4.splat(0), q = s;
    ${layer ? "for (let a: i32 = 0; a < axis; ++a) { s = f32x4.add(s, part(p, n)); p += sa; } const m = f32x4.div(s, size); p = xi;" : ""}
    for (let a: i32 = 0; a < axis; ++a) { const d = ${shift("part(p, n)")}; q = f32x4.add(q, ${square("d")}); p += sa; }
    const k = ${variance}, move = usize(min(n, 4)) * 4;
    ${layer ? "putPart(mean, m, n); mean += move;" : ""} putPart(inv, k, n); inv += move;
    p = xi;
    for (let a: i32 = 0; a < axis; ++a) { let d = f32x4.mul(${shift("part(p, n)")}, k); const o = usize(a) * 4;
     if (gamma) d = f32x4.mul(d, v128.load32_splat(gamma + o)); ${layer ? "if (beta) d = f32x4.add(d, v128.load32_splat(beta + o));" : ""}
     putPart(t, d, n); p += sa; t += ya; }
    xi += 16; yi += 16; }`;
  return {
    name: `${kind}norm`,
    params: [
      ...DIMS,
      ...(["eps: f32", "x: usize", "so: usize", "sa: usize", "gamma: usize"] as const),
      ...(layer ? (["beta: usize"] as const) : []),
      ...(["y: usize", "yo: usize", "ya: usize"] as const),
      ...(layer ? (["mean: usize"] as const) : []),
      "inv: usize",
    ],
    body: `${training ? "const line = inner == 1 && sa == 4 && ya == 4;" : ""}
 for (let o: i32 = 0; o < outer; ++o) { ${training ? `if (line) { ${line} } else { ${column} }` : `{ ${line} }`} x += so; y += yo; }`,
  };
}

/**
 * With e = dy * gamma and h = (x - mean) * inv (rms: x * inv):
 *
 *     layer: dx = inv * (e - mean(e) - h * mean(e * h))
 *     rms:   dx = inv * (e - h * mean(e * h))
 */
function gradient(kind: "layer" | "rms"): KernelSource {
  const layer = kind === "layer";
  const hat = (x: string) => `f32x4.mul(${layer ? `f32x4.sub(${x}, m)` : x}, k)`;
  const value = (e: string, h: string) => `f32x4.mul(k, f32x4.sub(${layer ? `f32x4.sub(${e}, es)` : e}, f32x4.mul(${h}, hs)))`;
  const line = `
   const k = v128.load32_splat(inv)${layer ? ", m = v128.load32_splat(mean)" : ""}, size = f32x4.splat(f32(axis)); inv += 4; ${layer ? "mean += 4;" : ""}
   let e4 = f32x4.splat(0), h4 = e4, p = x, d = dy, g = gamma, n = axis;
   for (; n > 0; n -= 4) { let e = part(d, n); if (gamma) { e = f32x4.mul(e, part(g, n)); g += 16; }
    ${layer ? "e4 = f32x4.add(e4, e);" : ""} h4 = f32x4.add(h4, f32x4.mul(e, ${hat("part(p, n)")})); p += 16; d += 16; }
   const es = f32x4.div(f32x4.splat(sumLanes(e4)), size), hs = f32x4.div(f32x4.splat(sumLanes(h4)), size);
   p = x; d = dy; g = gamma; let t = dx;
   for (n = axis; n > 0; n -= 4) { let e = part(d, n); if (gamma) { e = f32x4.mul(e, part(g, n)); g += 16; }
    putPart(t, ${value("e", hat("part(p, n)"))}, n); p += 16; d += 16; t += 16; }`;
  const column = `let xi = x, di = dy, ti = dx; const size = f32x4.splat(f32(axis));
   for (let n = inner; n > 0; n -= 4) { const move = usize(min(n, 4)) * 4, k = part(inv, n)${layer ? ", m = part(mean, n)" : ""};
    inv += move; ${layer ? "mean += move;" : ""} let e4 = f32x4.splat(0), h4 = e4, p = xi, d = di, t = ti;
    for (let a: i32 = 0; a < axis; ++a) { let e = part(d, n); if (gamma) e = f32x4.mul(e, v128.load32_splat(gamma + usize(a) * 4));
     ${layer ? "e4 = f32x4.add(e4, e);" : ""} h4 = f32x4.add(h4, f32x4.mul(e, ${hat("part(p, n)")})); p += sa; d += da; }
    const es = f32x4.div(e4, size), hs = f32x4.div(h4, size); p = xi; d = di;
    for (let a: i32 = 0; a < axis; ++a) { let e = part(d, n); if (gamma) e = f32x4.mul(e, v128.load32_splat(gamma + usize(a) * 4));
     putPart(t, ${value("e", hat("part(p, n)"))}, n); p += sa; d += da; t += xa; }
    xi += 16; di += 16; ti += 16; }`;
  return {
    name: `${kind}norm_grad`,
    params: [
      ...DIMS,
      ...(["dy: usize", "dyo: usize", "da: usize", "x: usize", "so: usize", "sa: usize", "gamma: usize"] as const),
      ...(layer ? (["mean: usize"] as const) : []),
      ...(["inv: usize", "dx: usize", "xo: usize", "xa: usize"] as const),
    ],
    body: `const line = inner == 1 && sa == 4 && da == 4 && xa == 4;
 for (let o: i32 = 0; o < outer; ++o) { if (line) { ${line} } else { ${column} } dy += dyo; x += so; dx += xo; }`,
  };
}

/**
 * dgamma[a] (+)= sum of dy * h and dbeta[a] (+)= sum of dy, over outer and then inner in order. A caller that splits outer over
 * threads gives every part its own dgamma and dbeta and adds them with `accumulate`.
 */
function parameters(kind: "layer" | "rms"): KernelSource {
  const layer = kind === "layer";
  const hat = (x: string, m: string, k: string) => `f32x4.mul(${layer ? `f32x4.sub(${x}, ${m})` : x}, ${k})`;
  return {
    name: `${kind}norm_grad_params`,
    params: [
      ...DIMS,
      ...(["dy: usize", "dyo: usize", "da: usize", "x: usize", "so: usize", "sa: usize"] as const),
      ...(layer ? (["mean: usize"] as const) : []),
      ...(["inv: usize", "dgamma: usize"] as const),
      ...(layer ? (["dbeta: usize"] as const) : []),
      "acc: i32",
    ],
    body: `if (!acc) { memory.fill(dgamma, 0, usize(axis) * 4); ${layer ? "if (dbeta) memory.fill(dbeta, 0, usize(axis) * 4);" : ""} }
 const line = inner == 1 && sa == 4 && da == 4;
 for (let o: i32 = 0; o < outer; ++o) {
  if (line) { let p = x, d = dy, g = dgamma${layer ? ", b = dbeta" : ""}; const k = v128.load32_splat(inv)${layer ? ", m = v128.load32_splat(mean)" : ""};
   for (let n = axis; n > 0; n -= 4) { const e = part(d, n);
    putPart(g, f32x4.add(part(g, n), f32x4.mul(e, ${hat("part(p, n)", "m", "k")})), n);
    ${layer ? "if (dbeta) { putPart(b, f32x4.add(part(b, n), e), n); b += 16; }" : ""} p += 16; d += 16; g += 16; } }
  else for (let a: i32 = 0; a < axis; ++a) { let p = x + usize(a) * sa, d = dy + usize(a) * da, k = inv${layer ? ", m = mean" : ""}; let g4 = f32x4.splat(0), b4 = g4;
   for (let n = inner; n > 0; n -= 4) { const e = part(d, n); g4 = f32x4.add(g4, f32x4.mul(e, ${hat("part(p, n)", "part(m, n)", "part(k, n)")})); b4 = f32x4.add(b4, e);
    p += 16; d += 16; k += 16; ${layer ? "m += 16;" : ""} }
   const o4 = usize(a) * 4; store<f32>(dgamma + o4, load<f32>(dgamma + o4) + sumLanes(g4));
   ${layer ? "if (dbeta) store<f32>(dbeta + o4, load<f32>(dbeta + o4) + sumLanes(b4));" : ""} }
  dy += dyo; x += so; inv += usize(inner) * 4; ${layer ? "mean += usize(inner) * 4;" : ""} }`,
  };
}

/** @param training false for the browser's module: plans normalise along rows alone */
export function norms(_: Flavor, training: boolean): Template {
  return { kernels: (["layer", "rms"] as const).flatMap((kind) => [forward(kind, training), gradient(kind), parameters(kind)]) };
}
