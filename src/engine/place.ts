/**
 * Gives temporary buffers their addresses: two buffers share memory when no interval needs both, or, in an interval of one unit of work,
 * which one thread runs step by step, no step. Planes that only one lane of steps needs, group by group, and scratch memory of parts, are *folded*: each thread has
 * memory for one group, in which group after group goes through all steps.
 */
import type { Interval } from "./schedule.js";
import type { Access, Buffer, Step } from "./step.js";

const ALIGN = 64;
/** Buffers do not start on the same cache set one after the other. */
const SKEW = 64;

/** First and last moment at which a buffer is needed. */
interface Life {
  readonly from: number;
  to: number;
}

/** Folded buffers of a lane: bytes of each thread's memory, and offsets in it. */
export interface Fold {
  /** Bytes of one thread's memory. */
  readonly bytes: number;
  /** Where the memory of all threads lies. */
  readonly start: number;
  readonly offsets: ReadonlyMap<Buffer, number>;
}

/** Where everything lies: offsets of buffers into one block of `bytes`, and of what is folded, by lane. */
export interface Placement {
  readonly bytes: number;
  readonly offsets: Map<Buffer, number>;
  readonly folds: Map<readonly Step[], Fold>;
}

/** The thread that runs a part, as the dispatcher deals them out. */
export const threadOf = (part: number, parts: number, threads: number): number => Math.ceil(((part + 1) * threads) / parts) - 1;

function touch(life: Map<Buffer, Life>, buffer: Buffer, time: number): void {
  const span = life.get(buffer);
  if (span) span.to = time;
  else life.set(buffer, { from: time, to: time });
}

const accesses = (step: Step) => [...step.reads, ...step.writes];

/** Offsets for buffers with these lives. */
function pack<T extends { readonly bytes: number }>(
  lives: readonly (readonly [T, Life])[],
): { bytes: number; offsets: Map<T, number> } {
  const order = [...lives].sort((a, b) => b[0].bytes - a[0].bytes);
  const offsets = new Map<T, number>();
  const done: { from: number; to: number; start: number; end: number }[] = [];
  let total = 0;
  for (const [buffer, { from, to }] of order) {
    const size = Math.ceil(buffer.bytes / ALIGN) * ALIGN + SKEW;
    const busy = done.filter((d) => d.from <= to && from <= d.to).sort((a, b) => a.start - b.start);
    let start = 0;
    for (const d of busy) {
      if (d.start - start >= size) break;
      start = Math.max(start, d.end);
    }
    offsets.set(buffer, start);
    done.push({ from, to, start, end: start + size });
    total = Math.max(total, start + size);
  }
  return { bytes: total, offsets };
}

/** Whether a step uses a buffer slice by slice. */
function bySlices({ domain: { key, units, parts } }: Step, { buffer: { slice, bytes }, local }: Access): boolean {
  if (!local || units === 1 || !slice) return false;
  return slice.perPart ? bytes === slice.bytes * parts : key.startsWith("groups:") && bytes === slice.bytes * units;
}

/** The buffers of each lane that can be folded: slices of units or parts, which nobody else needs. */
function foldable(intervals: readonly Interval[], keep: ReadonlySet<Buffer>): Map<readonly Step[], Set<Buffer>> {
  const homes = new Map<Buffer, readonly Step[] | undefined>();
  for (const lane of intervals.flatMap(({ lanes }) => lanes)) {
    for (const step of lane) {
      for (const access of accesses(step)) {
        const { buffer } = access;
        const known = !homes.has(buffer) || homes.get(buffer) === lane;
        homes.set(buffer, known && bySlices(step, access) && !buffer.fixed && !keep.has(buffer) ? lane : undefined);
      }
    }
  }
  const found = new Map<readonly Step[], Set<Buffer>>();
  for (const [buffer, lane] of homes) if (lane) found.set(lane, (found.get(lane) ?? new Set()).add(buffer));
  return found;
}

/**
 * Assigns offsets (into one block) to the temporary buffers of a schedule; `keep` buffers live through the whole plan.
 * @param threads that run the plan, each with memory of its own for what is folded
 */
export function placeBuffers(intervals: readonly Interval[], keep: ReadonlySet<Buffer>, threads = 1): Placement {
  const folded = foldable(intervals, keep);
  const life = new Map<Buffer, Life>();
  const arenas: (readonly [{ readonly bytes: number }, Life])[] = [];
  const arenaOf = new Map<readonly Step[], { bytes: number; arena: { readonly bytes: number }; offsets: Map<Buffer, number> }>();
  let time = 0;
  for (const { lanes } of intervals) {
    const single = lanes.length === 1 && lanes[0]![0]!.domain.units === 1;
    for (const lane of lanes) {
      const own = folded.get(lane);
      const lives = new Map<Buffer, Life>();
      lane.forEach((step, i) => {
        if (single) time++;
        for (const { buffer } of accesses(step)) {
          if (own?.has(buffer)) touch(lives, buffer, i);
          else if (!buffer.fixed) touch(life, buffer, time);
        }
      });
      if (!own) continue;
      const slices = [...lives].map(([buffer, span]) => [{ buffer, bytes: buffer.slice!.bytes }, span] as const);
      const { bytes, offsets } = pack(slices);
      const arena = { bytes: bytes * Math.min(threads, lane[0]!.domain.parts) };
      arenas.push([arena, { from: time, to: time }]);
      arenaOf.set(lane, { bytes, arena, offsets: new Map([...offsets].map(([{ buffer }, offset]) => [buffer, offset])) });
    }
    time++;
  }
  for (const buffer of keep) if (!buffer.fixed) life.set(buffer, { from: 0, to: time });
  const { bytes, offsets } = pack<{ readonly bytes: number }>([...[...life].sort((a, b) => a[0].id - b[0].id), ...arenas]);
  return {
    bytes,
    offsets: new Map([...life.keys()].map((buffer) => [buffer, offsets.get(buffer)!])),
    folds: new Map([...arenaOf].map(([lane, { arena, ...own }]) => [lane, { ...own, start: offsets.get(arena)! }])),
  };
}
