/** The measured networks. */
import { type Model, mlp, mobilenetV1, mobilenetV2, resnet } from "../../../src/models/index.js";
import type { Module, ParamDef } from "../../../src/nn/index.js";
import { encoder } from "./encoder.js";
import { lstm } from "./lstm.js";
import { resnet50 } from "./resnet50.js";

/** A network to measure. */
export interface Entry {
  readonly module: Module;
  /** One example, without the batch. */
  readonly inputShape: readonly number[];
  /** Which params get masks. */
  readonly prunes: (path: string, def: ParamDef) => boolean;
}

const weight = ({ kind }: ParamDef): boolean => kind === "weight";
/** The stem, the depthwise layers and the classifier stay dense, as the field does. */
const pointwise = (_: string, def: ParamDef): boolean => weight(def) && def.role === "conv" && def.shape[2] === 1;
/** With the classifier: at 90 % that is most of what a small network's file holds. */
const pointwiseAndLast = (path: string, def: ParamDef): boolean => pointwise(path, def) || (weight(def) && def.role === "linear");
const inner = (_: string, def: ParamDef): boolean => weight(def) && def.role === "conv" && def.shape[1]! > 3;
const innerAndLast = (path: string, def: ParamDef): boolean => inner(path, def) || (weight(def) && def.role === "linear");
const notLast = (path: string, def: ParamDef): boolean => weight(def) && def.role === "linear" && path !== "fc4.weight";
const products = (_: string, def: ParamDef): boolean => weight(def) && (def.role === "linear" || def.role === "recurrent");

const of = ({ module, inputShape }: Model, prunes: Entry["prunes"]): Entry => ({ module, inputShape, prunes });

/** All networks by name. `-all`: the classifier is pruned too. */
export const networks = {
  mobilenetV1: () => of(mobilenetV1(), pointwise),
  mobilenetV2: () => of(mobilenetV2(), pointwise),
  "mobilenetV1-all": () => of(mobilenetV1(), pointwiseAndLast),
  "mobilenetV2-all": () => of(mobilenetV2(), pointwiseAndLast),
  "resnet50-all": () => of(resnet50(), innerAndLast),
  resnet20: () => of(resnet(), inner),
  resnet50: () => of(resnet50(), inner),
  mlp: () => of(mlp({ inputShape: [784], hidden: [1024, 1024, 1024] }), notLast),
  lstm: () => of(lstm(), products),
  encoder: () => of(encoder(), products),
} as const satisfies Record<string, () => Entry>;

export type NetworkName = keyof typeof networks;
