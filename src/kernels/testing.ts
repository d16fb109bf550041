/** For the kernels' tests: random operands in guarded memory, and a comparison of all of memory after kernel and reference. */
import type { Rng } from "../core/index.js";
import { hasRelaxedSimd, type KernelName, type Kernels, loadKernels } from "./loader.js";
import { callKernel } from "./plan-writer.js";
import type { Views } from "./reference/views.js";
import type { Flavor } from "./templates/emit.js";

/** Places operands one behind another, with NaN between them: a read past an operand's end shows in the result. */
export class Bench {
  readonly kernels: Kernels;
  readonly rng: Rng;
  #top = 1024;

  constructor(kernels: Kernels, rng: Rng) {
    this.kernels = kernels;
    this.rng = rng;
    this.reset();
  }

  /** Forgets all operands and fills the memory with NaN. */
  reset(): void {
    const { f32 } = this.kernels.views();
    f32.fill(Number.NaN, 256);
    this.#top = 1024;
  }

  /** Room for n words, multiples of 4 bytes, not aligned beyond that. */
  room(n: number): number {
    const at = this.#top;
    this.#top += (n + 5) * 4;
    if (this.#top > this.kernels.memory.buffer.byteLength) throw new Error("Bench: memory is too small for this case");
    return at;
  }

  /** n random floats in (-1, 1). */
  floats(n: number): number {
    const at = this.room(n);
    const { f32 } = this.kernels.views();
    for (let i = 0; i < n; i++) f32[at / 4 + i] = this.rng.uniform() * 2 - 1;
    return at;
  }

  ints(values: readonly number[]): number {
    const at = this.room(values.length);
    this.kernels.views().i32.set(values, at / 4);
    return at;
  }
}

/** Kernels on a small memory of their own. */
export function testKernels(flavor: Flavor = "plain", pages = 4): Promise<Kernels> {
  return loadKernels({ flavor, shared: false, pages, maximumPages: pages });
}

/** Memory above the dispatcher's own after the reference and after the kernel, both from the present state. */
export function runBoth<A extends object>(
  kernels: Kernels,
  name: KernelName,
  reference: (views: Views, args: A) => void,
  args: A,
  scratch?: { at: number; bytes: number },
): { expected: Float32Array; actual: Float32Array } {
  const { u8 } = kernels.views();
  const before = u8.slice();
  reference(kernels.views(), args);
  const expected = u8.slice(1024);
  u8.set(before);
  callKernel(kernels, name, args as unknown as Record<string, number>, scratch?.at ?? 0);
  if (scratch) u8.set(before.subarray(scratch.at, scratch.at + scratch.bytes), scratch.at);
  const actual = u8.slice(1024);
  return { expected: new Float32Array(expected.buffer), actual: new Float32Array(actual.buffer) };
}

/** @throws Error unless both hold the same bits in every word (any NaN equals any NaN) */
export function requireSameBits({ expected, actual }: { expected: Float32Array; actual: Float32Array }, what: string): void {
  const a = new Uint32Array(expected.buffer);
  const b = new Uint32Array(actual.buffer);
  for (let i = 0; i < a.length; i++) {
    if (a[i] !== b[i] && !(Number.isNaN(expected[i]) && Number.isNaN(actual[i]))) {
      throw new Error(`${what}: word at byte ${1024 + i * 4} should be ${expected[i]}, is ${actual[i]}`);
    }
  }
}

/** The largest |expected - actual| over all of memory; infinite when a NaN stands on one side only. */
export function largestDifference({ expected, actual }: { expected: Float32Array; actual: Float32Array }): number {
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    const a = expected[i]!;
    const b = actual[i]!;
    if (Number.isNaN(a) !== Number.isNaN(b)) return Number.POSITIVE_INFINITY;
    if (a !== b && !Number.isNaN(a)) worst = Math.max(worst, Math.abs(a - b));
  }
  return worst;
}

/** The flavours that this host runs. */
export const FLAVORS: readonly Flavor[] = hasRelaxedSimd() ? ["plain", "relaxed"] : ["plain"];

/** What `compare` asserts, for test names. */
export const AGREES: Readonly<Record<Flavor, string>> = {
  plain: "equals its reference bit for bit",
  relaxed: "is within 5e-6 of its reference, relative to the largest value (or 1)",
};

/**
 * Runs kernel and reference on the same memory and compares all of it.
 * @throws Error unless they agree as AGREES says for the kernels' flavour
 */
export function compare<A extends object>(
  kernels: Kernels,
  name: KernelName,
  reference: (views: Views, args: A) => void,
  args: A,
  scratch?: { at: number; bytes: number },
): void {
  const both = runBoth(kernels, name, reference, args, scratch);
  const what = `${name} ${JSON.stringify(args)}`;
  if (kernels.flavor === "plain") {
    requireSameBits(both, what);
    return;
  }
  let largest = 1;
  for (const value of both.expected) if (Math.abs(value) > largest) largest = Math.abs(value);
  const worst = largestDifference(both);
  if (!(worst <= 5e-6 * largest)) throw new Error(`${what}: differs by ${worst}, largest value ${largest}`);
}
