import { InputError, OptionError, sizeOf, type Tree } from "../core/index.js";
import type { ParamInfo } from "./types.js";

function matches(pattern: string, path: string, info: ParamInfo): boolean {
  if (pattern.startsWith("kind:")) return info.kind === pattern.slice(5);
  const regex = pattern.split("*").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${regex.join(".*")}$`).test(path);
}

/**
 * The parameters that a method may mask, in model order.
 *
 * @param place   for messages, such as `rigl`
 * @param params  every parameter
 * @param exclude paths to leave dense: an exact path, a pattern with `*`, or `kind:<kind>` (`kind:depthwise`)
 * @throws OptionError when an entry of `exclude` names no prunable parameter
 * @throws InputError when nothing is left to prune, or a tensor is empty
 */
export function prunableOf(place: string, params: Tree<ParamInfo>, exclude: readonly string[] = []): Tree<ParamInfo> {
  const prunable = Object.entries(params).filter(([, info]) => info.prunable);
  for (const entry of exclude) {
    if (!prunable.some(([path, info]) => matches(entry, path, info))) {
      throw new OptionError(
        `${place}.exclude`,
        `a prunable parameter (${prunable.map(([p]) => p).join(", ") || "there is none"})`,
        entry,
      );
    }
  }
  const left = prunable.filter(([path, info]) => !exclude.some((entry) => matches(entry, path, info)));
  if (left.length === 0)
    throw new InputError(`${place}: no prunable parameter is left; sparsity is undefined. Mark weights prunable or exclude fewer`);
  for (const [path, info] of left) {
    if (sizeOf(info.shape) === 0)
      throw new InputError(`${place}: ${path} [${info.shape.join(", ")}] is empty; remove the layer or mark it not prunable`);
  }
  return Object.fromEntries(left);
}
