/** LZMA, decoding only: a fifth smaller than gzip on kernels and code, in fewer lines than any package. Format: 7-Zip's LZMA specification. */

/** A tree of adaptive bits: probabilities in units of 2^-11. */
const bitTree = (bits: number): Uint16Array => new Uint16Array(1 << bits).fill(1024);

/**
 * Decodes a `.lzma` stream (13 bytes of header, then the range coder's bytes) that states its length.
 * @throws RangeError when it is damaged
 */
export function unpack(packed: Uint8Array): Uint8Array<ArrayBuffer> {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  const lc = packed[0]! % 9;
  const lp = Math.floor(packed[0]! / 9) % 5;
  const pb = Math.floor(packed[0]! / 45);
  const out = new Uint8Array(view.getUint32(5, true));
  let at = 18;
  let range = -1 >>> 0;
  let code = view.getUint32(14);

  function normalise(): void {
    if (range < 0x1000000) {
      if (at > packed.length + 8) throw new RangeError("unpack: the data is damaged or cut short");
      range = (range << 8) >>> 0;
      code = ((code << 8) | (packed[at++] ?? 0)) >>> 0;
    }
  }
  function bit(probs: Uint16Array, i: number): number {
    const p = probs[i]!;
    const bound = (range >>> 11) * p;
    let out = 0;
    if (code < bound) {
      range = bound;
      probs[i] = p + ((2048 - p) >> 5);
    } else {
      range -= bound;
      code -= bound;
      probs[i] = p - (p >> 5);
      out = 1;
    }
    normalise();
    return out;
  }
  function tree(probs: Uint16Array, bits: number, from = 0): number {
    let m = 1;
    for (let i = 0; i < bits; i++) m = (m << 1) | bit(probs, from + m);
    return m - (1 << bits);
  }
  function reverse(probs: Uint16Array, bits: number, from = 0): number {
    let m = 1;
    let symbol = 0;
    for (let i = 0; i < bits; i++) {
      const b = bit(probs, from + m);
      m = (m << 1) | b;
      symbol |= b << i;
    }
    return symbol;
  }
  function lengths(): (state: number) => number {
    const choice = bitTree(1);
    const [low, mid, high] = [bitTree(7), bitTree(7), bitTree(8)];
    return (state) => {
      if (!bit(choice, 0)) return tree(low, 3, state << 3);
      if (!bit(choice, 1)) return 8 + tree(mid, 3, state << 3);
      return 16 + tree(high, 8);
    };
  }

  const literals = bitTree(lc + lp + 10);
  const [isMatch, isLong] = [bitTree(8), bitTree(8)];
  const isRep = [bitTree(4), bitTree(4), bitTree(4), bitTree(4)] as const;
  const slots = bitTree(8);
  const align = bitTree(4);
  const special = bitTree(7);
  const [matchLength, repLength] = [lengths(), lengths()];
  const reps = [0, 0, 0, 0];
  let state = 0;

  function distance(length: number): number {
    const slot = tree(slots, 6, Math.min(length, 3) << 6);
    if (slot < 4) return slot;
    const bits = (slot >> 1) - 1;
    let d = (2 | (slot & 1)) << bits;
    if (slot < 14) return d + reverse(special, bits, d - slot);
    for (let i = bits - 1; i >= 4; i--) {
      range >>>= 1;
      const b = code >= range ? 1 : 0;
      if (b) code -= range;
      normalise();
      d += b * 2 ** i;
    }
    return d + reverse(align, 4);
  }
  for (let n = 0; n < out.length; ) {
    const position = n & ((1 << pb) - 1);
    if (!bit(isMatch, (state << 4) + position)) {
      const before = n > 0 ? out[n - 1]! : 0;
      const from = (((n & ((1 << lp) - 1)) << lc) + (before >> (8 - lc))) * 0x300;
      let symbol = 1;
      if (state >= 7) {
        let match = out[n - reps[0]! - 1]!;
        while (symbol < 0x100) {
          const expected = (match >> 7) & 1;
          match <<= 1;
          const b = bit(literals, from + ((1 + expected) << 8) + symbol);
          symbol = (symbol << 1) | b;
          if (b !== expected) break;
        }
      }
      while (symbol < 0x100) symbol = (symbol << 1) | bit(literals, from + symbol);
      out[n++] = symbol;
      state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6;
      continue;
    }
    let length: number;
    if (bit(isRep[0], state)) {
      let which = 0;
      if (!bit(isRep[1], state)) {
        if (!bit(isLong, (state << 4) + position)) {
          state = state < 7 ? 9 : 11;
          out[n] = out[n - reps[0]! - 1]!;
          n++;
          continue;
        }
      } else which = bit(isRep[2], state) ? 2 + bit(isRep[3], state) : 1;
      reps.unshift(reps.splice(which, 1)[0]!);
      length = repLength(position);
      state = state < 7 ? 8 : 11;
    } else {
      length = matchLength(position);
      reps.unshift(distance(length));
      reps.pop();
      state = state < 7 ? 7 : 10;
    }
    const back = reps[0]! + 1;
    if (back > n) throw new RangeError("unpack: the data is damaged or cut short");
    for (const end = Math.min(out.length, n + length + 2); n < end; n++) out[n] = out[n - back]!;
  }
  return out;
}
