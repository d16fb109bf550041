// Overlaps of binary codes: one query against many stored codes.
// References with the same results: src/memory/codes.ts.

/**
 * Rows layout: code r is `vectors` 16-byte vectors at codes + 16 * vectors * r.
 * out[r] (u32) = popcount(code r AND query), for r in 0..count-1.
 */
export function overlapRows(codes: usize, count: u32, vectors: u32, query: usize, out: usize): void {
  const bytes: usize = usize(vectors) << 4;
  for (let r: u32 = 0; r < count; r++) {
    let sum = i32x4.splat(0);
    let at: usize = 0;
    while (at < bytes) {
      // Up to 31 vectors of byte counts (at most 8 each) fit a byte before they are widened.
      const stop: usize = min(bytes, at + 496);
      let partial = i8x16.splat(0);
      for (; at < stop; at += 16) {
        partial = i8x16.add(partial, i8x16.popcnt(v128.and(v128.load(codes + at), v128.load(query + at))));
      }
      sum = i32x4.add(sum, i32x4.extadd_pairwise_i16x8_u(i16x8.extadd_pairwise_i8x16_u(partial)));
    }
    store<u32>(
      out + (usize(r) << 2),
      i32x4.extract_lane(sum, 0) + i32x4.extract_lane(sum, 1) + i32x4.extract_lane(sum, 2) + i32x4.extract_lane(sum, 3),
    );
    codes += bytes;
  }
}

/**
 * Columns layout: the bits of cell c over all codes lie at columns + stride * c; code r is bit r & 7 of byte r >> 3.
 * Adds the `cells` listed (i32) columns bit by bit in `planes` binary digits: digit d of 128 codes lies at digits + 16 * d
 * after each block and is written to out: block b, digit d at out + 16 * (b * planes + d).
 * 2^planes must exceed `cells`, and planes is at least 3.
 */
export function overlapColumns(columns: usize, stride: u32, list: usize, cells: u32, blocks: u32, planes: u32, out: usize): void {
  for (let b: u32 = 0; b < blocks; b++) {
    const offset: usize = usize(b) << 4;
    for (let d: u32 = 0; d < planes; d++) v128.store(out + (usize(d) << 4), i32x4.splat(0));
    let c: u32 = 0;
    // Seven columns at a time through full adders: 7 -> ones, twos, fours.
    for (; c + 7 <= cells; c += 7) {
      const at: usize = list + (usize(c) << 2);
      const x0 = v128.load(columns + usize(stride) * usize(load<u32>(at)) + offset);
      const x1 = v128.load(columns + usize(stride) * usize(load<u32>(at, 4)) + offset);
      const x2 = v128.load(columns + usize(stride) * usize(load<u32>(at, 8)) + offset);
      const x3 = v128.load(columns + usize(stride) * usize(load<u32>(at, 12)) + offset);
      const x4 = v128.load(columns + usize(stride) * usize(load<u32>(at, 16)) + offset);
      const x5 = v128.load(columns + usize(stride) * usize(load<u32>(at, 20)) + offset);
      const x6 = v128.load(columns + usize(stride) * usize(load<u32>(at, 24)) + offset);
      const a0 = v128.xor(x0, x1);
      const s0 = v128.xor(a0, x2);
      const t0 = v128.or(v128.and(x0, x1), v128.and(a0, x2));
      const a1 = v128.xor(x3, x4);
      const s1 = v128.xor(a1, x5);
      const t1 = v128.or(v128.and(x3, x4), v128.and(a1, x5));
      const a2 = v128.xor(s0, s1);
      const ones = v128.xor(a2, x6);
      const t2 = v128.or(v128.and(s0, s1), v128.and(a2, x6));
      const a3 = v128.xor(t0, t1);
      const twos = v128.xor(a3, t2);
      const fours = v128.or(v128.and(t0, t1), v128.and(a3, t2));
      let carry = ones;
      let digit = v128.load(out);
      v128.store(out, v128.xor(digit, carry));
      carry = v128.and(digit, carry);
      digit = v128.load(out, 16);
      let half = v128.xor(digit, twos);
      v128.store(out, v128.xor(half, carry), 16);
      carry = v128.or(v128.and(digit, twos), v128.and(half, carry));
      digit = v128.load(out, 32);
      half = v128.xor(digit, fours);
      v128.store(out, v128.xor(half, carry), 32);
      carry = v128.or(v128.and(digit, fours), v128.and(half, carry));
      for (let d: u32 = 3; d < planes; d++) {
        const place = out + (usize(d) << 4);
        digit = v128.load(place);
        v128.store(place, v128.xor(digit, carry));
        carry = v128.and(digit, carry);
      }
    }
    for (; c < cells; c++) {
      let carry = v128.load(columns + usize(stride) * usize(load<u32>(list + (usize(c) << 2))) + offset);
      for (let d: u32 = 0; d < planes; d++) {
        const place = out + (usize(d) << 4);
        const digit = v128.load(place);
        v128.store(place, v128.xor(digit, carry));
        carry = v128.and(digit, carry);
      }
    }
    out += usize(planes) << 4;
  }
}

/**
 * Turns the digits of `overlapColumns` into one bit per code: on where the count is at least `threshold`.
 * digits: block b, digit d at digits + 16 * (b * planes + d). out: 16 bytes a block.
 */
export function atLeast(digits: usize, blocks: u32, planes: u32, threshold: u32, out: usize): void {
  const ones = i32x4.splat(-1);
  for (let b: u32 = 0; b < blocks; b++) {
    // Compared from the highest digit: greater so far, or equal so far.
    let greater = i32x4.splat(0);
    let equal = ones;
    for (let d: i32 = i32(planes) - 1; d >= 0; d--) {
      const digit = v128.load(digits + (usize(d) << 4));
      if ((threshold >> d) & 1) {
        equal = v128.and(equal, digit);
      } else {
        greater = v128.or(greater, v128.and(equal, digit));
        equal = v128.andnot(equal, digit);
      }
    }
    v128.store(out, v128.or(greater, equal));
    digits += usize(planes) << 4;
    out += 16;
  }
}

/** Turns the digits of `overlapColumns` into counts: out[r] is a u16, 128 of them a block. planes is at most 16. */
export function spread(digits: usize, blocks: u32, planes: u32, out: usize): void {
  const bits = i16x8(1, 2, 4, 8, 16, 32, 64, 128);
  for (let b: u32 = 0; b < blocks; b++) {
    for (let byte: u32 = 0; byte < 16; byte++) {
      let sum = i16x8.splat(0);
      for (let d: u32 = 0; d < planes; d++) {
        const held = i16x8.splat(i16(load<u8>(digits + (usize(d) << 4) + byte)));
        const on = i16x8.eq(v128.and(held, bits), bits);
        sum = i16x8.add(sum, v128.and(on, i16x8.splat(1 << i16(d))));
      }
      v128.store(out, sum);
      out += 16;
    }
    digits += usize(planes) << 4;
  }
}
