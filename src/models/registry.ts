/** Models by name, for recipes and the command line. */
import { InputError } from "../core/index.js";
import { convnet } from "./convnet.js";
import { type LenetOptions, lenet } from "./lenet.js";
import { mlp } from "./mlp.js";
import { mobilenetV1, mobilenetV2 } from "./mobilenet.js";
import type { Model } from "./model.js";
import { resnet } from "./resnet.js";

/** Options that every model takes, and its own beside them. */
export interface ModelOptions {
  /** Shape of one example, without the batch. */
  readonly inputShape?: readonly number[];
  readonly classes?: number;
  /** Width multiplier. */
  readonly width?: number;
  readonly [option: string]: unknown;
}

/** How a model is built, and which options it knows. */
export interface ModelEntry {
  readonly build: (options: ModelOptions) => Model;
  readonly options: readonly string[];
}

const common = ["inputShape", "classes", "width"];
const residual = (depth: number): ModelEntry => ({ build: (options) => resnet({ ...options, depth }), options: common });

/** All models by name. */
export const models: Readonly<Record<string, ModelEntry>> = {
  mlp: { build: mlp, options: [...common, "hidden", "batchNorm", "dropout"] },
  convnet: { build: convnet, options: [...common, "channels"] },
  lenet: { build: (options) => lenet(options as LenetOptions), options: [...common, "channels", "hidden", "padding"] },
  resnet: { build: resnet, options: [...common, "depth"] },
  resnet20: residual(20),
  resnet32: residual(32),
  resnet44: residual(44),
  resnet56: residual(56),
  resnet110: residual(110),
  mobilenetV1: { build: mobilenetV1, options: [...common, "firstStride", "dropout"] },
  mobilenetV2: { build: mobilenetV2, options: [...common, "firstStride", "dropout"] },
};

/**
 * The model of a name.
 * @throws InputError when there is none of that name, or it knows no such option
 */
export function createModel(name: string, options: ModelOptions = {}): Model {
  const entry = Object.hasOwn(models, name) ? models[name] : undefined;
  if (!entry) throw new InputError(`unknown model "${name}"; models are ${Object.keys(models).join(", ")}`);
  for (const option of Object.keys(options)) {
    if (!entry.options.includes(option))
      throw new InputError(`${name} has no option "${option}"; its options are ${entry.options.join(", ")}`);
  }
  return entry.build(options);
}
