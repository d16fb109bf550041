/** The functions of templates/maths.ts for one float: the same polynomials, every step rounded to single precision. */
import {
  GELU_CUBE,
  GELU_POWER,
  GELU_SCALE,
  HALF_PI_HIGH,
  HALF_PI_LOW,
  LN2_HIGH,
  LN2_LOW,
  LOG2E,
  POLY,
  POW2_SHIFT,
  TANH_LIMIT,
} from "../templates/maths.js";

const f = Math.fround;
const cell = new DataView(new ArrayBuffer(8));

export function bitsOf(x: number): number {
  cell.setFloat32(0, x);
  return cell.getInt32(0);
}

function fromBits(bits: number): number {
  cell.setInt32(0, bits);
  return cell.getFloat32(0);
}

const horner = (x: number, p: readonly number[]): number => p.reduce((sum, c, i) => (i === 0 ? f(c) : f(f(sum * x) + f(c))), 0);

/** Nearest integer, halves to even. */
export function nearest(x: number): number {
  const r = Math.round(x);
  return r - x === 0.5 && r % 2 !== 0 ? r - 1 : r === 0 && (x < 0 || Object.is(x, -0)) ? -0 : r;
}

const withSign = (magnitude: number, x: number): number => fromBits(bitsOf(magnitude) | (bitsOf(x) & 0x80000000));

/** WebAssembly's pmax: the second operand where it is greater, so the first where either is NaN. */
export function pmax(a: number, b: number): number {
  if (a < b) return b;
  return a;
}

/** WebAssembly's pmin: the second operand where it is less. */
export function pmin(a: number, b: number): number {
  if (b < a) return b;
  return a;
}

export function exp(v: number): number {
  const x = pmin(pmax(v, -104), 89);
  const k = nearest(f(x * f(LOG2E)));
  const r = f(f(x - f(k * f(LN2_HIGH))) - f(k * f(LN2_LOW)));
  const e = f(f(f(horner(r, POLY.exp) * f(r * r)) + r) + 1);
  if (Number.isNaN(k)) return Number.NaN;
  const half = k >> 1;
  return f(f(e * fromBits((half + 127) << 23)) * fromBits((k - half + 127) << 23));
}

export function log(v: number): number {
  if (!(v >= 0)) return Number.NaN;
  if (v === 0) return Number.NEGATIVE_INFINITY;
  if (v === Number.POSITIVE_INFINITY) return v;
  const tiny = v < f(1.1754943508222875e-38);
  const s = bitsOf(tiny ? v * 8388608 : v);
  const m = fromBits((s & 0x007fffff) | 0x3f000000);
  const low = m < f(Math.SQRT1_2);
  const e = (s >>> 23) - 126 - (tiny ? 23 : 0) - (low ? 1 : 0);
  const x = f(f(m - 1) + (low ? m : 0));
  const z = f(x * x);
  const y0 = f(f(horner(x, POLY.log) * x) * z);
  const y1 = f(f(y0 + f(e * f(LN2_LOW))) - f(z * 0.5));
  return f(f(x + y1) + f(e * f(LN2_HIGH)));
}

export function log1p(x: number): number {
  const u = f(x + 1);
  const l = log(u);
  return Math.abs(l) === Number.POSITIVE_INFINITY ? l : f(l - f(f(f(u - 1) - x) / u));
}

export function tanh(v: number): number {
  const x = pmin(pmax(v, f(-TANH_LIMIT)), f(TANH_LIMIT));
  const z = f(x * x);
  return pmin(pmax(f(f(horner(z, POLY.tanhTop) * x) / horner(z, POLY.tanhBelow)), -1), 1);
}

/** 1 / (1 + e^x), of which e^x is infinite from 88.37 on. */
export function sigmoid(v: number): number {
  const x = pmin(pmax(-v, -87), 89);
  const k = f(f(f(x * f(LOG2E)) + f(POW2_SHIFT)) - f(POW2_SHIFT));
  const r = f(f(x - f(k * f(LN2_HIGH))) - f(k * f(LN2_LOW)));
  const e = f(f(f(horner(r, POLY.exp) * f(r * r)) + r) + 1);
  return f(1 / f(f(e * fromBits((k + 127) << 23)) + 1));
}

/** 2^t for t in [-126, 128]. */
export function pow2(t: number): number {
  const k = f(f(t + POW2_SHIFT) - POW2_SHIFT);
  const r = f(t - k);
  return f(f(f(horner(r, POLY.pow2) * r) + 1) * fromBits((k + 127) << 23));
}

/** e^x for x <= 0, below 2^-126 zero. */
export function expBelow(x: number): number {
  const t = f(x * f(LOG2E));
  return t < -126 ? 0 : pow2(t);
}

function geluPower(x: number): number {
  const t = f(horner(f(x * x), GELU_POWER) * x);
  return f(pow2(pmin(pmax(t, -126), 128)) + 1);
}

export const gelu = (x: number): number => f(x / geluPower(x));

export function geluSlope(x: number): number {
  const s = f(1 / geluPower(x));
  const du = f(f(f(x * x) * f(6 * GELU_SCALE * GELU_CUBE)) + f(2 * GELU_SCALE));
  return f(s + f(f(f(x * s) * f(1 - s)) * du));
}

export function siluSlope(x: number): number {
  const s = sigmoid(x);
  return f(s * f(f(x * f(1 - s)) + 1));
}

export const softplus = (x: number): number => f(Math.max(x, 0) + log1p(exp(-Math.abs(x))));

/** Sine of x plus `ahead` quarter turns. */
export function sine(x: number, ahead: 0 | 1): number {
  const k = nearest(x * (2 / Math.PI));
  const r = f(x - k * HALF_PI_HIGH - k * HALF_PI_LOW);
  const turn = Math.max(-2147483648, Math.min(2147483647, k));
  const q = ((Number.isNaN(turn) ? 0 : turn) + ahead) | 0;
  const z = f(r * r);
  const s = f(f(f(horner(z, POLY.sin) * z) * r) + r);
  const c = f(f(f(f(horner(z, POLY.cos) * z) * z) - f(z * 0.5)) + 1);
  const value = q & 1 ? c : s;
  return q & 2 ? -value : value;
}

export function erf(x: number): number {
  const t = Math.abs(x);
  const s = f(x * x);
  if (!(t > 0.927734375)) return f(f(horner(s, POLY.erfSmall) * x) + x);
  let p = f(f(horner(t, POLY.erfTop) * s) + horner(t, POLY.erfNext));
  for (const c of POLY.erfRest) p = f(f(p * t) + f(c));
  return withSign(f(1 - exp(f(f(p * t) - t))), x);
}

export function pow(x: number, y: number): number {
  if (y === 0 || x === 1) return 1;
  if (Number.isNaN(x) || Number.isNaN(y)) return Number.NaN;
  const t = Math.abs(x);
  const turned = Math.abs(y % 2) === 1 && bitsOf(x) < 0;
  if (Math.abs(y) === Number.POSITIVE_INFINITY) return t === 1 ? 1 : t > 1 === y > 0 ? Number.POSITIVE_INFINITY : 0;
  if (t === 0 || t === Number.POSITIVE_INFINITY) {
    const r = (t === 0) === y < 0 ? Number.POSITIVE_INFINITY : 0;
    return turned ? -r : r;
  }
  if (x < 0 && !Number.isInteger(y)) return Number.NaN;
  cell.setFloat64(0, t);
  const bits = cell.getBigUint64(0);
  let e = Number(bits >> 52n) - 1023;
  cell.setBigUint64(0, (bits & 0x000fffffffffffffn) | 0x3ff0000000000000n);
  let m = cell.getFloat64(0);
  if (m > Math.SQRT2) {
    m *= 0.5;
    e += 1;
  }
  const s = (m - 1) / (m + 1);
  const z = s * s;
  let l = 1 / 19;
  for (const k of [17, 15, 13, 11, 9, 7, 5, 3]) l = l * z + 1 / k;
  const w = Math.max(-200, Math.min(200, y * (e + 2 * (s + s * z * l) * Math.LOG2E)));
  const k = nearest(w);
  const r = (w - k) * Math.LN2;
  let p = 1 / 6227020800;
  for (const n of [479001600, 39916800, 3628800, 362880, 40320, 5040, 720, 120, 24, 6, 2, 1, 1]) p = p * r + 1 / n;
  const value = f(p * 2 ** k);
  return turned ? -value : value;
}
