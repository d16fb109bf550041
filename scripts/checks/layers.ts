/** Which folder may import which, and across folders only the other's index. */
import { type Finding, isTest, type Project } from "./project.js";

const all = ["core", "formats", "kernels", "program", "engine", "nn", "optim", "sparsity", "data", "models"];

/** The folders below `src/` that each one may import. */
export const allowed: Readonly<Record<string, readonly string[]>> = {
  core: [],
  formats: ["core"],
  kernels: ["core"],
  program: ["core", "kernels", "formats"],
  engine: ["core", "kernels", "program"],
  nn: ["core", "program"],
  optim: ["core", "program"],
  sparsity: ["core", "program"],
  data: ["core", "formats"],
  models: ["core", "program", "nn"],
  train: all,
  methods: ["core", "program", "nn", "optim", "sparsity", "train"],
  search: ["core", "program", "nn", "sparsity", "models", "train"],
  runtime: ["core", "formats", "kernels", "program", "engine"],
  retrieval: ["core", "formats", "kernels"],
  memory: ["core", "formats", "kernels"],
  graphs: ["core", "formats", "kernels"],
};

/** Top-level folders beside `src/`, and which of each other they may import. */
const beside: Readonly<Record<string, readonly string[]>> = {
  cli: ["papers/harness"],
  papers: [],
  bench: [],
  examples: [],
  test: ["cli", "papers", "scripts", "bench", "examples"],
  scripts: [],
};

/** Scripts that build a folder's generated files read its generators. */
const builders: Readonly<Record<string, readonly string[]>> = {
  "scripts/build-kernels.ts": ["src/kernels/templates/"],
  "scripts/lib/worker-script.ts": ["src/kernels/templates/"],
  "scripts/lib/worker-slim.ts": ["src/kernels/templates/", "src/program/ops/browser.ts"],
};

const isEntry = (path: string, folder: string) => path === `${folder}/index.ts` || path.endsWith(".node.ts");

/** Every import that crosses a folder where it must not. */
export function checkLayers(project: Project): Finding[] {
  const findings: Finding[] = [];
  for (const { path, imports } of project.values()) {
    if (isTest(path)) continue;
    const [top, folder] = path.split("/") as [string, string];
    for (const { target, line, specifier } of imports) {
      if (!target || target.split("/").includes("generated")) continue;
      const [toTop, toFolder] = target.split("/") as [string, string];
      const report = (problem: string) => findings.push({ path, line, problem: `imports ${specifier}: ${problem}` });
      if (toTop === "src" && top !== "src") {
        if (builders[path]?.some((place) => target.startsWith(place))) continue;
        if (target !== "src/index.ts" && !isEntry(target, `src/${toFolder}`))
          report(`${top}/ imports src/ only through src/<folder>/index.js or a *.node.js file`);
      } else if (top === "src" && toTop !== "src") report(`src/ must not import ${toTop}/`);
      else if (top === "src") {
        const fromRoot = folder.endsWith(".ts");
        if (folder === toFolder) continue;
        if (toFolder.endsWith(".ts")) report("a folder must not import the package's root files");
        else if (!isEntry(target, `src/${toFolder}`)) report(`across folders only ../${toFolder}/index.js`);
        else if (fromRoot) continue;
        else if (!(folder in allowed)) report(`src/${folder}/ has no row in scripts/checks/layers.ts`);
        else if (!allowed[folder]!.includes(toFolder))
          report(`src/${folder}/ may import ${allowed[folder]!.join(", ") || "nothing"}`);
      } else if (toTop !== top && !beside[top]?.some((place) => target.startsWith(`${place}/`)))
        report(`${top}/ must not import ${toTop}/`);
    }
  }
  return findings;
}

/** A method never imports another method. */
export function checkMethodsApart(project: Project): Finding[] {
  const findings: Finding[] = [];
  const isMethod = (path: string) =>
    /^src\/methods\/[^/]+\.ts$/.test(path) && !isTest(path) && !/\/(index|registry|types|card|cards)\.ts$/.test(path);
  for (const { path, imports } of project.values()) {
    if (!isMethod(path)) continue;
    for (const { target, line, typeOnly } of imports) {
      if (target && !typeOnly && isMethod(target) && exportsMethod(project, target))
        findings.push({ path, line, problem: `a method must not import another method (${target})` });
    }
  }
  return findings;
}

/** A file of `src/methods/` is a method when it exports a method card; the others are shared helpers. */
const exportsMethod = (project: Project, path: string) => /export const \w*[cC]ard\b/.test(project.get(path)?.text ?? "");
