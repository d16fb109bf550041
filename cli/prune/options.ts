/** The options of `sparseland prune`, from text to what pruning takes. */
import { InputError, OptionError } from "../../src/core/index.js";
import { type DistributionName, distributions, type SplitName } from "../../src/sparsity/index.js";
import type { LayerRule, PruneMethod, PrunePattern, Repair } from "../../src/train/index.js";
import type { CommonOptions } from "../command.js";
import type { SourceFlags } from "../network/source.js";

/** What commander gives. */
export interface PruneFlags extends CommonOptions, SourceFlags {
  readonly method: string;
  readonly sparsity?: number;
  readonly pattern: string;
  readonly distribution: string;
  readonly repair?: string;
  readonly data?: string;
  readonly calibrate: number;
  readonly finetune: number;
  readonly rate: number;
  readonly gradual?: true;
  readonly exclude: readonly string[];
  readonly layer: readonly string[];
  readonly alsoPrune: readonly string[];
  readonly rearrange?: true;
  readonly explain?: true;
  readonly quantise?: string;
  readonly reestimate: boolean;
  readonly fold: boolean;
  readonly mean?: readonly number[];
  readonly std?: readonly number[];
  readonly limit?: number;
  readonly labelOffset: number;
}

/** What is to be done, checked. */
export interface PrunePlan {
  readonly method: PruneMethod;
  readonly sparsity: number;
  readonly pattern: PrunePattern | { readonly kind: "channels" };
  readonly distribution: SplitName;
  readonly repair: Repair;
  readonly rules: readonly LayerRule[];
  readonly exclude: readonly string[];
  readonly keepDense: { readonly first: boolean; readonly depthwise: boolean; readonly last: boolean };
}

const methods: readonly PruneMethod[] = ["magnitude", "random", "wanda", "sparsegpt"];
const repairs: readonly Repair[] = ["none", "least-squares", "obs"];

/** `unstructured`, `row`, `2:4`, `block:2x1`, `kernels:8`, `channels`. @throws OptionError */
export function readPatternName(text: string): PrunePlan["pattern"] {
  if (text === "channels") return { kind: "channels" };
  if (text === "unstructured") return { kind: "unstructured", scope: "tensor" };
  if (text === "row") return { kind: "unstructured", scope: "row" };
  const nm = /^(\d{1,4}):(\d{1,4})$/.exec(text);
  if (nm && Number(nm[1]) >= 1 && Number(nm[1]) < Number(nm[2])) return { kind: "nm", keep: Number(nm[1]), of: Number(nm[2]) };
  const block = /^block:([1-9]\d{0,2})x([1-9]\d{0,2})$/.exec(text);
  if (block) return { kind: "block", rows: Number(block[1]), cols: Number(block[2]) };
  const kernels = /^kernels:([1-9]\d{0,2})$/.exec(text);
  if (kernels) return { kind: "kernels", filters: Number(kernels[1]) };
  throw new OptionError(
    "--pattern",
    "unstructured, row, N:M (N kept of M, such as 2:4), block:RxC (such as block:2x1), kernels:G or channels",
    text,
  );
}

function oneOf<T extends string>(option: string, value: string, choices: readonly T[]): T {
  if (!(choices as readonly string[]).includes(value)) throw new OptionError(option, `one of ${choices.join(", ")}`, value);
  return value as T;
}

/** @throws OptionError, InputError for options that do not go together */
export function planOf(flags: PruneFlags): PrunePlan {
  const method = oneOf("--method", flags.method, methods);
  const pattern = readPatternName(flags.pattern);
  const repair = flags.repair === undefined ? (method === "sparsegpt" ? "obs" : "none") : oneOf("--repair", flags.repair, repairs);
  const distribution = oneOf("--distribution", flags.distribution, [
    ...(Object.keys(distributions) as DistributionName[]),
    "global",
  ] as SplitName[]);
  const fixed = pattern.kind === "nm" ? 1 - pattern.keep / pattern.of : undefined;
  const sparsity = flags.sparsity ?? fixed;
  if (sparsity === undefined) throw new InputError("--sparsity: expected a number in [0, 1), such as --sparsity 0.9");
  if (fixed !== undefined && Math.abs(sparsity - fixed) > 1e-9)
    throw new OptionError("--sparsity", `${fixed}, which the pattern ${flags.pattern} fixes, or none`, sparsity);
  if (pattern.kind === "channels") {
    if (method === "sparsegpt") throw new OptionError("--method", "magnitude, random or wanda with --pattern channels", method);
    if (repair === "obs") throw new OptionError("--repair", "none or least-squares with --pattern channels", repair);
    if (flags.layer.length > 0)
      throw new OptionError("--layer", "no rule with --pattern channels: groups span layers; use --exclude", flags.layer[0]);
    if (flags.gradual) throw new InputError("--gradual: channels are cut at once; leave --gradual out");
  }
  if (flags.rearrange && pattern.kind !== "kernels" && pattern.kind !== "block")
    throw new OptionError("--rearrange", "--pattern kernels:G or block:Rx1", flags.pattern);
  if (flags.quantise !== undefined) {
    oneOf("--quantise", flags.quantise, ["int8"]);
    if (!flags.fold) throw new InputError("--quantise: folds batch norm into the weights; leave --no-fold out");
    if (flags.data === undefined)
      throw new InputError("--data: --quantise finds the ranges of activations on data; name a data set, such as --data cifar10");
  }
  const needsData = method === "wanda" || method === "sparsegpt" || repair !== "none" || flags.finetune > 0 || flags.gradual;
  if (needsData && flags.data === undefined)
    throw new InputError(
      "--data: this needs data (wanda, sparsegpt, --repair, --finetune and --gradual do); name a data set, such as --data cifar10",
    );
  if (flags.gradual && (method !== "magnitude" || repair !== "none" || flags.layer.length > 0 || pattern.kind === "kernels")) {
    throw new InputError("--gradual: ranks by magnitude while it trains; leave --method, --repair, --layer and kernel groups out");
  }
  if (flags.gradual && flags.finetune < 1) throw new InputError("--gradual: prunes while it fine-tunes; give --finetune epochs");
  const also = new Set(flags.alsoPrune.map((kind) => oneOf("--also-prune", kind, ["first", "depthwise", "last"])));
  return {
    method,
    sparsity,
    pattern,
    distribution,
    repair,
    exclude: flags.exclude,
    rules: flags.layer.map(readRule),
    keepDense: { first: !also.has("first"), depthwise: !also.has("depthwise"), last: !also.has("last") },
  };
}

function readRule(text: string): LayerRule {
  const at = text.lastIndexOf("=");
  const sparsity = Number(text.slice(at + 1));
  if (at < 1 || text.slice(at + 1).trim() === "" || !(sparsity >= 0 && sparsity < 1))
    throw new OptionError("--layer", "a layer's path or pattern and its sparsity, such as layer3.*=0.95", text);
  return { match: text.slice(0, at), sparsity };
}

/** The options that made this file, for the report and the file's metadata. */
export const optionsOf = ({ json: _, out: __, verbose: ___, ...rest }: PruneFlags): Readonly<Record<string, unknown>> => ({
  ...rest,
});
