/**
 * Exact inner products against a dense query; entry i adds to accumulator i mod 4, sum (0 + 1) + (2 + 3).
 *
 * Halves are widened by shifting: the bits of a half, moved up 13, are the float times 2^-112. The dense query is held
 * times 2^112 for such an index, so the product is the product of the widened half.
 */
import { DENSE, DOC_QUADS, FORWARD, STATS, word } from "./context.as";

function sum4(v: v128): f32 {
  return f32x4.extract_lane(v, 0) + f32x4.extract_lane(v, 1) + (f32x4.extract_lane(v, 2) + f32x4.extract_lane(v, 3));
}

function gather16(dense: usize, c: u64): v128 {
  let q = v128.load32_zero(dense + ((<usize>c & 0xffff) << 2));
  q = v128.load32_lane(dense + ((<usize>(c >> 16) & 0xffff) << 2), q, 1);
  q = v128.load32_lane(dense + ((<usize>(c >> 32) & 0xffff) << 2), q, 2);
  return v128.load32_lane(dense + ((<usize>(c >> 48)) << 2), q, 3);
}

function gather32(dense: usize, at: usize): v128 {
  let q = v128.load32_zero(dense + (load<u32>(at) << 2));
  q = v128.load32_lane(dense + (load<u32>(at, 4) << 2), q, 1);
  q = v128.load32_lane(dense + (load<u32>(at, 8) << 2), q, 2);
  return v128.load32_lane(dense + (load<u32>(at, 12) << 2), q, 3);
}

function values4<V>(at: usize): v128 {
  if (sizeof<V>() === 2) return i32x4.shl(v128.load16x4_u(at), 13);
  if (sizeof<V>() === 1) return f32x4.convert_i32x4_u(i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(at))));
  return v128.load(at);
}

/** V: u8 codes with a scale before the record, u16 halves, or f32. C: u16 or u32 coordinates. */
function dotOf<C, V>(ctx: usize, dense: usize, d: u32): f32 {
  const quads = word(ctx, DOC_QUADS) + (d << 2);
  const from = load<u32>(quads),
    to = load<u32>(quads, 4);
  const quadBytes: usize = 4 * (sizeof<C>() + sizeof<V>());
  let at: usize = word(ctx, FORWARD) + from * <u32>quadBytes;
  let scale: f32 = 1;
  if (sizeof<V>() === 1) {
    at += (<usize>d) << 2;
    scale = load<f32>(at);
    at += 4;
  }
  const end = at + <usize>(to - from) * quadBytes;
  let a = f32x4.splat(0);
  while (at < end) {
    const q = sizeof<C>() === 2 ? gather16(dense, load<u64>(at)) : gather32(dense, at);
    a = f32x4.add(a, f32x4.mul(q, values4<V>(at + 4 * sizeof<C>())));
    at += quadBytes;
  }
  return sizeof<V>() === 1 ? scale * sum4(a) : sum4(a);
}

/** The product of document `d` and the dense query; `kind` says how the index holds values and coordinates. */
export function dot(ctx: usize, kind: u32, dense: usize, d: u32): f32 {
  switch (kind) {
    case 0:
      return dotOf<u16, u16>(ctx, dense, d);
    case 1:
      return dotOf<u16, u8>(ctx, dense, d);
    case 2:
      return dotOf<u16, f32>(ctx, dense, d);
    case 3:
      return dotOf<u32, u16>(ctx, dense, d);
    case 4:
      return dotOf<u32, u8>(ctx, dense, d);
    default:
      return dotOf<u32, f32>(ctx, dense, d);
  }
}

/** Reads one byte of every cache line of some records: the misses overlap, where scores one by one would wait for each. */
export function touch(ctx: usize, kind: u32, log: usize, from: u32, to: u32): void {
  const coord: u32 = kind < 3 ? 2 : 4;
  const form = kind < 3 ? kind : kind - 3;
  const quadBytes = 4 * (coord + (form === 0 ? 2 : form === 1 ? 1 : 4));
  const extra: u32 = form === 1 ? 4 : 0;
  const quads: usize = word(ctx, DOC_QUADS);
  const forward: usize = word(ctx, FORWARD);
  let sink: u32 = 0;
  for (let i = from; i < to; i++) {
    const d = load<u32>(log + (i << 2));
    const q = quads + (d << 2);
    let at = forward + load<u32>(q) * quadBytes + d * extra;
    const end = forward + load<u32>(q, 4) * quadBytes + d * extra;
    for (; at < end; at += 64) sink ^= load<u8>(at);
  }
  store<u32>(word(ctx, STATS), sink, 12);
}

/** 2^112 for halves, which are widened by shifting. */
function queryScale(kind: u32): f32 {
  return kind === 0 || kind === 3 ? reinterpret<f32>(0x77800000) : 1;
}

/** Writes a query into the dense row. */
export function fillDense(ctx: usize, kind: u32, indices: usize, values: usize, n: u32): void {
  const dense: usize = word(ctx, DENSE);
  const scale = queryScale(kind);
  for (let j: u32 = 0; j < n; j++) store<f32>(dense + (load<u32>(indices + (j << 2)) << 2), load<f32>(values + (j << 2)) * scale);
}

/** Zeroes what a query wrote. */
export function clearDense(ctx: usize, indices: usize, n: u32): void {
  const dense: usize = word(ctx, DENSE);
  for (let j: u32 = 0; j < n; j++) store<f32>(dense + (load<u32>(indices + (j << 2)) << 2), 0);
}
