/**
 * A first-fit allocator over the kernels' memory. Blocks are aligned to 64 bytes; free neighbours join; the memory grows on demand.
 */
import { InputError, requireInteger } from "../core/index.js";
import { type Kernels, PAGE } from "./loader.js";

/** Alignment and granularity of blocks: a cache line. */
export const ALIGNMENT = 64;

/** First address of an arena: what lies below belongs to the dispatcher. */
export const ARENA_START = 1024;

interface Span {
  at: number;
  bytes: number;
}

const roundUp = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
const mib = (bytes: number): string => `${(bytes / 1048576).toFixed(1)} MiB`;

/** Allocates blocks of WebAssembly memory. One arena owns all of the memory above the module's own data. */
export class Arena {
  readonly kernels: Kernels;
  readonly #free: Span[] = [];
  readonly #blocks = new Map<number, number>();
  /** End of the memory that was handed out or freed so far. */
  #top: number;
  /** The highest that `#top` has been: memory above it was never handed out, and is zero. */
  #high: number;
  #used = 0;
  #peak = 0;

  constructor(kernels: Kernels) {
    this.kernels = kernels;
    this.#top = roundUp(Math.max(ARENA_START, kernels.exports.heapBase.value as number));
    this.#high = this.#top;
  }

  /** Bytes in blocks that are not freed. */
  get used(): number {
    return this.#used;
  }

  /** The most that `used` has been. */
  get peak(): number {
    return this.#peak;
  }

  /**
   * Reserves memory.
   * @param bytes at least 0; rounded up to a multiple of 64, at least 64
   * @param label what it is for, for the error message
   * @returns the address, a multiple of 64. The content is whatever was there: zero it where that matters
   * @throws OptionError when bytes is no integer of at least 0; InputError when memory is exhausted
   */
  allocate(bytes: number, label = "a block"): number {
    requireInteger("arena.allocate bytes", bytes, 0);
    const size = Math.max(ALIGNMENT, roundUp(bytes));
    const hole = this.#free.findIndex((span) => span.bytes >= size);
    let at: number;
    if (hole >= 0) {
      const span = this.#free[hole]!;
      at = span.at;
      span.at += size;
      span.bytes -= size;
      if (span.bytes === 0) this.#free.splice(hole, 1);
    } else {
      at = this.#top;
      // Kernels may read a vector past a block's end: never past the memory's.
      this.#reach(at + size + ALIGNMENT, bytes, label);
      this.#top = at + size;
      this.#high = Math.max(this.#high, this.#top);
    }
    this.#blocks.set(at, size);
    this.#used += size;
    this.#peak = Math.max(this.#peak, this.#used);
    return at;
  }

  /** As `allocate`, filled with zeros. */
  allocateZeroed(bytes: number, label?: string): number {
    const dirty = this.#high;
    const at = this.allocate(bytes, label);
    // Pages that nobody has touched stay untouched until a run needs them.
    if (at < dirty) this.kernels.views().u8.fill(0, at, Math.min(at + bytes, dirty));
    return at;
  }

  /** Copies `data` into a new block. @returns its address */
  put(data: Float32Array | Int32Array | Uint32Array | Uint8Array | Float64Array, label?: string): number {
    const at = this.allocate(data.byteLength, label);
    this.kernels.views().u8.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    return at;
  }

  /**
   * Gives a block back.
   * @throws InputError when `at` is not the address of a live block of this arena
   */
  free(at: number): void {
    const bytes = this.#blocks.get(at);
    if (bytes === undefined) {
      throw new InputError(
        `arena.free: expected the address of a live block, got ${at}; free each block once, by the address allocate gave`,
      );
    }
    this.#blocks.delete(at);
    this.#used -= bytes;
    this.#insert({ at, bytes });
  }

  /** Puts a span into the sorted free list and joins it with its neighbours. */
  #insert(span: Span): void {
    let low = 0;
    let high = this.#free.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#free[middle]!.at < span.at) low = middle + 1;
      else high = middle;
    }
    this.#free.splice(low, 0, span);
    const next = this.#free[low + 1];
    if (next && span.at + span.bytes === next.at) {
      span.bytes += next.bytes;
      this.#free.splice(low + 1, 1);
    }
    const before = this.#free[low - 1];
    if (before && before.at + before.bytes === span.at) {
      before.bytes += span.bytes;
      this.#free.splice(low, 1);
    }
    const last = this.#free.at(-1);
    if (last && last.at + last.bytes === this.#top) {
      this.#top = last.at;
      this.#free.pop();
    }
  }

  /** Grows the memory to hold `end` bytes, doubling where the host lets us. */
  #reach(end: number, bytes: number, label: string): void {
    const { memory, maximumPages } = this.kernels;
    const pages = memory.buffer.byteLength / PAGE;
    const needed = Math.ceil(end / PAGE);
    if (needed <= pages) return;
    for (const wanted of [Math.min(maximumPages, Math.max(needed, pages * 2)), needed]) {
      if (wanted < needed || wanted > maximumPages) continue;
      try {
        memory.grow(wanted - pages);
        return;
      } catch {
        // The host refused: the smaller size may do; if not, the error below says so.
      }
    }
    throw new InputError(
      `out of WebAssembly memory: asked for ${mib(bytes)} for ${label}, ${mib(this.#used)} of at most ${mib(maximumPages * PAGE)} are in use` +
        ` (peak ${mib(this.#peak)}, ${mib(this.#free.reduce((sum, span) => sum + span.bytes, 0))} free in pieces);` +
        " use a smaller batch or model, or free plans that are no longer needed",
    );
  }
}
