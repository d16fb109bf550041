/** package.json's `exports` and the folders of `src/` say the same. */
import type { Finding, Project } from "./project.js";

/** One entry: `browser` is what bundlers take for a page. */
export interface Entry {
  readonly types: string;
  readonly browser?: string;
  readonly default: string;
}

/** The part of package.json that this check reads. */
export interface PackageJson {
  readonly exports: Readonly<Record<string, string | Entry>>;
}

/** The source entries that package.json exports, as `src/core/index.ts`. */
export function entriesOf({ exports }: PackageJson): string[] {
  return Object.values(exports)
    .filter((target) => typeof target !== "string")
    .map(({ default: path }) => path.replace(/^\.\/dist\//, "").replace(/\.js$/, ".ts"));
}

/**
 * What `exports` must say: `./<folder>` for each `src/<folder>/index.ts`, `./<folder>/node` for each `index.node.ts`, `./<folder>/int8`
 * for each `index.int8.ts`; and the condition `browser` where there is an `index.browser.ts` or `index.int8.browser.ts` beside.
 */
export function expectedExports(project: Project): Record<string, Entry> {
  const out: Record<string, Entry> = {};
  for (const path of [...project.keys()].sort()) {
    const [, folder, part] = /^src\/(?:([^/]+)\/)?index(?:\.(node|int8))?\.ts$/.exec(path) ?? [];
    if (folder === undefined && path !== "src/index.ts") continue;
    const stem = `./dist/${path.replace(/\.ts$/, "")}`;
    const browser = project.has(path.replace(/\.ts$/, ".browser.ts")) ? { browser: `${stem}.browser.js` } : {};
    out[folder === undefined ? "." : `./${folder}${part ? `/${part}` : ""}`] = {
      types: `${stem}.d.ts`,
      ...browser,
      default: `${stem}.js`,
    };
  }
  return out;
}

/** Differences between `exports` and the folders. */
export function checkExports(project: Project, packageJson: PackageJson): Finding[] {
  const findings: Finding[] = [];
  const report = (problem: string) =>
    findings.push({ path: "package.json", line: 1, problem: `${problem} (npm run exports writes them anew)` });
  const wanted = expectedExports(project);
  for (const [name, target] of Object.entries(wanted)) {
    if (JSON.stringify(packageJson.exports[name]) !== JSON.stringify(target))
      report(`exports["${name}"] must be ${JSON.stringify(target)}`);
  }
  for (const name of Object.keys(packageJson.exports)) {
    if (name !== "./package.json" && !(name in wanted)) report(`exports["${name}"] has no source file`);
  }
  return findings;
}
