/**
 * Gives temporary buffers their addresses: two buffers share memory when no interval needs both, or, in an interval of one unit of work,
 * which one thread runs step by step, no step.
 */
import type { Interval } from "./schedule.js";
import type { Buffer } from "./step.js";

const ALIGN = 64;
/** Buffers do not start on the same cache set one after the other. */
const SKEW = 64;

/**
 * Assigns offsets (into one block) to the temporary buffers of a schedule; `keep` buffers live through the whole plan.
 * @returns bytes of the block
 */
export function placeBuffers(
  intervals: readonly Interval[],
  keep: ReadonlySet<Buffer>,
): { bytes: number; offsets: Map<Buffer, number> } {
  const life = new Map<Buffer, { from: number; to: number }>();
  let time = 0;
  for (const { lanes } of intervals) {
    const single = lanes.length === 1 && lanes[0]![0]!.domain.units === 1;
    for (const step of lanes.flat()) {
      if (single) time++;
      for (const { buffer } of [...step.reads, ...step.writes]) {
        if (buffer.fixed) continue;
        const span = life.get(buffer);
        if (span) span.to = time;
        else life.set(buffer, { from: time, to: time });
      }
    }
    time++;
  }
  for (const buffer of keep) if (!buffer.fixed) life.set(buffer, { from: 0, to: time });
  const order = [...life].sort((a, b) => b[0].bytes - a[0].bytes || a[0].id - b[0].id);
  const offsets = new Map<Buffer, number>();
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
