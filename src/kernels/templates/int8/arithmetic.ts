/**
 * What the int8 kernels share. Activations are bytes in [0, 127], weights bytes in [-127, 127], sums i32. Four channels of a pixel lie
 * side by side ("quads": [c / 4][row][pixel][4]), so that four products and their sum are one instruction of relaxed SIMD. Since an
 * activation never has its top bit set, that instruction gives the same bits on every machine; the plain build, with products of i16
 * pairs, gives them too.
 *
 * Requantisation, per output channel:  y = clamp(zero + round(scale * sum [+ rs * (r - rz)]), lo, hi), in f32, halves to even, by adding
 * 1.5 * 2^23; exact while |scale * sum| < 2^21, which the engine checks.
 */
import { INLINE } from "../emit.js";

/**
 * Builds of the int8 kernels. `plain`: products of i16 pairs. `relaxed`: the dot product of four, one instruction where the machine has it
 * for WebAssembly (AVX-VNNI, ARM's SDOT). `madd`: products and sums of two in i16, of two blocks added before they are widened; for
 * machines where the former takes five instructions.
 */
export type Int8Flavor = "plain" | "relaxed" | "madd";

/** 4 pixels x 4 channels of bytes, transposed. */
const TRANSPOSE = "0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15";

/**
 * Vectors that every kernel needs: `mask`, which transposes 4 pixels x 4 channels, i16 `ones`, and f32 `magic`, 1.5 * 2^23 (bits 0x4B400000). Made from memory at `pointer` (anything
 * readable) so that no compiler knows them to be constant: V8 makes constants and the masks of shuffles anew at every use, which took
 * twice the depthwise kernel's time.
 */
export const begin = (pointer: string): string =>
  `const seed = v128.load(${pointer}), mask = i8x16.add(i8x16(${TRANSPOSE}), i8x16.sub(seed, seed)), ones = i16x8.neg(i16x8.eq(seed, seed)), magic = i32x4.add(i32x4.splat(0x4B400000), i32x4.sub(seed, seed));`;

/** Most that weights of one sign may sum to where products with activations are added in i16. */
export const MADD_SUM = 258;

/** Bytes of a 4x4 block in the weight stream: distance to the next block's input (i32), then weights of 4 outputs x 4 inputs. */
export const BLOCK_BYTES = 20;

/** Sums of four products in each i32 lane, in the flavour's arithmetic. */
export interface Dots {
  /** Declares the sum of 4 lanes; `start` is added to it. */
  readonly open: (name: string) => string;
  /** Adds products of weight bytes and activation bytes, both named vectors made by `weight` and `data`. */
  readonly add: (name: string, weight: string, data: string) => string;
  /** Declares a weight vector from an expression of 16 signed bytes. */
  readonly weight: (name: string, bytes: string) => string;
  /** Declares a data vector from an expression of 16 bytes. */
  readonly data: (name: string, bytes: string) => string;
  /** The sum as an expression of i32x4. */
  readonly value: (name: string, start: string) => string;
}

export const dots = (flavor: Int8Flavor): Dots =>
  flavor !== "plain"
    ? {
        open: (a) => `let ${a} = i32x4.splat(0);`,
        add: (a, w, x) =>
          flavor === "madd"
            ? `${a} = i32x4.add(${a}, i32x4.dot_i16x8_s(i16x8.relaxed_dot_i8x16_i7x16_s(${w}, ${x}), ones));`
            : `${a} = i32x4.relaxed_dot_i8x16_i7x16_add_s(${w}, ${x}, ${a});`,
        weight: (name, bytes) => `const ${name} = ${bytes};`,
        data: (name, bytes) => `const ${name} = ${bytes};`,
        value: (a, start) => `i32x4.add(${a}, ${start})`,
      }
    : {
        open: (a) => `let ${a}L = i32x4.splat(0), ${a}H = i32x4.splat(0);`,
        add: (a, w, x) =>
          `${a}L = i32x4.add(${a}L, i32x4.dot_i16x8_s(${w}L, ${x}L)); ${a}H = i32x4.add(${a}H, i32x4.dot_i16x8_s(${w}H, ${x}H));`,
        weight: (name, bytes) =>
          `const ${name} = ${bytes}; const ${name}L = i16x8.extend_low_i8x16_s(${name}), ${name}H = i16x8.extend_high_i8x16_s(${name});`,
        data: (name, bytes) =>
          `const ${name} = ${bytes}; const ${name}L = i16x8.extend_low_i8x16_s(${name}), ${name}H = i16x8.extend_high_i8x16_s(${name});`,
        value: (a, start) => `i32x4.add(q8_pairs(${a}L, ${a}H), ${start})`,
      };

/** Functions that the kernels share. */
export const helpers = (flavor: Int8Flavor): string => `
${INLINE}function q8_pairs(a: v128, b: v128): v128 { return i32x4.add(v128.shuffle<i32>(a, b, 0, 2, 4, 6), v128.shuffle<i32>(a, b, 1, 3, 5, 7)); }
${INLINE}function q8_round(v: v128, magic: v128, base: v128): v128 { return i32x4.add(f32x4.add(v, magic), base); }
${INLINE}function q8_narrow(a: v128, b: v128, c: v128, d: v128, lo: v128, hi: v128): v128 {
 return i8x16.min_s(hi, i8x16.max_s(lo, i8x16.narrow_i16x8_s(i16x8.narrow_i32x4_s(a, b), i16x8.narrow_i32x4_s(c, d))));
}
${INLINE}function q8_turn(v: v128, mask: v128): v128 { return i8x16.${flavor === "plain" ? "swizzle" : "relaxed_swizzle"}(v, mask); }
`;
