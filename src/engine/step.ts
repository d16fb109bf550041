/** What a plan is made of before it is written: buffers, and steps that read and write them unit by unit. */
import type { Instruction, KernelName } from "../kernels/index.js";

/** A piece of memory that steps use. `fixed` buffers have an address (params, inputs, index lists); `temporary` ones get one. */
export interface Buffer {
  readonly id: number;
  readonly name: string;
  readonly bytes: number;
  address: number;
  readonly fixed: boolean;
  /** What one unit of a step touches, where it is a like slice of the buffer: of group u of images in unit u, or scratch memory of part p. */
  readonly slice?: { readonly perPart: boolean; readonly bytes: number };
}

/**
 * How a step's work is cut. Units with equal `key` line up: unit u of one step touches the same slice of a value as unit u of
 * another, so steps of one key can run unit by unit, one after the other, with no meeting of threads in between. `parts` (at most
 * `units`) is how many pieces are handed to threads; sums kept per part have the same bits for any number of threads.
 */
export interface Domain {
  readonly key: string;
  readonly units: number;
  readonly parts: number;
}

/** One piece of work that cannot be cut. */
export const ONE: Domain = { key: "one", units: 1, parts: 1 };

/** A step's use of a buffer. `local`: unit u touches only slice u. */
export interface Access {
  readonly buffer: Buffer;
  readonly local: boolean;
}

/** An argument: a number, or a function of sparse topologies, asked again whenever a topology changes. */
export type Argument = number | (() => number);

/** Receives the kernel calls of one unit. */
export type Call = (kernel: KernelName, args: Readonly<Record<string, Argument>>) => void;

/** Where a unit stands. */
export interface UnitAt {
  readonly unit: number;
  readonly part: number;
  /** First and last unit of its part. */
  readonly first: boolean;
  readonly last: boolean;
}

/** A step of a plan. */
export interface Step {
  readonly name: string;
  readonly domain: Domain;
  readonly reads: readonly Access[];
  readonly writes: readonly Access[];
  /** Emits the calls of one unit; buffers have their addresses by then. */
  readonly emit: (call: Call, at: UnitAt) => void;
  /** Number of the program's operation that it works for. */
  readonly operation?: number;
}

/** An instruction with arguments that follow a topology. */
export interface Patch {
  readonly instruction: Instruction;
  readonly word: number;
  readonly value: () => number;
}
