import { OptionError, requireSparsity, sizeOf, type Tree } from "../../core/index.js";
import type { ParamInfo } from "../types.js";

/** One prunable tensor while its density is being decided. */
interface Entry {
  readonly path: string;
  readonly size: number;
  readonly raw: number;
}

const sum = (entries: readonly Entry[], f: (e: Entry) => number) => entries.reduce((total, e) => total + f(e), 0);

/**
 * Densities in proportion to raw values p_l, with the exact total.
 *
 *     d_l = eps p_l,  eps such that sum_l d_l N_l = d sum_l N_l
 *     while some d_l > 1: make those tensors dense, solve eps again for the rest
 *
 * A tensor whose share is less than one weight is given one weight, and the rest solved again. Both sets only grow, so the
 * loops end after at most L rounds.
 *
 * @param name     for messages
 * @param params   every parameter; those not prunable are ignored
 * @param sparsity in [0, 1)
 * @param raw      p_l > 0 of a prunable tensor
 * @param fixed    densities decided beforehand, by path
 * @throws OptionError when the fixed parts and one weight per tensor exceed the budget (names the minimum density)
 *
 * Liu et al. 2022, arXiv:2202.02643, official code; Evci et al. 2020, arXiv:1911.11134, appendix.
 */
export function proportional(
  name: string,
  params: Tree<ParamInfo>,
  sparsity: number,
  raw: (info: ParamInfo) => number,
  fixed: Tree<number> = {},
): Tree<number> {
  requireSparsity(`${name}.sparsity`, sparsity);
  const entries: Entry[] = [];
  for (const [path, info] of Object.entries(params)) {
    if (info.prunable) entries.push({ path, size: sizeOf(info.shape), raw: raw(info) });
  }
  const total = sum(entries, (e) => e.size);
  const density: Record<string, number> = {};
  const free = entries.filter((e) => fixed[e.path] === undefined);
  const held = sum(entries, (e) => (fixed[e.path] ?? 0) * e.size);
  const budget = (1 - sparsity) * total - held;
  const tolerance = 1e-9 * total;
  if (budget < free.length - tolerance) refuse("at least", (held + free.length) / total);
  if (budget > sum(free, (e) => e.size) + tolerance) refuse("at most", (held + sum(free, (e) => e.size)) / total);
  for (const [path, d] of Object.entries(fixed)) density[path] = d;

  const single = new Set<Entry>();
  for (let settled = false; !settled; ) {
    const dense = new Set<Entry>();
    let eps = 0;
    for (let grown = true; grown; ) {
      const open = free.filter((e) => !dense.has(e) && !single.has(e));
      const left = budget - sum([...dense], (e) => e.size) - single.size;
      eps = open.length === 0 ? 0 : left / sum(open, (e) => e.raw * e.size);
      const over = open.filter((e) => eps * e.raw > 1);
      for (const e of over) dense.add(e);
      grown = over.length > 0;
    }
    for (const e of free) density[e.path] = dense.has(e) ? 1 : single.has(e) ? 1 / e.size : eps * e.raw;
    const starved = free.filter((e) => !single.has(e) && density[e.path]! * e.size < 1 - 1e-9);
    for (const e of starved) single.add(e);
    settled = starved.length === 0;
  }
  return Object.fromEntries(entries.map((e) => [e.path, 1 - Math.min(1, density[e.path]!)]));

  function refuse(bound: string, limit: number): never {
    const side = bound === "at least" ? "at most" : "at least";
    throw new OptionError(
      `${name}.sparsity`,
      `a density of ${bound} ${limit.toFixed(6)} (sparsity ${side} ${(1 - limit).toFixed(6)}) for these tensors`,
      sparsity,
    );
  }
}
