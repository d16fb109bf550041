/** package.json's `exports` and the folders of `src/` say the same. */
import type { Finding, Project } from "./project.js";

/** The part of package.json that this check reads. */
export interface PackageJson {
  readonly exports: Readonly<Record<string, string | { readonly types: string; readonly default: string }>>;
}

/** The source entries that package.json exports, as `src/core/index.ts`. */
export function entriesOf({ exports }: PackageJson): string[] {
  return Object.values(exports)
    .filter((target) => typeof target !== "string")
    .map(({ default: path }) => path.replace(/^\.\/dist\//, "").replace(/\.js$/, ".ts"));
}

/** Every `src/<folder>/index.ts` is exported as `./<folder>`, and every export has its source. */
export function checkExports(project: Project, packageJson: PackageJson): Finding[] {
  const findings: Finding[] = [];
  const report = (problem: string) => findings.push({ path: "package.json", line: 1, problem });
  const expected = new Map<string, string>();
  for (const path of project.keys()) {
    const folder = /^src\/([^/]+)\/index\.ts$/.exec(path)?.[1];
    if (folder) expected.set(`./${folder}`, `./dist/src/${folder}/index`);
    else if (path === "src/index.ts") expected.set(".", "./dist/src/index");
    const node = /^src\/([^/]+)\/(?:index|[^/]+)\.node\.ts$/.exec(path)?.[1];
    if (node && path === `src/${node}/index.node.ts`) expected.set(`./${node}/node`, `./dist/src/${node}/index.node`);
  }
  for (const [name, stem] of expected) {
    const target = packageJson.exports[name];
    if (typeof target !== "object" || target.types !== `${stem}.d.ts` || target.default !== `${stem}.js`) {
      report(`exports["${name}"] must be { "types": "${stem}.d.ts", "default": "${stem}.js" }`);
    }
  }
  for (const name of Object.keys(packageJson.exports)) {
    if (name !== "./package.json" && !expected.has(name)) report(`exports["${name}"] has no source file`);
  }
  return findings;
}
