/** Elements of the first chunk, and the most that one takes. */
const FIRST = 1 << 10;
const MOST = 1 << 20;

/** A typed array that grows: chunks, each twice as long as the one before up to a limit, are collected, and joined once at the end. */
export class Growing<T extends Uint8Array | Uint16Array | Uint32Array | Float32Array> {
  private readonly chunks: T[] = [];
  private current: T;
  private used = 0;
  /** elements held */
  length = 0;

  constructor(private readonly make: (n: number) => T) {
    this.current = make(FIRST);
  }

  push(value: number): void {
    if (this.used === this.current.length) {
      this.chunks.push(this.current);
      this.current = this.make(Math.min(MOST, 2 * this.used));
      this.used = 0;
    }
    this.current[this.used++] = value;
    this.length++;
  }

  /** Everything pushed, as one array. */
  join(): T {
    const out = this.make(this.length);
    let at = 0;
    for (const chunk of this.chunks) {
      out.set(chunk, at);
      at += chunk.length;
    }
    out.set(this.current.subarray(0, this.used), at);
    return out;
  }
}

/** A growing list of 32-bit unsigned integers. */
export const growingU32 = (): Growing<Uint32Array> => new Growing((n) => new Uint32Array(n));
/** A growing list of floats. */
export const growingF32 = (): Growing<Float32Array> => new Growing((n) => new Float32Array(n));
/** A growing list of 16-bit unsigned integers. */
export const growingU16 = (): Growing<Uint16Array> => new Growing((n) => new Uint16Array(n));
/** A growing list of bytes. */
export const growingU8 = (): Growing<Uint8Array> => new Growing((n) => new Uint8Array(n));
