/**
 * Transcendental functions of four floats, as polynomials whose every step is an IEEE operation: the references repeat them
 * bit for bit. exp, log, sin, cos: the single-precision Cephes coefficients (Moshier); erf: two minimax pieces. Fitted by least squares with
 * Lawson's weights: pow2, 2^f / (1 + f p(f)) on |f| <= 1/2, relative error 2.0e-9 before rounding; tanh, x p(x^2) / q(x^2) on |x| <= 9.02, 2.1e-8.
 * Errors are asserted in elementwise.test.ts.
 */
import { type Flavor, INLINE, seq, type Template } from "./emit.js";

/** Floats between the control block and the words of single calls (scripts/build-kernels.ts puts the constants there). */
const MOST_CONSTANTS = 96;

/** Bits of the constants, as they come up. */
const pool: number[] = [];

/** Four copies of the integer `bits`, from memory: V8 of Node 24 makes a constant vector anew at every use, in several instructions. */
const bitsSplat = (bits: number): string => {
  if (!pool.includes(bits)) pool.push(bits);
  return `v128.load32_splat(CONSTANTS, ${pool.indexOf(bits) * 4})`;
};

/** Four copies of a float. */
export const splat = (v: number): string => (v === 0 ? "f32x4.splat(0)" : bitsSplat(new Int32Array(Float32Array.of(v).buffer)[0]!));

/** p[0] x^k + p[1] x^(k-1) + ... by Horner's rule, as an expression of `x`. */
export const horner = (x: string, p: readonly number[]): string =>
  p.slice(1).reduce((sum, c) => `f32x4.add(f32x4.mul(${sum}, ${x}), ${splat(c)})`, splat(p[0]!));

/** Coefficients, shared with the references. */
export const POLY = {
  exp: [1.98756915e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1],
  pow2: [1.5353362e-4, 1.3398875e-3, 9.61843692e-3, 5.55033237e-2, 2.40226477e-1, 6.93147182e-1],
  log: [
    7.0376836292e-2, -1.151461031e-1, 1.167699874e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1, 2.0000714765e-1,
    -2.4999993993e-1, 3.3333331174e-1,
  ],
  tanhTop: [1.33190667e-8, 2.05834767e-5, 3.49403429e-3, 1.33797184e-1, 1],
  tanhBelow: [7.76201716e-7, 3.28309222e-4, 2.5871072e-2, 4.67130333e-1, 1],
  sin: [-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1],
  cos: [2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2],
  erfSmall: [-5.96761703e-4, 4.99119423e-3, -2.67681349e-2, 1.12819925e-1, -3.76125336e-1, 1.28379166e-1],
  erfTop: [-1.7285347e-5, 3.83197126e-4],
  erfNext: [-3.88396438e-3, 2.42546219e-2],
  erfRest: [-1.06777877e-1, -6.34846687e-1, -1.28717512e-1],
} as const;

/** log2(e), and ln 2 in two pieces whose first has few bits. */
export const LOG2E = Math.LOG2E;
export const LN2_HIGH = 0.693359375;
export const LN2_LOW = -2.1219444e-4;
/** Beyond it tanh is 1 to within half a unit in the last place. */
export const TANH_LIMIT = 9.02;
/** pi / 2 in double precision, in two pieces: 33 bits and the rest. */
export const HALF_PI_HIGH = 1.5707963267341256;
export const HALF_PI_LOW = 6.077100506506192e-11;
/** 1.5 x 2^23 rounds a sum to an integer; with the exponent's bias. */
export const POW2_SHIFT = 12582912 + 127;
/** sqrt(2 / pi) and the cubic coefficient of the tanh form of GELU (Hendrycks and Gimpel 2016, arXiv:1606.08415). */
export const GELU_SCALE = 0.7978845608028654;
export const GELU_CUBE = 0.044715;
/** The tanh form is x / (1 + 2^t) with t = x (GELU_POWER[0] x^2 + GELU_POWER[1]). */
export const GELU_POWER = [-2 * GELU_SCALE * GELU_CUBE * Math.LOG2E, -2 * GELU_SCALE * Math.LOG2E] as const;

/**
 * Statements done for n vectors before the next ones: a constant is loaded once for all of them. In the statements `$name` is a vector's own
 * variable (name_0, name_1, ...), and `#` its distance in bytes from the first vector.
 */
export const abreast = (n: number, statements: readonly string[]): string =>
  statements
    .map((statement, i) => {
      const loads = new Set<string>();
      const text = statement.replaceAll(/v128\.load32_splat\(CONSTANTS, (\d+)\)/g, (load, at: string) => {
        loads.add(`const c${i}_${at} = ${load};`);
        return `c${i}_${at}`;
      });
      return [...loads, ...seq(n).map((u) => text.replaceAll(/\$(\w+)/g, `$1_${u}`).replaceAll("#", String(u * 16)))].join(" ");
    })
    .join("\n ");

/** Horner's rule as statements. */
const hornerSteps = (sum: string, x: string, p: readonly number[]): string[] => [
  `let ${sum} = f32x4.add(f32x4.mul(${x}, ${splat(p[0]!)}), ${splat(p[1]!)});`,
  ...p.slice(2).map((c) => `${sum} = f32x4.add(f32x4.mul(${sum}, ${x}), ${splat(c)});`),
];

/** $e = e^$v: $v clamped to where the result is neither 0 nor infinite, x = k ln 2 + r, e^x = 2^k e^r; 2^k in two factors reaches subnormals. */
const EXP_STEPS = [
  `const $x = f32x4.pmin(f32x4.pmax($v, ${splat(-104)}), ${splat(89)}), $k = f32x4.nearest(f32x4.mul($x, ${splat(LOG2E)}));`,
  `const $r = f32x4.sub(f32x4.sub($x, f32x4.mul($k, ${splat(LN2_HIGH)})), f32x4.mul($k, ${splat(LN2_LOW)}));`,
  ...hornerSteps("$e", "$r", POLY.exp),
  `$e = f32x4.add(f32x4.add(f32x4.mul($e, f32x4.mul($r, $r)), $r), ${splat(1)});`,
  // k as an integer: added to 1.5 x 2^23 it stands in the last bits (for NaN anything: e is NaN then)
  `const $i = i32x4.sub(f32x4.add($k, ${splat(12582912)}), ${bitsSplat(0x4b400000)}), $j = i32x4.shr_s($i, 1);`,
  `$e = f32x4.mul(f32x4.mul($e, i32x4.shl(i32x4.add($j, ${bitsSplat(127)}), 23)), i32x4.shl(i32x4.add(i32x4.sub($i, $j), ${bitsSplat(127)}), 23));`,
];

/** $e = 2^$t for $t in [-126, 128] within 1.2e-7 of itself, t = k + f: k + 127 stands in the last bits of t + 1.5 x 2^23 + 127, the exponent of 2^k. */
const POW2_STEPS = [
  `const $k = f32x4.add($t, ${splat(POW2_SHIFT)}), $f = f32x4.sub($t, f32x4.sub($k, ${splat(POW2_SHIFT)}));`,
  ...hornerSteps("$e", "$f", POLY.pow2),
  `$e = f32x4.mul(f32x4.add(f32x4.mul($e, $f), ${splat(1)}), i32x4.shl($k, 23));`,
];

/** $e = e^$v for $v <= 0, below 2^-126 zero: within |v| 1e-7 of itself. */
export const EXP_BELOW_STEPS = [
  `const $t = f32x4.mul($v, ${splat(LOG2E)});`,
  ...POW2_STEPS,
  `$e = v128.andnot($e, f32x4.lt($t, ${splat(-126)}));`,
];

/** $e = e^$x for $x in [-87, 88.37], infinite beyond: EXP_STEPS with 2^k in one factor. */
const EXP_MIDDLE_STEPS = [
  `const $i = f32x4.add(f32x4.mul($x, ${splat(LOG2E)}), ${splat(POW2_SHIFT)}), $k = f32x4.sub($i, ${splat(POW2_SHIFT)});`,
  `const $r = f32x4.sub(f32x4.sub($x, f32x4.mul($k, ${splat(LN2_HIGH)})), f32x4.mul($k, ${splat(LN2_LOW)}));`,
  ...hornerSteps("$e", "$r", POLY.exp),
  `$e = f32x4.mul(f32x4.add(f32x4.add(f32x4.mul($e, f32x4.mul($r, $r)), $r), ${splat(1)}), i32x4.shl($i, 23));`,
];

/** $e = 1 + 2^t, which GELU divides $v by. */
const GELU_STEPS = [
  `let $t = f32x4.mul(${horner("f32x4.mul($v, $v)", GELU_POWER)}, $v);`,
  `$t = f32x4.pmin(f32x4.pmax($t, ${splat(-126)}), ${splat(128)});`,
  ...POW2_STEPS,
  `$e = f32x4.add($e, ${splat(1)});`,
];

/** Functions $e of $v for loops that take several vectors a turn. */
export const STEPS = {
  sigmoid: [
    `const $x = f32x4.pmin(f32x4.pmax(f32x4.neg($v), ${splat(-87)}), ${splat(89)});`,
    ...EXP_MIDDLE_STEPS,
    `$e = f32x4.div(${splat(1)}, f32x4.add($e, ${splat(1)}));`,
  ],
  tanh: [
    `const $x = f32x4.pmin(f32x4.pmax($v, ${splat(-TANH_LIMIT)}), ${splat(TANH_LIMIT)}), $z = f32x4.mul($x, $x);`,
    ...hornerSteps("$e", "$z", POLY.tanhTop),
    ...hornerSteps("$q", "$z", POLY.tanhBelow),
    `$e = f32x4.pmin(f32x4.pmax(f32x4.div(f32x4.mul($e, $x), $q), ${splat(-1)}), ${splat(1)});`,
  ],
  gelu: [...GELU_STEPS, "$e = f32x4.div($v, $e);"],
} as const;

const one = (name: string, steps: readonly string[]): string =>
  `${INLINE}function ${name}(v_0: v128): v128 { ${abreast(1, steps)} return e_0; }`;

const SELECT = (when: string, yes: string, no: string) => `v128.bitselect(${yes}, ${no}, ${when})`;
const ABS = "f32x4.abs(x)";

const helpers = `
${one("exp4", EXP_STEPS)}
// subnormals are scaled up by 2^23; mantissa in [sqrt(1/2), sqrt(2)) minus 1
${INLINE}function log4(v: v128): v128 {
 const tiny = f32x4.lt(v, ${splat(1.1754943508222875e-38)});
 const s = ${SELECT("tiny", `f32x4.mul(v, ${splat(8388608)})`, "v")};
 const m = v128.or(v128.and(s, ${bitsSplat(0x007fffff)}), ${splat(0.5)});
 const low = f32x4.lt(m, ${splat(Math.SQRT1_2)});
 const e0 = f32x4.convert_i32x4_s(i32x4.sub(i32x4.shr_u(s, 23), i32x4.splat(126)));
 const e = f32x4.sub(f32x4.sub(e0, v128.and(tiny, ${splat(23)})), v128.and(low, ${splat(1)}));
 const x = f32x4.add(f32x4.sub(m, ${splat(1)}), v128.and(low, m));
 const z = f32x4.mul(x, x);
 const y0 = f32x4.mul(f32x4.mul(${horner("x", POLY.log)}, x), z);
 const y1 = f32x4.sub(f32x4.add(y0, f32x4.mul(e, ${splat(LN2_LOW)})), f32x4.mul(z, ${splat(0.5)}));
 const r = f32x4.add(f32x4.add(x, y1), f32x4.mul(e, ${splat(LN2_HIGH)}));
 const zero = f32x4.eq(v, ${splat(0)}), bad = v128.not(f32x4.ge(v, ${splat(0)})), huge = f32x4.eq(v, f32x4.splat(f32.POSITIVE_INFINITY));
 return ${SELECT("bad", "f32x4.splat(f32.NaN)", SELECT("zero", "f32x4.splat(f32.NEGATIVE_INFINITY)", SELECT("huge", "v", "r")))};
}
// log(u) with u = 1 + x, less the rounding error of u
${INLINE}function log1p4(x: v128): v128 {
 const u = f32x4.add(x, ${splat(1)}), l = log4(u);
 const r = f32x4.sub(l, f32x4.div(f32x4.sub(f32x4.sub(u, ${splat(1)}), x), u));
 return ${SELECT("f32x4.gt(f32x4.abs(l), f32x4.splat(f32.MAX_VALUE))", "l", "r")};
}
${one("tanh4", STEPS.tanh)}
${INLINE}function gelu4(x: v128): v128 { return f32x4.div(x, gelu_power(x)); }
${one("sigmoid4", STEPS.sigmoid)}
${one("exp_below", EXP_BELOW_STEPS).slice(INLINE.length)}
${one("gelu_power", GELU_STEPS)}
// s + x s (1 - s) 2 GELU_SCALE (1 + 3 c x^2) with s = 1 / (1 + 2^t)
${INLINE}function gelu_slope(x: v128): v128 {
 const s = f32x4.div(${splat(1)}, gelu_power(x));
 const du = f32x4.add(f32x4.mul(f32x4.mul(x, x), ${splat(6 * GELU_SCALE * GELU_CUBE)}), ${splat(2 * GELU_SCALE)});
 return f32x4.add(s, f32x4.mul(f32x4.mul(f32x4.mul(x, s), f32x4.sub(${splat(1)}, s)), du));
}
// s (1 + x (1 - s)) with s = sigmoid(x)
${INLINE}function silu_slope(x: v128): v128 { const s = sigmoid4(x);
 return f32x4.mul(s, f32x4.add(f32x4.mul(x, f32x4.sub(${splat(1)}, s)), ${splat(1)}));
}
${INLINE}function softplus4(x: v128): v128 { return f32x4.add(f32x4.max(x, ${splat(0)}), log1p4(exp4(f32x4.neg(${ABS})))); }
// quadrant and remainder in double precision, so that the reduction holds to |x| about 2^30; then two polynomials
${INLINE}function turn2(x: v128): v128 { return f64x2.nearest(f64x2.mul(x, f64x2.splat(${2 / Math.PI}))); }
${INLINE}function rest2(x: v128, k: v128): v128 {
 return f64x2.sub(f64x2.sub(x, f64x2.mul(k, f64x2.splat(${HALF_PI_HIGH}))), f64x2.mul(k, f64x2.splat(${HALF_PI_LOW})));
}
${INLINE}function sine4(v: v128, ahead: i32): v128 {
 const a = f64x2.promote_low_f32x4(v), b = f64x2.promote_low_f32x4(v128.shuffle<f32>(v, v, 2, 3, 0, 1));
 const ka = turn2(a), kb = turn2(b);
 const x = v128.shuffle<f32>(f32x4.demote_f64x2_zero(rest2(a, ka)), f32x4.demote_f64x2_zero(rest2(b, kb)), 0, 1, 4, 5);
 const q = i32x4.add(v128.shuffle<i32>(i32x4.trunc_sat_f64x2_s_zero(ka), i32x4.trunc_sat_f64x2_s_zero(kb), 0, 1, 4, 5), i32x4.splat(ahead));
 const z = f32x4.mul(x, x);
 const s = f32x4.add(f32x4.mul(f32x4.mul(${horner("z", POLY.sin)}, z), x), x);
 const c = f32x4.add(f32x4.sub(f32x4.mul(f32x4.mul(${horner("z", POLY.cos)}, z), z), f32x4.mul(z, ${splat(0.5)})), ${splat(1)});
 const odd = i32x4.ne(v128.and(q, i32x4.splat(1)), i32x4.splat(0));
 return v128.xor(${SELECT("odd", "c", "s")}, i32x4.shl(v128.and(q, i32x4.splat(2)), 30));
}
${INLINE}function erf4(x: v128): v128 {
 const t = ${ABS}, s = f32x4.mul(x, x);
 const near = f32x4.add(f32x4.mul(${horner("s", POLY.erfSmall)}, x), x);
 const top = f32x4.add(f32x4.mul(${horner("t", POLY.erfTop)}, s), ${horner("t", POLY.erfNext)});
 let p = top;
 ${POLY.erfRest.map((c) => `p = f32x4.add(f32x4.mul(p, t), ${splat(c)});`).join(" ")}
 const far = f32x4.sub(${splat(1)}, exp4(f32x4.sub(f32x4.mul(p, t), t)));
 return ${SELECT(`f32x4.gt(t, ${splat(0.927734375)})`, `v128.or(far, v128.and(x, ${bitsSplat(-0x80000000)}))`, "near")};
}
// x^y in double precision, rounded once: 2^(y log2 x) by a series of log and exp
function pow1(x: f32, y: f32): f32 {
 if (y == 0 || x == 1) return 1;
 if (x != x || y != y) return f32.NaN;
 const whole = nearest(y) == y, odd = whole && nearest(y * 0.5) * 2 != y;
 const t = abs(x), turned = odd && (reinterpret<u32>(x) >>> 31) != 0;
 if (y == f32.POSITIVE_INFINITY) return t == 1 ? 1 : t > 1 ? y : 0;
 if (y == f32.NEGATIVE_INFINITY) return t == 1 ? 1 : t > 1 ? 0 : f32.POSITIVE_INFINITY;
 if (t == 0 || t == f32.POSITIVE_INFINITY) { const big = (t == 0) == (y < 0), r: f32 = big ? f32.POSITIVE_INFINITY : 0; return turned ? -r : r; }
 if (x < 0 && !whole) return f32.NaN;
 const bits = reinterpret<u64>(f64(t));
 let e = f64(i32(bits >>> 52) - 1023), m = reinterpret<f64>((bits & 0x000fffffffffffff) | 0x3ff0000000000000);
 if (m > ${Math.SQRT2}) { m *= 0.5; e += 1; }
 const s = (m - 1) / (m + 1), z = s * s;
 let l: f64 = ${1 / 19};
 ${[17, 15, 13, 11, 9, 7, 5, 3].map((k) => `l = l * z + ${1 / k};`).join(" ")}
 const w = max<f64>(-200, min<f64>(200, f64(y) * (e + 2 * (s + s * z * l) * ${Math.LOG2E})));
 const k = nearest(w), r = (w - k) * ${Math.LN2};
 let p: f64 = ${1 / 6227020800};
 ${[479001600, 39916800, 3628800, 362880, 40320, 5040, 720, 120, 24, 6, 2, 1, 1].map((f) => `p = p * r + ${f === 1 ? "1.0" : 1 / f};`).join(" ")}
 const v = f32(p * reinterpret<f64>(u64(i64(k) + 1023) << 52));
 return turned ? -v : v;
}
// up to four floats, zeros after them
function few(p: usize, n: i32): v128 {
 if (n == 1) return v128.load32_zero(p);
 const v = v128.load64_zero(p);
 return n == 2 ? v : v128.load32_lane(p + 8, v, 2);
}
function putFew(p: usize, v: v128, n: i32): void {
 if (n == 1) { v128.store32_lane(p, v, 0); return; }
 v128.store64_lane(p, v, 0);
 if (n == 3) v128.store32_lane(p + 8, v, 2);
}
${INLINE}function part(p: usize, n: i32): v128 { return n >= 4 ? v128.load(p) : few(p, n); }
${INLINE}function putPart(p: usize, v: v128, n: i32): void { if (n >= 4) v128.store(p, v); else putFew(p, v, n); }
// lanes below n
${INLINE}function lanes(n: i32): v128 { return i32x4.gt_s(i32x4.splat(n), i32x4(0, 1, 2, 3)); }
${INLINE}function sumLanes(v: v128): f32 { return (f32x4.extract_lane(v, 0) + f32x4.extract_lane(v, 1)) + (f32x4.extract_lane(v, 2) + f32x4.extract_lane(v, 3)); }
${INLINE}function maxLanes(v: v128): f32 { return max(max(f32x4.extract_lane(v, 0), f32x4.extract_lane(v, 1)), max(f32x4.extract_lane(v, 2), f32x4.extract_lane(v, 3))); }
${INLINE}function minLanes(v: v128): f32 { return min(min(f32x4.extract_lane(v, 0), f32x4.extract_lane(v, 1)), min(f32x4.extract_lane(v, 2), f32x4.extract_lane(v, 3))); }
`;

/** Functions that many others hold: in the browser's module they are called, which costs a nanosecond and saves 1 KB. */
const CALLED = ["exp4", "log4"].map((name) => [`${INLINE}function ${name}(`, `function ${name}(`] as const);

/** No kernels: functions that the other templates use. @param training false for the browser's module */
export function maths(_: Flavor, training: boolean): Template {
  if (pool.length > MOST_CONSTANTS) throw new Error(`maths: ${pool.length} constants, there is room for ${MOST_CONSTANTS}`);
  const text = training ? helpers : CALLED.reduce((all, [inlined, called]) => all.replace(inlined, called), helpers);
  return { helpers: `const CONSTANTS: usize = memory.data<i32>([${pool}]);\n${text}`, kernels: [] };
}
