/** Random rewiring that leaves both degree matrices as they are. */
import type { Rng } from "../core/index.js";
import type { ArcTable } from "./arc-table.js";

/**
 * Tries `attempts` double swaps: arcs a -> b and c -> d whose targets have equal in-degree become a -> d and c -> b, unless that
 * would make a self-loop or a repeated arc.
 * @param table all stubs in use; changed in place
 * @returns swaps made
 */
export function swapTargets(table: ArcTable, attempts: number, rng: Rng): number {
  const arcs = table.outTo.length;
  if (arcs < 2) return 0;
  const source = new Uint32Array(arcs);
  for (let v = 0; v < table.nodes; v++) source.fill(v, table.outStart[v]!, table.outStart[v + 1]!);
  // Slots grouped by the in-degree of their target: a swap keeps the group of both slots.
  const degree = (slot: number) => table.inCount[table.outTo[slot]!]!;
  let top = 0;
  for (let slot = 0; slot < arcs; slot++) top = Math.max(top, degree(slot));
  const start = new Uint32Array(top + 2);
  for (let slot = 0; slot < arcs; slot++) start[degree(slot) + 1]!++;
  for (let d = 0; d <= top; d++) start[d + 1]! += start[d]!;
  const next = start.slice();
  const slots = new Uint32Array(arcs);
  for (let slot = 0; slot < arcs; slot++) slots[next[degree(slot)]!++] = slot;
  let made = 0;
  for (let attempt = 0; attempt < attempts; attempt++) {
    const first = rng.below(arcs);
    const group = degree(first);
    const second = slots[start[group]! + rng.below(start[group + 1]! - start[group]!)]!;
    const a = source[first]!;
    const c = source[second]!;
    const b = table.outTo[first]!;
    const d = table.outTo[second]!;
    if (a === c || b === d || a === d || c === b || table.has(a, d) || table.has(c, b)) continue;
    table.outTo[first] = d;
    table.outTo[second] = b;
    table.replaceSource(b, a, c);
    table.replaceSource(d, c, a);
    made++;
  }
  return made;
}
