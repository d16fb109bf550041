/**
 * What every binary format must do: read a valid file, refuse it cut at every byte offset or followed by rubbish, and meet any
 * damage with an InputError, quickly and without taking more memory than the bytes present justify.
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createRng, InputError, type Rng } from "../core/index.js";
import { readCifar } from "./cifar.js";
import { csvNumbers, readCsv } from "./csv.js";
import { compressedMat, plainMat } from "./fixtures/mat.js";
import { gunzip, gzip } from "./gzip.js";
import { readIdx, writeIdx } from "./idx.js";
import { readMat } from "./mat.js";
import { readNpy, writeNpy } from "./npy.js";
import { readNpz, writeNpz } from "./npz.js";
import { readSafetensors, writeSafetensors } from "./safetensors.js";
import { readSparseSafetensors, writeSparseSafetensors } from "./sparse-safetensors.js";
import { compressDense } from "./sparse-tensor.js";
import { readSvmlight } from "./svmlight.js";
import { readTar } from "./tar.js";

interface Format {
  read(bytes: Uint8Array): unknown;
  samples: Uint8Array[];
  /** The format decompresses, so that memory may grow by deflate's greatest ratio. */
  packed?: boolean;
  /** Why a cut or longer file may be valid; absent = it never is. */
  openEnded?: string;
}

const rng = createRng(20);
const floats = (n: number, zeros = 0) => Float32Array.from({ length: n }, () => (rng.uniform() < zeros ? 0 : rng.normal()));
const utf8 = (text: string) => new TextEncoder().encode(text);
const matrix = { dtype: "f32" as const, shape: [3, 4], data: floats(12) };
const bytesArray = { dtype: "u8" as const, shape: [2, 3, 3], data: Uint8Array.from({ length: 18 }, () => rng.below(256)) };
const cifar = Uint8Array.from({ length: 3073 * 2 }, (_, i) => (i % 3073 === 0 ? i % 10 : rng.below(256)));

/** A tar archive of two files, as `tar --format=ustar --owner=0 --group=0 --mtime=@0 -b1` lays it out. */
function tar(files: Record<string, Uint8Array>): Uint8Array {
  const blocks: number[] = [];
  for (const [name, data] of Object.entries(files)) {
    const octal = (value: number, digits: number) => `${value.toString(8).padStart(digits, "0")}\0`;
    const head = `${name.padEnd(100, "\0")}${octal(0o644, 7)}${octal(0, 7)}${octal(0, 7)}${octal(data.length, 11)}${octal(0, 11)}        0`;
    const header = [...utf8(`${head.padEnd(257, "\0")}ustar\0${"00"}`.padEnd(512, "\0"))];
    header.splice(
      148,
      8,
      ...utf8(
        `${octal(
          header.reduce((a, b) => a + b),
          6,
        )} `,
      ),
    );
    blocks.push(...header, ...data, ...new Array((512 - (data.length % 512)) % 512).fill(0));
  }
  return Uint8Array.from([...blocks, ...new Array(1024).fill(0)]);
}

const formats: Record<string, Format> = {
  safetensors: {
    read: readSafetensors,
    samples: [writeSafetensors({ tensors: { a: matrix, b: bytesArray, h: { ...matrix, dtype: "f16" } }, metadata: { k: "v" } })],
  },
  "sparse safetensors": {
    read: readSparseSafetensors,
    samples: [0.5, 0.95].map((zeros) =>
      writeSparseSafetensors({
        tensors: { bias: matrix },
        sparse: {
          w: compressDense(floats(400, zeros), { shape: [4, 100], layout: "csr" }),
          b: compressDense(floats(60, 0.9), { shape: [5, 12], layout: "block", block: [2, 1] }),
          n: compressDense([1, 0, 0, 0, 0, 2, 0, 0], { shape: [2, 4], layout: "nm", nm: { keep: 1, of: 4 } }),
        },
        metadata: {},
      }),
    ),
  },
  npy: { read: readNpy, samples: [writeNpy(matrix), writeNpy(bytesArray)] },
  npz: { packed: true, read: readNpz, samples: [writeNpz({ a: matrix, b: bytesArray }), writeNpz({ a: matrix }, false)] },
  idx: {
    packed: true,
    read: (bytes) => readIdx(bytes),
    samples: [writeIdx(bytesArray), writeIdx(matrix), gzip(writeIdx(bytesArray))],
  },
  gzip: { packed: true, read: (bytes) => gunzip(bytes), samples: [gzip(cifar.subarray(0, 300)), gzip(new Uint8Array(5000))] },
  cifar: {
    packed: true,
    read: (bytes) => readCifar(bytes),
    samples: [cifar],
    openEnded: "a file has as many records as it has bytes for",
  },
  mat: {
    packed: true,
    read: (bytes) => readMat(bytes),
    samples: [plainMat, compressedMat],
    openEnded: "a file has as many arrays as it has bytes for",
  },
  tar: { read: readTar, samples: [tar({ "a.txt": utf8("hello"), b: cifar.subarray(0, 600) })] },
  csv: {
    read(bytes) {
      const table = readCsv(bytes);
      return csvNumbers(table, table.rows.length ? table.rows[0]!.map((_, i) => i) : []);
    },
    samples: [utf8('a,b,"c d"\n1,2.5,-3e2\n"4",5,6\n')],
    openEnded: "text has no length",
  },
  svmlight: {
    read: (bytes) => readSvmlight(bytes),
    samples: [utf8("1 1:0.5 3:2 # x\n-1 qid:1 2:1e3\n")],
    openEnded: "text has no length",
  },
};

/** Numbers that lengths and counts lie with. */
const LIES = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff];
const TOKENS = [
  "[",
  "{",
  "}",
  ",",
  '"',
  "-1",
  "1e99",
  "9007199254740993",
  "4294967296",
  "null",
  "true",
  "\\u0000",
  "__proto__",
  "0.5",
  "NaN",
  "\n",
  ":",
];

/** One damaged copy of a sample: bit flips, lying integers, cuts, repeats, splices, changed digits, tokens. */
function damage(sample: Uint8Array, other: Uint8Array, rng: Rng): Uint8Array {
  let bytes = Uint8Array.from(sample);
  for (let times = 1 + rng.below(3); times > 0; times--) {
    if (bytes.length < 9) return bytes;
    const at = rng.below(rng.uniform() < 0.5 ? Math.min(bytes.length, 400) : bytes.length);
    const kind = rng.below(8);
    if (kind === 0) bytes[at]! ^= 1 << rng.below(8);
    else if (kind === 1) bytes[at] = rng.below(256);
    else if (kind === 2)
      new DataView(bytes.buffer).setUint32(Math.min(at, bytes.length - 4), LIES[rng.below(LIES.length)]!, rng.below(2) === 0);
    else if (kind === 3) bytes = bytes.slice(0, at);
    else if (kind === 4) bytes = Uint8Array.from([...bytes.subarray(0, at), ...bytes.subarray(Math.max(0, at - 20))]);
    else if (kind === 5) bytes = Uint8Array.from([...bytes.subarray(0, at), ...other.subarray(rng.below(other.length))]);
    else if (kind === 6) {
      const digit = bytes.findIndex((byte, i) => i >= at && byte >= 48 && byte <= 57);
      if (digit >= 0) bytes[digit] = 48 + rng.below(10);
    } else {
      const token = utf8(TOKENS[rng.below(TOKENS.length)]!);
      bytes = Uint8Array.from([
        ...bytes.subarray(0, at),
        ...token,
        ...bytes.subarray(at + (rng.below(2) === 0 ? token.length : 0)),
      ]);
    }
  }
  return bytes;
}

/** Counts the bytes of typed arrays that the code under test asks for by length. */
const constructors = ["Uint8Array", "Uint16Array", "Int32Array", "Uint32Array", "Float32Array", "Float64Array", "Array"] as const;
let allocated = 0;
const real = Object.fromEntries(constructors.map((name) => [name, globalThis[name]]));

function watchAllocations(): void {
  for (const name of constructors) {
    const width = name === "Array" ? 8 : (real[name] as Uint8ArrayConstructor).BYTES_PER_ELEMENT;
    const proxy: unknown = new Proxy(real[name] as Uint8ArrayConstructor, {
      construct(target, args, newTarget): object {
        if (args.length === 1 && typeof args[0] === "number") {
          allocated += args[0] * width;
          if (allocated > 2 ** 31) throw new Error(`asked for ${args[0]} elements of ${name}`);
        }
        return Reflect.construct(target, args, newTarget === proxy ? target : newTarget);
      },
    });
    (globalThis as Record<string, unknown>)[name] = proxy;
  }
}

afterEach(() => {
  Object.assign(globalThis, real);
});

/** Runs the parser and says how it ended; anything but success or an InputError fails the test. */
function attempt(format: Format, bytes: Uint8Array): "read" | "refused" {
  try {
    format.read(bytes);
    return "read";
  } catch (error) {
    if (error instanceof InputError) return "refused";
    throw error;
  }
}

describe.each(Object.entries(formats))("%s", (name, format) => {
  beforeEach(() => {
    allocated = 0;
  });

  it("reads its samples", () => {
    for (const sample of format.samples) expect(attempt(format, sample)).toBe("read");
  });

  it.skipIf(format.openEnded !== undefined)("refuses truncation at every byte offset, and a byte too many", () => {
    for (const sample of format.samples) {
      for (let end = 0; end < sample.length; end++) {
        if (attempt(format, sample.slice(0, end)) === "read") expect.fail(`read a file cut at byte ${end} of ${sample.length}`);
      }
      expect(attempt(format, Uint8Array.from([...sample, 0]))).toBe("refused");
    }
  });

  it("meets 10,000 damaged files with InputError alone, in bounded time and memory", () => {
    const rng = createRng(name.length * 1000 + name.charCodeAt(0));
    const counts = { read: 0, refused: 0 };
    let slowest = 0;
    let hungriest = 0;
    watchAllocations();
    for (let i = 0; i < 10_000; i++) {
      const bytes = damage(format.samples[i % format.samples.length]!, format.samples[rng.below(format.samples.length)]!, rng);
      allocated = 0;
      const start = performance.now();
      counts[attempt(format, bytes)]++;
      slowest = Math.max(slowest, performance.now() - start);
      hungriest = Math.max(hungriest, allocated - (format.packed ? 1100 : 64) * bytes.length);
    }
    expect(counts.refused).toBeGreaterThan(1000);
    expect(slowest).toBeLessThan(1000);
    // Beyond the ratio only small fixed tables are allowed.
    expect(hungriest).toBeLessThan(100_000);
  });
});
