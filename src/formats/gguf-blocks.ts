/** Element types of GGUF: how a block of bytes becomes a run of floats. https://github.com/ggml-org/ggml/blob/master/src/ggml-quants.c */
import { fromBfloat, fromHalf } from "../core/index.js";

/** One stored type. */
export interface BlockType {
  readonly name: string;
  /** Elements and bytes of a block. */
  readonly elements: number;
  readonly bytes: number;
  /** Decodes the block at byte `at` into `out` from `to` on. */
  decode(view: DataView, at: number, out: Float32Array, to: number): void;
}

const half = (view: DataView, at: number): number => fromHalf(view.getUint16(at, true));

const plain = (name: string, bytes: number, read: (view: DataView, at: number) => number): BlockType => ({
  name,
  elements: 1,
  bytes,
  decode: (view, at, out, to) => {
    out[to] = read(view, at);
  },
});

/** 32 elements: the low nibbles of 16 bytes, then the high ones, with a fifth bit each in q5. */
function nibbles(name: string, withMinimum: boolean, five: boolean): BlockType {
  const head = 2 + (withMinimum ? 2 : 0);
  const first = head + (five ? 4 : 0);
  return {
    name,
    elements: 32,
    bytes: first + 16,
    decode(view, at, out, to) {
      const d = half(view, at);
      const m = withMinimum ? half(view, at + 2) : 0;
      const high = five ? view.getUint32(at + head, true) : 0;
      const centre = withMinimum ? 0 : five ? 16 : 8;
      for (let j = 0; j < 32; j++) {
        const byte = view.getUint8(at + first + (j & 15));
        const q = (j < 16 ? byte & 15 : byte >> 4) | (((high >>> j) & 1) << 4);
        out[to + j] = (q - centre) * d + m;
      }
    },
  };
}

const q8: BlockType = {
  name: "Q8_0",
  elements: 32,
  bytes: 34,
  decode(view, at, out, to) {
    const d = half(view, at);
    for (let j = 0; j < 32; j++) out[to + j] = d * view.getInt8(at + 2 + j);
  },
};

/** Six-bit scale and minimum j of eight, packed in 12 bytes. */
function scaleAndMinimum(view: DataView, at: number, j: number): [number, number] {
  const q = (i: number): number => view.getUint8(at + i);
  if (j < 4) return [q(j) & 63, q(j + 4) & 63];
  return [(q(j + 4) & 15) | ((q(j - 4) >> 6) << 4), (q(j + 4) >> 4) | ((q(j) >> 6) << 4)];
}

/** 256 elements in 8 groups of 32: y = d scale q - dmin minimum. */
function kNibbles(name: string, five: boolean): BlockType {
  const low = 16 + (five ? 32 : 0);
  return {
    name,
    elements: 256,
    bytes: low + 128,
    decode(view, at, out, to) {
      const d = half(view, at);
      const dmin = half(view, at + 2);
      for (let j = 0; j < 8; j++) {
        const [scale, minimum] = scaleAndMinimum(view, at + 4, j);
        for (let l = 0; l < 32; l++) {
          const byte = view.getUint8(at + low + 32 * (j >> 1) + l);
          const high = five ? (view.getUint8(at + 16 + l) >> j) & 1 : 0;
          const q = (j & 1 ? byte >> 4 : byte & 15) + 16 * high;
          out[to + 32 * j + l] = d * scale * q - dmin * minimum;
        }
      }
    },
  };
}

/** 256 elements of 6 bits with 16 signed scales. */
const q6k: BlockType = {
  name: "Q6_K",
  elements: 256,
  bytes: 210,
  decode(view, at, out, to) {
    const d = half(view, at + 208);
    for (let n = 0; n < 2; n++) {
      for (let l = 0; l < 32; l++) {
        const high = view.getUint8(at + 128 + 32 * n + l);
        for (let k = 0; k < 4; k++) {
          const byte = view.getUint8(at + 64 * n + 32 * (k & 1) + l);
          const q = ((k < 2 ? byte & 15 : byte >> 4) | (((high >> (2 * k)) & 3) << 4)) - 32;
          const scale = view.getInt8(at + 192 + 8 * n + 2 * k + (l >> 4));
          out[to + 128 * n + 32 * k + l] = d * scale * q;
        }
      }
    }
  },
};

/** 256 elements of 2 bits in 16 groups: y = d scale q - dmin minimum. */
const q2k: BlockType = {
  name: "Q2_K",
  elements: 256,
  bytes: 84,
  decode(view, at, out, to) {
    const d = half(view, at + 80);
    const dmin = half(view, at + 82);
    for (let i = 0; i < 256; i++) {
      const [n, k, l] = [i >> 7, (i >> 5) & 3, i & 31];
      const packed = view.getUint8(at + 8 * n + 2 * k + (l >> 4));
      const q = (view.getUint8(at + 16 + 32 * n + l) >> (2 * k)) & 3;
      out[to + i] = d * (packed & 15) * q - dmin * (packed >> 4);
    }
  },
};

/** 256 elements of 3 bits with 16 six-bit scales. */
const q3k: BlockType = {
  name: "Q3_K",
  elements: 256,
  bytes: 110,
  decode(view, at, out, to) {
    const d = half(view, at + 108);
    const scaleOf = (j: number): number => {
      const low = view.getUint8(at + 96 + (j & 7));
      const high = view.getUint8(at + 104 + (j & 3));
      return ((j < 8 ? low & 15 : low >> 4) | (((high >> (2 * (j >> 2))) & 3) << 4)) - 32;
    };
    for (let i = 0; i < 256; i++) {
      const [n, k, l] = [i >> 7, (i >> 5) & 3, i & 31];
      const q = (view.getUint8(at + 32 + 32 * n + l) >> (2 * k)) & 3;
      const set = (view.getUint8(at + l) >> (4 * n + k)) & 1;
      out[to + i] = d * scaleOf(8 * n + 2 * k + (l >> 4)) * (q - (set ? 0 : 4));
    }
  },
};

/** Types by their number in files. */
export const blockTypes: Readonly<Record<number, BlockType>> = {
  0: plain("F32", 4, (view, at) => view.getFloat32(at, true)),
  1: plain("F16", 2, half),
  2: nibbles("Q4_0", false, false),
  3: nibbles("Q4_1", true, false),
  6: nibbles("Q5_0", false, true),
  7: nibbles("Q5_1", true, true),
  8: q8,
  10: q2k,
  11: q3k,
  12: kNibbles("Q4_K", false),
  13: kNibbles("Q5_K", true),
  14: q6k,
  24: plain("I8", 1, (view, at) => view.getInt8(at)),
  25: plain("I16", 2, (view, at) => view.getInt16(at, true)),
  26: plain("I32", 4, (view, at) => view.getInt32(at, true)),
  28: plain("F64", 8, (view, at) => view.getFloat64(at, true)),
  30: plain("BF16", 2, (view, at) => fromBfloat(view.getUint16(at, true))),
};
