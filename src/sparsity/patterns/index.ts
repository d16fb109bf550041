/**
 * Patterns: where zeros may lie. A member keeps exactly the promised count per group, agrees with a brute-force chooser, and
 * says what it does with tails. The promised count is in the pattern's own units: weights, blocks, or channel groups.
 */
import { InputError, OptionError, requireInteger, requireOneOf, ShapeError, sizeOf } from "../../core/index.js";
import type { Mask, Pattern } from "../types.js";
import { selectBlocks } from "./block.js";
import { selectGroups } from "./group.js";
import { selectNM } from "./nm.js";
import { selectRows, selectTensor } from "./unstructured.js";

export * from "./block.js";
export * from "./group.js";
export * from "./kernel-group.js";
export * from "./nm.js";
export * from "./rearrange.js";
export * from "./unstructured.js";

/**
 * The mask of one tensor under a pattern.
 *
 * For `scope: "global"` the sparsity given is the tensor's own share of one network-wide ranking (see `globalBy`,
 * `selectGlobal`), so within the tensor it selects as `"tensor"` does.
 *
 * @param score    one score per weight, row-major, higher = keep
 * @param sparsity in [0, 1)
 * @throws ShapeError, OptionError, InputError (NaN scores)
 */
export function selectMask(pattern: Pattern, score: Float32Array, shape: readonly number[], sparsity: number): Mask {
  if (score.length !== sizeOf(shape)) throw new ShapeError("selectMask", { shape, score: [score.length] }, "one score per weight");
  if (score.length === 0) throw new InputError("selectMask: the tensor is empty; sparsity is undefined");
  switch (pattern.kind) {
    case "unstructured":
      return pattern.scope === "row" ? selectRows(score, shape, sparsity) : selectTensor(score, shape, sparsity);
    case "nm":
      return selectNM(score, shape, pattern, sparsity);
    case "block":
      return selectBlocks(score, shape, pattern, sparsity);
    case "group":
      return selectGroups(score, shape, pattern.groups, sparsity);
  }
}

/** A pattern read from plain JSON. @throws OptionError naming the key under `place` */
export function readPattern(place: string, value: unknown): Pattern {
  if (typeof value !== "object" || value === null)
    throw new OptionError(place, 'a pattern such as { kind: "block", rows: 2, cols: 1 }', value);
  const p = value as Record<string, unknown>;
  const kind = requireOneOf(`${place}.kind`, p.kind, ["unstructured", "nm", "block", "group"]);
  const known: Record<typeof kind, readonly string[]> = {
    unstructured: ["kind", "scope"],
    nm: ["kind", "keep", "of"],
    block: ["kind", "rows", "cols", "pool"],
    group: ["kind", "groups"],
  };
  for (const key of Object.keys(p))
    if (!known[kind].includes(key))
      throw new OptionError(`${place}.${key}`, `no such key; known: ${known[kind].join(", ")}`, p[key]);
  if (kind === "unstructured")
    return { kind, scope: requireOneOf(`${place}.scope`, p.scope ?? "tensor", ["global", "tensor", "row"]) };
  if (kind === "nm") {
    const of = requireInteger(`${place}.of`, p.of, 1);
    return { kind, of, keep: requireInteger(`${place}.keep`, p.keep, 1, of) };
  }
  if (kind === "block") {
    const pool = requireOneOf(`${place}.pool`, p.pool ?? "mean", ["mean", "max"]);
    return { kind, rows: requireInteger(`${place}.rows`, p.rows, 1), cols: requireInteger(`${place}.cols`, p.cols, 1), pool };
  }
  const groups = (p.groups ?? {}) as Record<string, unknown>;
  if (typeof groups !== "object") throw new OptionError(`${place}.groups`, "an object with axis and members", groups);
  const axis = requireInteger(`${place}.groups.axis`, groups.axis ?? 0, 0, 1) as 0 | 1;
  if (groups.members === undefined) return { kind, groups: { axis } };
  if (!Array.isArray(groups.members) || !groups.members.every(Array.isArray))
    throw new OptionError(`${place}.groups.members`, "a list of lists of channels", groups.members);
  return { kind, groups: { axis, members: groups.members as number[][] } };
}

/** One example of every pattern, for contract suites and the catalogue. */
export const patterns: Readonly<Record<string, Pattern>> = {
  "unstructured tensor": { kind: "unstructured", scope: "tensor" },
  "unstructured global": { kind: "unstructured", scope: "global" },
  "unstructured row": { kind: "unstructured", scope: "row" },
  "2 kept of 4": { kind: "nm", keep: 2, of: 4 },
  "block 2x1": { kind: "block", rows: 2, cols: 1 },
  "block 4x1 max": { kind: "block", rows: 4, cols: 1, pool: "max" },
  "output channels": { kind: "group", groups: { axis: 0 } },
  "input channels": { kind: "group", groups: { axis: 1 } },
};
