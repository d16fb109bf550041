/** The project as the checks see it: its source files with their imports. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";

/** One import of a source file. */
export interface Import {
  /** As written: `../core/index.js`, `node:fs`, `yaml`. */
  readonly specifier: string;
  readonly line: number;
  /** Only types cross: no cycle at run time. */
  readonly typeOnly: boolean;
  /** The source file it means (`src/core/index.ts`), or undefined for packages and Node's modules. */
  readonly target: string | undefined;
}

/** One source file; paths are relative to the root, with `/`. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
  readonly imports: readonly Import[];
}

/** All source files by path. */
export type Project = ReadonlyMap<string, SourceFile>;

/** Something wrong: where and what. */
export interface Finding {
  readonly path: string;
  readonly line: number;
  readonly problem: string;
}

/** The checkout. */
export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** The text with comments and the contents of strings blanked, line breaks kept: what is left is code. */
export function withoutComments(text: string, blankStrings = false): string {
  const pattern = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\[\s\S]|[^`\\])*`/g;
  return text.replace(pattern, (found) => {
    if (found.startsWith("/*") || found.startsWith("//")) return found.replace(/[^\n]/g, " ");
    return blankStrings ? found[0] + found.slice(1, -1).replace(/[^\n]/g, " ") + found[0] : found;
  });
}

const statement = /(?:^|[;\n}])\s*(import|export)\b(\s+type\b)?([^;"'()]*?\bfrom\s*)?\s*["']([^"'\n]+)["']/g;
const dynamic = /\bimport\(\s*["']([^"'\n]+)["']\s*\)/g;

/** The imports and re-exports of one file. */
export function importsOf(path: string, text: string): Import[] {
  const code = withoutComments(text);
  const found: Import[] = [];
  const add = (specifier: string, at: number, typeOnly: boolean) => {
    const target = specifier.startsWith(".") ? posix.join(posix.dirname(path), specifier).replace(/\.js$/, ".ts") : undefined;
    found.push({ specifier, line: code.slice(0, at).split("\n").length, typeOnly, target });
  };
  for (const match of code.matchAll(statement)) {
    const at = match.index + match[0].lastIndexOf(match[4]!);
    const names = /\{([^}]*)\}/
      .exec(match[3] ?? "")?.[1]
      ?.split(",")
      .map((name) => name.trim())
      .filter(Boolean);
    const allTypes = names !== undefined && names.length > 0 && names.every((name) => name.startsWith("type "));
    add(match[4]!, at, match[2] !== undefined || allTypes);
  }
  for (const match of code.matchAll(dynamic)) add(match[1]!, match.index, false);
  return found;
}

const folders = ["src", "cli", "papers", "bench", "test", "examples", "scripts"];
const skipped = new Set(["node_modules", "generated", "dist", "results"]);

function* walk(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      if (!skipped.has(entry.name)) yield* walk(path);
    } else if (/\.ts$/.test(entry.name) && !entry.name.endsWith(".d.ts")) yield path;
  }
}

/** Reads the project below `from`. */
export function readProject(from = root): Project {
  const project = new Map<string, SourceFile>();
  for (const folder of folders) {
    for (const file of walk(join(from, folder))) {
      const path = relative(from, file).split(sep).join("/");
      const text = readFileSync(file, "utf8");
      project.set(path, { path, text, imports: importsOf(path, text) });
    }
  }
  return project;
}

/** A project from texts, for tests of the checks. */
export function projectOf(texts: Readonly<Record<string, string>>): Project {
  return new Map(Object.entries(texts).map(([path, text]) => [path, { path, text, imports: importsOf(path, text) }]));
}

/** Tests and benchmarks may look anywhere. */
export const isTest = (path: string): boolean =>
  /\.(test|bench)\.ts$/.test(path) || path.includes("/testing/") || path.startsWith("test/");
