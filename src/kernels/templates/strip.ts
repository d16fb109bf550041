/**
 * Loops over rows of floats: whole vectors first, in unrolled fours, then the one to three floats that remain, each in lane 0
 * of a vector whose other lanes are zero. One body serves both, so a float's bits do not depend on where in the row it lies.
 */

/** How a body touches memory at one position of the loop. */
export interface Place {
  /** Position within the unrolled four, 0 in the loops that follow it: names the accumulator to use. */
  readonly u: number;
  /** Vectors: 4 floats wide. `false` in the loop over the last floats. */
  readonly whole: boolean;
  load(pointer: string): string;
  store(pointer: string, value: string): string;
}

export interface StripOptions {
  /** Expression: number of whole vectors. */
  readonly vectors?: string;
  /** Expression: number of floats after them. */
  readonly tail?: string;
  readonly unroll?: number;
}

/** Statements that walk `pointers` (variables, moved on) over a row. */
export function strip(pointers: readonly string[], body: (at: Place) => string, options: StripOptions = {}): string {
  const { vectors = "w4", tail = "tail", unroll = 4 } = options;
  const advance = (bytes: number) => pointers.map((p) => `${p} += ${bytes};`).join(" ");
  const whole = (u: number): Place => ({
    u,
    whole: true,
    load: (p) => `v128.load(${p}, ${u * 16})`,
    store: (p, v) => `v128.store(${p}, ${v}, ${u * 16});`,
  });
  const one: Place = {
    u: 0,
    whole: false,
    load: (p) => `v128.load32_zero(${p})`,
    store: (p, v) => `v128.store32_lane(${p}, ${v}, 0);`,
  };
  const unrolled = Array.from({ length: unroll }, (_, u) => `{ ${body(whole(u))} }`).join("\n   ");
  return `{ let left: i32 = ${vectors};
  ${unroll > 1 ? `for (; left >= ${unroll}; left -= ${unroll}) {\n   ${unrolled}\n   ${advance(16 * unroll)} }` : ""}
  for (; left > 0; --left) { ${body(whole(0))} ${advance(16)} }
  for (let rest: i32 = ${tail}; rest > 0; --rest) { ${body(one)} ${advance(4)} } }`;
}

/** A flat pass over `n` floats. */
export const flat = (pointers: readonly string[], body: (at: Place) => string, unroll = 4): string =>
  strip(pointers, body, { vectors: "(n >> 2)", tail: "(n & 3)", unroll });
