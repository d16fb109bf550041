/**
 * Differential testing of kernels: the compiled kernel and its reference run from the same memory, and afterwards every word of
 * both memories is compared. So a test also fails when either writes outside its output.
 */
import { createRng, type Rng } from "../../core/index.js";
import type { Kernels } from "../loader.js";
import type { Views } from "./views.js";

/** A kernel written in TypeScript, with the kernel's own parameter names. */
export type Reference = (views: Views, params: Record<string, number>) => void;

/** Typed views over one buffer. */
export function viewsOf(buffer: ArrayBuffer): Views {
  return {
    f32: new Float32Array(buffer),
    i32: new Int32Array(buffer),
    u32: new Uint32Array(buffer),
    u8: new Uint8Array(buffer),
    f64: new Float64Array(buffer),
  };
}

/** Bytes given to kernels with a `scratch` parameter; not compared. */
const SCRATCH = 4096;
const FIRST = 1024 + SCRATCH;

/** A bench of memory that one case fills, runs on and compares. */
export interface Bench {
  readonly rng: Rng;
  readonly views: Views;
  /** Address of `count` words filled by `value(i)`; default: normal numbers. Blocks lie one odd gap of words apart. */
  floats(count: number, value?: (i: number) => number): number;
  ints(count: number, value: (i: number) => number): number;
  doubles(count: number, value?: (i: number) => number): number;
  /** Runs kernel and reference, and returns a description of the first difference, or null. */
  differ(name: string, reference: Reference, params: Record<string, number>): string | null;
}

/** An empty bench over the kernels' memory. */
export function bench(kernels: Kernels, seed: number): Bench {
  const rng = createRng(seed);
  const views = kernels.views();
  let top = FIRST;
  const take = (bytes: number, align: number): number => {
    const at = Math.ceil(top / align) * align;
    top = at + bytes + 4 * (1 + rng.below(7));
    if (top > views.u8.length) throw new RangeError(`bench: ${top} bytes asked, ${views.u8.length} there`);
    for (let i = at + bytes; i < top; i += 4) views.f32[i >> 2] = Number.NaN;
    return at;
  };
  return {
    rng,
    views,
    floats(count, value = () => rng.normal()) {
      const at = take(count * 4, 4);
      for (let i = 0; i < count; i++) views.f32[at / 4 + i] = value(i);
      return at;
    },
    ints(count, value) {
      const at = take(count * 4, 4);
      for (let i = 0; i < count; i++) views.i32[at / 4 + i] = value(i);
      return at;
    },
    doubles(count, value = () => rng.normal()) {
      const at = take(count * 8, 8);
      for (let i = 0; i < count; i++) views.f64[at / 8 + i] = value(i);
      return at;
    },
    differ(name, reference, params) {
      const entry = (kernels.signatures as Record<string, { params: readonly string[] }>)[name];
      if (!entry) throw new RangeError(`differ: no kernel is named ${name}`);
      const size = Math.ceil((top + 64) / 8) * 8;
      const copy = new ArrayBuffer(size);
      const expected = viewsOf(copy);
      expected.u8.set(views.u8.subarray(0, size));
      const names = entry.params.map((p) => p.split(":")[0]!);
      for (const key of Object.keys(params))
        if (!names.includes(key)) throw new RangeError(`differ: ${name} has no parameter ${key}`);
      const args = names.map((key) => {
        const value = params[key];
        if (value === undefined) throw new RangeError(`differ: ${name} needs ${key}`);
        return value;
      });
      (kernels.exports as unknown as Record<string, (...a: number[]) => void>)[name]!(...args, 1024);
      reference(expected, params);
      const got = kernels.views();
      for (let i = FIRST / 4; i < size / 4; i++) {
        if (got.u32[i] === expected.u32[i]) continue;
        const [a, b] = [got.f32[i]!, expected.f32[i]!];
        if (Number.isNaN(a) && Number.isNaN(b)) continue;
        return `${name}: word at ${i * 4} is ${a} (${got.u32[i]}), the reference has ${b} (${expected.u32[i]}); ${JSON.stringify(params)}`;
      }
      return null;
    },
  };
}
