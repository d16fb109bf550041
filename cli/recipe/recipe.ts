/** A recipe: what `sparseland run` trains and compares. YAML on disk, the same object from TypeScript. */
import { InputError } from "../../src/core/index.js";
import { datasetNames } from "../../src/data/index.node.js";
import { models } from "../../src/models/index.js";
import { checkMethod } from "./method.js";
import {
  type Checked,
  flag,
  type Issue,
  integer,
  list,
  number,
  object,
  oneOf,
  oneOrMore,
  optional,
  options,
  type Plain,
  refine,
  type Schema,
  text,
  withDefault,
} from "./schema.js";
import { readYaml } from "./yaml.js";

const data = object({
  set: oneOf(datasetNames),
  /** `auto` (what comes with the install, else a download with checksum), `package`, `download`, or a folder with the original files. */
  source: withDefault(text("auto, package, download, or a folder"), "auto"),
  /** Images to train on, the first so many; all when missing. */
  train: optional(integer({ min: 1 })),
  /** Images to test on; all when missing. */
  test: optional(integer({ min: 1 })),
  /** Random shifts of up to so many pixels. */
  shift: withDefault(integer({ min: 0, max: 16 }), 0),
  /** Random mirroring. */
  flip: withDefault(flag, false),
});

const optimiser = object({
  name: withDefault(oneOf(["sgd", "adam", "adamw"]), "sgd"),
  momentum: withDefault(number({ min: 0, below: 1 }), 0.9),
  nesterov: withDefault(flag, false),
  weightDecay: withDefault(number({ min: 0, max: 1 }), 0),
});

const schedule = object({
  name: withDefault(oneOf(["constant", "cosine", "steps"]), "cosine"),
  /** Peak learning rate. */
  rate: number({ min: 1e-12, max: 100 }),
  /** Share of all steps that the rate rises linearly from 0. */
  warmup: withDefault(number({ min: 0, max: 0.5 }), 0),
});

const train = object({
  epochs: integer({ min: 1, max: 10_000 }),
  batch: integer({ min: 1, max: 65_536 }),
  optimiser: withDefault(optimiser, { name: "sgd", momentum: 0.9, nesterov: false, weightDecay: 0 }),
  schedule,
});

const entry = refine(
  object({
    /** Shown in tables; made from method and sparsity when missing. */
    name: optional(text("a name of letters, digits, spaces, . _ - %", /^[\w .%-]{1,80}$/)),
    /** `small-dense`, or a method of `sparseland methods`. */
    method: text("the name of a method"),
    /** One entry for each. Missing for dense ones. */
    sparsity: optional(oneOrMore(number({ min: 0, below: 1 }))),
    /** For `small-dense`: it has as many parameters as the network of the recipe has non-zeros at this density. */
    density: optional(oneOrMore(number({ min: 1e-6, max: 1 }))),
    /** Options of the method, by its own names. A step may be a share of all steps, such as `70%`. */
    options: withDefault(options, {}),
  }),
  checkMethod,
);

const measure = object({
  /** Timed runs per figure. */
  runs: withDefault(integer({ min: 1, max: 100_000 }), 30),
});

/** Overrides of a section: every key is optional. */
function partial<F extends Readonly<Record<string, Schema<unknown>>>>(
  fields: F,
): Schema<Partial<{ [K in keyof F]: Checked<F[K]> }>> {
  return object(Object.fromEntries(Object.entries(fields).map(([key, schema]) => [key, optional(schema)]))) as unknown as Schema<
    Partial<{ [K in keyof F]: Checked<F[K]> }>
  >;
}

const quick = object({
  data: withDefault(partial({ train: integer({ min: 1 }), test: integer({ min: 1 }) }), {}),
  train: withDefault(partial({ epochs: integer({ min: 1, max: 10_000 }), batch: integer({ min: 1, max: 65_536 }) }), {}),
  measure: withDefault(partial({ runs: integer({ min: 1, max: 100_000 }) }), {}),
});

/** The schema of a recipe. */
export const recipeSchema = object({
  name: text("a name of letters, digits, . _ -", /^[A-Za-z0-9][\w.-]{0,79}$/),
  seed: withDefault(integer({ min: 0, max: 2 ** 32 - 1 }), 0),
  data,
  model: object({ family: oneOf(Object.keys(models)), options: withDefault(options, {}) }),
  train,
  entries: list(entry, 1, 1000),
  measure: withDefault(measure, { runs: 30 }),
  quick: optional(quick),
});

/** A recipe as written. */
export type Recipe = Checked<typeof recipeSchema>;

/** One network to train: an entry of the recipe at one sparsity. */
export interface PlannedEntry {
  /** Unique in the run; safe as a file name. */
  readonly id: string;
  readonly name: string;
  readonly method: string;
  /** 0 for dense ones. */
  readonly sparsity: number;
  /** Of a small dense network: it has as many parameters as the recipe's network has non-zeros at this density. */
  readonly density: number | undefined;
  readonly options: Readonly<Record<string, Plain>>;
}

/** Reads a recipe from YAML. @throws InputError that names file, line and column */
export const readRecipe = (source: string, file: string): Recipe => readYaml(source, file, recipeSchema);

/** Checks a recipe made in TypeScript. @throws InputError with one line per problem */
export function checkRecipe(value: unknown): Recipe {
  const issues: Issue[] = [];
  const recipe = recipeSchema.check(value, [], issues);
  if (issues.length > 0) throw new InputError(issues.map(({ message }) => message).join("\n"));
  return recipe;
}

const defined = <T extends object>(part: T): Partial<T> =>
  Object.fromEntries(Object.entries(part).filter(([, value]) => value !== undefined)) as Partial<T>;

/** The recipe with its `quick` overrides in place. @throws InputError when it has none */
export function quickened(recipe: Recipe): Recipe {
  if (!recipe.quick) throw new InputError(`recipe ${recipe.name}: has no "quick" section, so --quick means nothing`);
  const { data, train, measure } = recipe.quick;
  return {
    ...recipe,
    data: { ...recipe.data, ...defined(data) },
    train: { ...recipe.train, ...defined(train) },
    measure: { ...recipe.measure, ...defined(measure) },
    quick: undefined,
  };
}

const percent = (fraction: number) => `${Number((100 * fraction).toFixed(4))} %`;

/** The networks that a recipe trains, in order. @throws InputError when two have the same name */
export function plannedEntries(recipe: Recipe): PlannedEntry[] {
  const planned: PlannedEntry[] = [];
  for (const { name, method, sparsity, density, options } of recipe.entries) {
    for (const s of sparsity ?? [0]) {
      for (const d of density ?? [undefined]) {
        const several = (sparsity?.length ?? 0) > 1 || (density?.length ?? 0) > 1 || name === undefined;
        const suffix = [...(sparsity ? [percent(s)] : []), ...(d !== undefined ? [percent(d)] : [])];
        const title = several ? [name ?? method, ...suffix].join(" ") : name!;
        const id = title
          .toLowerCase()
          .replaceAll("%", "")
          .trim()
          .replace(/[^a-z0-9.]+/g, "-");
        planned.push({ id, name: title, method, sparsity: s, density: d, options });
      }
    }
  }
  const seen = new Map<string, string>();
  for (const { id, name } of planned) {
    if (seen.has(id))
      throw new InputError(`recipe ${recipe.name}: two entries are called ${JSON.stringify(name)}; give one a name of its own`);
    seen.set(id, name);
  }
  return planned;
}
