/** Options of methods as data: one schema serves TypeScript callers, recipes and the catalogue. */
import { OptionError, requireInteger, requireNumber, requireOneOf } from "../core/index.js";
import { distributions, type Pattern, readPattern } from "../sparsity/index.js";

/** One option. Plain JSON. */
export interface OptionSpec {
  readonly type: "number" | "integer" | "choice" | "paths" | "pattern";
  /** What it does, with the paper's symbol and the unit. */
  readonly doc: string;
  /** Value when omitted. An option without a default is required unless `optional`. */
  readonly default?: number | string | readonly string[] | Pattern;
  readonly optional?: boolean;
  readonly minimum?: number;
  readonly maximum?: number;
  /** The range excludes `maximum`. */
  readonly belowMaximum?: boolean;
  /** Allowed values of a choice. */
  readonly choices?: readonly string[];
}

/** A method's options by name. */
export type OptionsSchema = Readonly<Record<string, OptionSpec>>;

/** Options that several methods share, so that they read the same everywhere. */
export const shared = {
  sparsity: {
    type: "number",
    doc: "target share of zeros among prunable weights (s, s_f)",
    minimum: 0,
    maximum: 1,
    belowMaximum: true,
  },
  exclude: {
    type: "paths",
    doc: "parameters to leave dense: exact paths, patterns with *, or kind:<kind>. Biases and norms are never masked",
    default: [],
  },
  distribution: (name: keyof typeof distributions) =>
    ({
      type: "choice",
      doc: "how the sparsity is split over tensors",
      default: name,
      choices: Object.keys(distributions),
    }) as const,
  distributionOrGlobal: (name: keyof typeof distributions | "global") =>
    ({
      type: "choice",
      doc: "how the sparsity is split over tensors; global = one ranking over the whole network",
      default: name,
      choices: [...Object.keys(distributions), "global"],
    }) as const,
  pattern: {
    type: "pattern",
    doc: 'where zeros may lie, such as { kind: "block", rows: 2, cols: 1 }',
    default: { kind: "unstructured", scope: "tensor" },
  },
} as const satisfies Record<string, OptionSpec | ((name: never) => OptionSpec)>;

function readOne(place: string, spec: OptionSpec, value: unknown): unknown {
  switch (spec.type) {
    case "integer":
      return requireInteger(place, value, spec.minimum, spec.maximum);
    case "number": {
      const { minimum = Number.NEGATIVE_INFINITY, maximum = Number.POSITIVE_INFINITY, belowMaximum } = spec;
      if (belowMaximum && (typeof value !== "number" || !(value >= minimum && value < maximum))) {
        throw new OptionError(place, `a number in [${minimum}, ${maximum})`, value);
      }
      return requireNumber(place, value, minimum, maximum);
    }
    case "choice":
      return requireOneOf(place, value, spec.choices ?? []);
    case "paths":
      if (!Array.isArray(value) || !value.every((v) => typeof v === "string"))
        throw new OptionError(place, "a list of parameter paths", value);
      return value;
    case "pattern":
      return readPattern(place, value);
  }
}

/**
 * Options with defaults filled in, every value checked.
 *
 * @param method  for messages
 * @param schema  the method's options
 * @param options what the user gave
 * @throws OptionError naming `method.option`, what is allowed, and what came; also on unknown names
 */
export function readOptions<O>(method: string, schema: OptionsSchema, options: unknown): O {
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    throw new OptionError(`${method}.options`, "an object of options", options);
  }
  const given = options as Record<string, unknown>;
  for (const key of Object.keys(given)) {
    if (!Object.hasOwn(schema, key)) {
      throw new OptionError(
        `${method}.${key}`,
        `no option of this name; known: ${Object.keys(schema).join(", ") || "none"}`,
        given[key],
      );
    }
  }
  const out: Record<string, unknown> = {};
  for (const [key, spec] of Object.entries(schema)) {
    const value = given[key] ?? spec.default;
    if (value !== undefined) out[key] = readOne(`${method}.${key}`, spec, value);
    else if (!spec.optional) throw new OptionError(`${method}.${key}`, `${spec.doc}; it is required`, value);
  }
  return out as O;
}
