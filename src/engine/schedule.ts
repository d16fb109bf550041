/**
 * Puts steps into intervals. Threads meet between intervals only; inside one, steps of equal domain run unit by unit, so what a
 * step leaves in cache the next one finds there. Everything that can wait (sums of partial gradients, optimiser updates) rides
 * along with whatever interval has no business with it.
 */
import { type Access, ONE, type Step } from "./step.js";

/** Steps that run between two meetings, in lanes of one domain each; lanes do not depend on each other. */
export interface Interval {
  readonly lanes: Step[][];
}

/** Steps of one unit are all of one kind: they run one after the other on one thread, whatever the unit. */
const keyOf = ({ domain }: Step): string => (domain.units === 1 ? ONE.key : domain.key);

/** How step b, later in program order, depends on step a: not at all, unit by unit (or both have but one unit), or as a whole. */
type Link = 0 | 1 | 2;

function link(a: Step, b: Step): Link {
  let found: Link = 0;
  const check = (first: readonly Access[], second: readonly Access[]): void => {
    for (const x of first) {
      for (const y of second) {
        if (x.buffer !== y.buffer) continue;
        const local = keyOf(a) === keyOf(b) && ((x.local && y.local) || a.domain.units === 1);
        found = found === 2 || !local ? 2 : 1;
      }
    }
  };
  check(a.writes, b.reads);
  check(a.reads, b.writes);
  check(a.writes, b.writes);
  return found;
}

/**
 * Orders steps into intervals, keeping every dependency of the given order.
 * @param steps in program order
 */
export function schedule(steps: readonly Step[]): Interval[] {
  const before: { at: number; whole: boolean }[][] = steps.map(() => []);
  const touches = new Map<number, number[]>();
  steps.forEach((step, j) => {
    const seen = new Set<number>();
    for (const { buffer } of [...step.reads, ...step.writes]) {
      for (const i of touches.get(buffer.id) ?? []) {
        if (seen.has(i)) continue;
        seen.add(i);
        const kind = link(steps[i]!, step);
        if (kind) before[j]!.push({ at: i, whole: kind === 2 });
      }
    }
    for (const id of new Set([...step.reads, ...step.writes].map((access) => access.buffer.id))) {
      const list = touches.get(id);
      if (list) list.push(j);
      else touches.set(id, [j]);
    }
  });

  const placed = new Int32Array(steps.length).fill(-1);
  const intervals: Interval[] = [];
  for (let left = steps.length; left > 0; ) {
    const now = intervals.length;
    const lanes = new Map<string, Step[]>();
    for (let j = 0; j < steps.length; j++) {
      if (placed[j]! >= 0) continue;
      const fits = before[j]!.every(({ at, whole }) => placed[at]! >= 0 && (placed[at]! < now || !whole));
      if (!fits) continue;
      placed[j] = now;
      left--;
      const step = steps[j]!;
      const lane = lanes.get(keyOf(step));
      if (lane) lane.push(step);
      else lanes.set(keyOf(step), [step]);
    }
    intervals.push({ lanes: [...lanes.values()] });
  }
  return intervals;
}
