/** What every suite yields, and what it is told. */

/** One comparison. Smaller `ratio` is better. */
export interface Row {
  readonly name: string;
  readonly threads: number;
  /** Least time. */
  readonly sparselandMs: number;
  /** What it is compared with; an absent one says so and why. */
  readonly peer: string;
  /** Least time of the peer for the same work, or null where it is absent. */
  readonly peerMs: number | null;
  /** sparselandMs / peerMs. */
  readonly ratio: number | null;
  /** The same of the medians, where rounds were interleaved. */
  readonly median?: { readonly sparselandMs: number; readonly peerMs: number | null; readonly ratio: number | null };
  /** What else was measured, or how. */
  readonly note?: string;
}

/** What a suite is told. */
export interface SuiteOptions {
  /** Only rows whose name contains this, or one of several texts with "|" between them. */
  readonly only?: string | undefined;
  /** Only rows of this many threads, where a suite has rows of several. */
  readonly threads?: number | undefined;
  /** Interleaved rounds; a suite has its own default. */
  readonly rounds?: number | undefined;
  /** Tells a person what is going on. */
  readonly say: (text: string) => void;
}

/** A suite: `bench/<name>/index.ts` exports one as `suite`. */
export type Suite = (options: SuiteOptions) => AsyncGenerator<Row>;

/** Whether a row of this name is asked for. */
export const wanted = ({ only }: SuiteOptions, name: string): boolean =>
  only === undefined || only.split("|").some((text) => name.includes(text));

/** The middle value; the lower one of two. */
export const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[(values.length - 1) >> 1]!;

/** A row from samples of both sides. */
export function compare(
  name: string,
  threads: number,
  own: readonly number[],
  peer: string,
  theirs: readonly number[] | undefined,
  note?: string,
): Row {
  const least = Math.min(...own);
  const middle = median(own);
  const peerMs = theirs ? Math.min(...theirs) : null;
  const peerMiddle = theirs ? median(theirs) : null;
  return {
    name,
    threads,
    sparselandMs: least,
    peer,
    peerMs,
    ratio: peerMs === null ? null : least / peerMs,
    median: { sparselandMs: middle, peerMs: peerMiddle, ratio: peerMiddle === null ? null : middle / peerMiddle },
    ...(note === undefined ? {} : { note }),
  };
}
