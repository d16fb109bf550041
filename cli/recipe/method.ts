/** The method of a recipe's entry, checked against the method's own options. */
import { OptionError } from "../../src/core/index.js";
import { methods } from "../../src/methods/index.js";
import { nearest } from "./nearest.js";
import { dotted, type Issue, type Path, type Plain } from "./schema.js";

/** A dense network of fewer parameters: no method of its own, only a smaller model. */
export const smallDense = "small-dense";

const share = /^(\d+(?:\.\d+)?)\s*%$/;

/**
 * The options of a method as it takes them: shares of the training such as `70%` become steps.
 *
 * @param steps steps of the whole training, at least 1
 */
export function methodOptions(
  method: string,
  sparsity: number,
  options: Readonly<Record<string, Plain>>,
  steps: number,
): Record<string, Plain> {
  const schema = methods[method]?.options ?? {};
  const out: Record<string, Plain> = "sparsity" in schema ? { sparsity } : {};
  for (const [key, value] of Object.entries(options)) {
    const percent = schema[key]?.type === "integer" && typeof value === "string" ? share.exec(value) : null;
    out[key] = percent ? Math.round((Number(percent[1]) / 100) * steps) : value;
  }
  return out;
}

interface Entry {
  readonly method: string;
  readonly sparsity: readonly number[] | undefined;
  readonly density: readonly number[] | undefined;
  readonly options: Readonly<Record<string, Plain>>;
}

/** Adds an issue when the method does not exist, lacks its sparsity, or refuses its options. */
export function checkMethod({ method, sparsity, density, options }: Entry, path: Path, issues: Issue[]): void {
  const at = (key: string, message: string, atKey = false) =>
    issues.push({ path: [...path, key], atKey, message: `${dotted([...path, key])}: ${message}` });
  const known = [smallDense, ...Object.keys(methods)];
  if (!known.includes(method)) {
    const near = nearest(method, known);
    at(
      "method",
      `expected one of ${known.join(", ")}, got ${JSON.stringify(method)}${near ? `; did you mean ${JSON.stringify(near)}?` : ""}`,
    );
    return;
  }
  const missing = (key: string, why: string) =>
    issues.push({ path, atKey: false, message: `${dotted([...path, key])}: missing; ${why}` });
  if (method === smallDense) {
    if (density === undefined) missing("density", "small-dense needs the share of the dense network's parameters that it may have");
    if (sparsity !== undefined) at("sparsity", "small-dense has no sparsity; say density", true);
    for (const key of Object.keys(options))
      issues.push({
        path: [...path, "options", key],
        atKey: true,
        message: `${dotted([...path, "options", key])}: small-dense takes no options`,
      });
    return;
  }
  if (density !== undefined) at("density", "only small-dense has a density; say sparsity", true);
  const needsSparsity = "sparsity" in methods[method]!.options;
  if (needsSparsity && sparsity === undefined) missing("sparsity", `${method} needs one in [0, 1), or a list of them`);
  if (!needsSparsity && sparsity !== undefined) at("sparsity", `${method} takes no sparsity`, true);
  if (needsSparsity === (sparsity === undefined)) return;
  for (const s of sparsity ?? [0]) {
    try {
      methods[method]!.create(methodOptions(method, s, options, 10_000));
    } catch (error) {
      if (!(error instanceof OptionError)) throw error;
      const named = Object.keys(options).find((key) => error.message.startsWith(`${method}.${key}:`));
      const where = named === undefined ? [...path, "options"] : [...path, "options", named];
      issues.push({
        path: where,
        atKey: named !== undefined && !Object.hasOwn(methods[method]!.options, named),
        message: `${dotted(where)}: ${error.message}`,
      });
      return;
    }
  }
}
