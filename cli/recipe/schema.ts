/**
 * Schemas for plain values, with issues that say where, what was expected and what came. They check values that come from
 * YAML, JSON or TypeScript alike; who knows lines and columns adds them (`yaml.ts`).
 */
import { show } from "../../src/core/index.js";
import { nearest } from "./nearest.js";

/** From the root to a value: keys and list positions. */
export type Path = readonly (string | number)[];

/** Something wrong with a value. */
export interface Issue {
  readonly path: Path;
  /** Points at the key itself, not at its value. */
  readonly atKey: boolean;
  readonly message: string;
}

/** Checks an unknown value; returns it typed, with defaults filled in. What it returns is meaningless once issues were added. */
export interface Schema<T> {
  check(value: unknown, path: Path, issues: Issue[]): T;
  /** What a missing value means; without it the key is required. */
  readonly fallback?: { readonly value: T };
}

/** The type that a schema checks for. */
export type Checked<S> = S extends Schema<infer T> ? T : never;

/** `entries[2].sparsity`. */
export const dotted = (path: Path) =>
  path.map((part, i) => (typeof part === "number" ? `[${part}]` : i === 0 ? part : `.${part}`)).join("") || "the recipe";

/** Adds "expected ..., got ..." for `path`. */
export function expected(path: Path, issues: Issue[], what: string, came: unknown, hint = ""): void {
  issues.push({
    path,
    atKey: false,
    message: `${dotted(path)}: expected ${what}, got ${came === undefined ? "nothing" : show(came)}${hint}`,
  });
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** A number in [min, max]. */
export function number({
  min = -Number.MAX_VALUE,
  max = Number.MAX_VALUE,
  below,
}: {
  min?: number;
  max?: number;
  below?: number;
} = {}): Schema<number> {
  const range =
    below !== undefined
      ? `[${min}, ${below})`
      : max === Number.MAX_VALUE
        ? min === -max
          ? ""
          : `of at least ${min}`
        : `[${min}, ${max}]`;
  const what = `a number${range === "" ? "" : ` ${range.startsWith("[") ? "in " : ""}${range}`}`;
  return {
    check(value, path, issues) {
      if (typeof value !== "number" || !(value >= min && value <= max) || (below !== undefined && value >= below))
        expected(path, issues, what, value);
      return value as number;
    },
  };
}

/** An integer in [min, max]. */
export function integer({ min = 0, max = Number.MAX_SAFE_INTEGER }: { min?: number; max?: number } = {}): Schema<number> {
  const what = max === Number.MAX_SAFE_INTEGER ? `an integer of at least ${min}` : `an integer in [${min}, ${max}]`;
  return {
    check(value, path, issues) {
      if (!Number.isSafeInteger(value) || (value as number) < min || (value as number) > max) expected(path, issues, what, value);
      return value as number;
    },
  };
}

/** Text, not empty; with `pattern`, of that form (`form` says it in words). */
export function text(form = "text", pattern = /\S/): Schema<string> {
  return {
    check(value, path, issues) {
      if (typeof value !== "string" || value.length > 4096 || !pattern.test(value)) expected(path, issues, form, value);
      return value as string;
    },
  };
}

/** true or false. */
export const flag: Schema<boolean> = {
  check(value, path, issues) {
    if (typeof value !== "boolean") expected(path, issues, "true or false", value);
    return value as boolean;
  },
};

/** One of a few words. */
export function oneOf<const T extends string>(choices: readonly T[]): Schema<T> {
  return {
    check(value, path, issues) {
      if (!choices.includes(value as T)) {
        const near = typeof value === "string" ? nearest(value, choices) : undefined;
        expected(path, issues, `one of ${choices.join(", ")}`, value, near ? `; did you mean ${JSON.stringify(near)}?` : "");
      }
      return value as T;
    },
  };
}

/** A list of at least `least` items. */
export function list<T>(item: Schema<T>, least = 0, most = 10_000): Schema<readonly T[]> {
  return {
    check(value, path, issues) {
      if (!Array.isArray(value)) {
        expected(path, issues, "a list", value);
        return [];
      }
      if (value.length < least || value.length > most)
        expected(path, issues, `a list of ${least} to ${most} items`, `${value.length} items`);
      return value.slice(0, most).map((entry, i) => item.check(entry, [...path, i], issues));
    },
  };
}

/** One value or a list of them; always a list afterwards. */
export function oneOrMore<T>(item: Schema<T>): Schema<readonly T[]> {
  const many = list(item, 1);
  return {
    check: (value, path, issues) => (Array.isArray(value) ? many.check(value, path, issues) : [item.check(value, path, issues)]),
  };
}

/** What options are made of. */
export type Plain = string | number | boolean | null | readonly Plain[] | { readonly [key: string]: Plain };

/** A map of free keys to plain values: options that someone else checks. */
export const options: Schema<Readonly<Record<string, Plain>>> = {
  check(value, path, issues) {
    if (!isRecord(value)) {
      expected(path, issues, "a map of options", value);
      return {};
    }
    plain(value, path, issues, 0);
    return value as Record<string, Plain>;
  },
};

function plain(value: unknown, path: Path, issues: Issue[], depth: number): void {
  if (depth > 8) expected(path, issues, "options nested at most 8 deep", "deeper ones");
  else if (Array.isArray(value)) for (const [i, item] of value.entries()) plain(item, [...path, i], issues, depth + 1);
  else if (isRecord(value)) for (const [key, item] of Object.entries(value)) plain(item, [...path, key], issues, depth + 1);
  else if (typeof value === "number" && !Number.isFinite(value)) expected(path, issues, "a finite number", value);
  else if (value !== null && !["string", "number", "boolean"].includes(typeof value))
    expected(path, issues, "a number, text, true, false, a list or a map", value);
}

/** The same schema with a further check, made only when the value is sound so far. */
export function refine<T>(schema: Schema<T>, check: (value: T, path: Path, issues: Issue[]) => void): Schema<T> {
  return {
    ...schema,
    check(value, path, issues) {
      const before = issues.length;
      const checked = schema.check(value, path, issues);
      if (issues.length === before) check(checked, path, issues);
      return checked;
    },
  };
}

/** The same schema with a value for a missing key. */
export const withDefault = <T>(schema: Schema<T>, value: T): Schema<T> => ({ check: schema.check, fallback: { value } });

/** The same schema; a missing key stays undefined. */
export const optional = <T>(schema: Schema<T>): Schema<T | undefined> => ({
  check: (value, path, issues) => schema.check(value, path, issues),
  fallback: { value: undefined },
});

/** A map with exactly these keys. */
export function object<F extends Readonly<Record<string, Schema<unknown>>>>(
  fields: F,
): Schema<{ readonly [K in keyof F]: Checked<F[K]> }> {
  type Result = { readonly [K in keyof F]: Checked<F[K]> };
  const keys = Object.keys(fields);
  return {
    check(value, path, issues) {
      if (!isRecord(value)) {
        expected(path, issues, `a map with the keys ${keys.join(", ")}`, value);
        return {} as Result;
      }
      for (const key of Object.keys(value)) {
        if (Object.hasOwn(fields, key)) continue;
        const near = nearest(key, keys);
        const hint = near ? `; did you mean ${JSON.stringify(near)}?` : "";
        issues.push({
          path: [...path, key],
          atKey: true,
          message: `${dotted([...path, key])}: unknown key${hint} (keys here: ${keys.join(", ")})`,
        });
      }
      const out: Record<string, unknown> = {};
      for (const [key, schema] of Object.entries(fields)) {
        if (Object.hasOwn(value, key) && value[key] !== undefined) out[key] = schema.check(value[key], [...path, key], issues);
        else if (schema.fallback) out[key] = schema.fallback.value;
        else issues.push({ path, atKey: false, message: `${dotted([...path, key])}: missing` });
      }
      return out as Result;
    },
  };
}
