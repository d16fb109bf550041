/** Methods: one file each, pure functions over explicit state, none importing another. The registry is what recipes and the catalogue read. */
import type { MethodCard, Updater } from "../sparsity/index.js";
import { dense, denseCard, denseSchema } from "./dense.js";
import {
  type GradualMagnitudeOptions,
  gradualMagnitude,
  gradualMagnitudeCard,
  gradualMagnitudeSchema,
} from "./gradual-magnitude.js";
import {
  type OneShotMagnitudeOptions,
  oneShotMagnitude,
  oneShotMagnitudeCard,
  oneShotMagnitudeSchema,
} from "./one-shot-magnitude.js";
import type { OptionsSchema } from "./options.js";
import { type RigLOptions, rigl, riglCard, riglSchema } from "./rigl.js";
import { type SetOptions, set, setCard, setSchema } from "./set.js";
import { type SnipOptions, snip, snipCard, snipSchema } from "./snip.js";
import { type StaticRandomOptions, staticRandom, staticRandomCard, staticRandomSchema } from "./static-random.js";

export * from "./dense.js";
export * from "./gradual-magnitude.js";
export * from "./one-shot-magnitude.js";
export { type OptionSpec, type OptionsSchema, readOptions } from "./options.js";
export * from "./rigl.js";
export * from "./set.js";
export * from "./snip.js";
export * from "./static-random.js";

/** A method as the registry holds it. */
export interface MethodEntry {
  readonly card: MethodCard;
  /** Options with types, ranges, defaults and docs. */
  readonly options: OptionsSchema;
  /** @throws OptionError when an option is unknown, missing, of the wrong type or outside its range */
  create(options: unknown): Updater;
}

/** Every method by name. `create` checks plain JSON against the method's schema. */
export const methods: Readonly<Record<string, MethodEntry>> = {
  dense: { card: denseCard, options: denseSchema, create: (options) => dense((options ?? {}) as Record<string, never>) },
  "static-random": {
    card: staticRandomCard,
    options: staticRandomSchema,
    create: (options) => staticRandom(options as StaticRandomOptions),
  },
  "one-shot-magnitude": {
    card: oneShotMagnitudeCard,
    options: oneShotMagnitudeSchema,
    create: (options) => oneShotMagnitude(options as OneShotMagnitudeOptions),
  },
  "gradual-magnitude": {
    card: gradualMagnitudeCard,
    options: gradualMagnitudeSchema,
    create: (options) => gradualMagnitude(options as GradualMagnitudeOptions),
  },
  snip: { card: snipCard, options: snipSchema, create: (options) => snip(options as SnipOptions) },
  set: { card: setCard, options: setSchema, create: (options) => set(options as SetOptions) },
  rigl: { card: riglCard, options: riglSchema, create: (options) => rigl(options as RigLOptions) },
};
