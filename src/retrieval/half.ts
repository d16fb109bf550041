/** IEEE 754 half floats of non-negative weights: the values of a forward index at two bytes each. */
import { InputError } from "../core/index.js";

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/**
 * Bits of the half nearest to `value`, ties to even.
 * @throws InputError when the value is negative, NaN, or beyond the largest half (65,504)
 */
export function toHalf(value: number): number {
  if (!(value >= 0 && value < 65520)) throw new InputError(`half float: ${value} is outside 0..65504; scale the weights or store them as f32`);
  if (value < 6.103515625e-5) return roundEven(value * 16777216);
  float[0] = value;
  const b = bits[0]!;
  const kept = b >>> 13;
  const rest = b & 0x1fff;
  return kept - (112 << 10) + (rest > 0x1000 || (rest === 0x1000 && (kept & 1) === 1) ? 1 : 0);
}

/** Value of a non-negative half. */
export function fromHalf(half: number): number {
  bits[0] = half << 13;
  return float[0]! * 2 ** 112;
}

/** Nearest integer of a non-negative number, ties to even. */
function roundEven(x: number): number {
  const low = Math.floor(x);
  const rest = x - low;
  return rest > 0.5 || (rest === 0.5 && low % 2 === 1) ? low + 1 : low;
}
