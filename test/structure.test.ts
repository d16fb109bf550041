/** The project keeps its shape: layers, cycles, sizes, docstrings, exports, purity. Each check is also tested on a project that breaks it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { checkCycles } from "../scripts/checks/cycles.js";
import { checkDocs } from "../scripts/checks/docs.js";
import { checkExports, entriesOf, type PackageJson } from "../scripts/checks/exports.js";
import { checkLayers, checkMethodsApart } from "../scripts/checks/layers.js";
import { type Finding, importsOf, projectOf, readProject, root, withoutComments } from "../scripts/checks/project.js";
import { checkGlobals, checkNodeImports } from "../scripts/checks/purity.js";
import { checkSizes, longFiles } from "../scripts/checks/sizes.js";

const project = readProject();
const packageJson = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as PackageJson;
const lines = (findings: readonly Finding[]) => findings.map(({ path, line, problem }) => `${path}:${line} ${problem}`);

describe("this project", () => {
  it("reads its own sources", () =>
    expect(project.get("src/core/index.ts")?.imports.map(({ target }) => target)).toContain("src/core/errors.ts"));
  it("imports only what each layer allows", () => expect(lines(checkLayers(project))).toEqual([]));
  it("keeps methods apart", () => expect(lines(checkMethodsApart(project))).toEqual([]));
  it("has no import cycles", () => expect(lines(checkCycles(project))).toEqual([]));
  it("has no oversized files", () => {
    for (const warning of lines(longFiles(project))) console.warn(`long file: ${warning}`);
    expect(lines(checkSizes(project))).toEqual([]);
  });
  it("documents every public export", () => expect(lines(checkDocs(project, entriesOf(packageJson)))).toEqual([]));
  it("exports every folder", () => expect(lines(checkExports(project, packageJson))).toEqual([]));
  it("keeps Node out of the library", () => expect(lines(checkNodeImports(project))).toEqual([]));
  it("has no global randomness or clock", () => expect(lines(checkGlobals(project))).toEqual([]));
});

describe("the checks themselves", () => {
  it("reads imports of every form, and none from comments or strings", () => {
    const text = [
      'import a, { b } from "./a.js";',
      "import {",
      "  type C,",
      "  type D,",
      '} from "../d/index.js";',
      'import type { E } from "./e.js";',
      'export * from "./f.js";',
      'import "./g.js";',
      'const h = await import("./h.js");',
      '// import "./no.js";',
      'const text = `import x from "./no.js"`;',
      'import { readFile } from "node:fs";',
    ].join("\n");
    expect(
      importsOf("src/x/y.ts", text).map(({ specifier, line, typeOnly, target }) => [specifier, line, typeOnly, target]),
    ).toEqual([
      ["./a.js", 1, false, "src/x/a.ts"],
      ["../d/index.js", 5, true, "src/d/index.ts"],
      ["./e.js", 6, true, "src/x/e.ts"],
      ["./f.js", 7, false, "src/x/f.ts"],
      ["./g.js", 8, false, "src/x/g.ts"],
      ["node:fs", 12, false, undefined],
      ["./h.js", 9, false, "src/x/h.ts"],
    ]);
  });
  it("blanks comments and strings but keeps lines", () =>
    expect(withoutComments('a /* x\n */ "b" // c\nd', true)).toBe('a     \n    " "     \nd'));
  it("finds layer breaks", () => {
    const broken = projectOf({
      "src/core/a.ts": 'import { x } from "../program/index.js";',
      "src/engine/b.ts": 'import { x } from "../program/trace.js";',
      "src/nn/c.ts": 'import { x } from "../../cli/main.js";',
      "src/new/d.ts": 'import { x } from "../core/index.js";',
      "cli/e.ts": 'import { x } from "../src/engine/plan.js";',
      "src/train/fine.ts": 'import { x } from "../engine/index.js"; import { y } from "../data/files.node.js";',
      "src/core/fine.test.ts": 'import { x } from "../program/index.js";',
    });
    expect(checkLayers(broken).map(({ path }) => path)).toEqual([
      "src/core/a.ts",
      "src/engine/b.ts",
      "src/nn/c.ts",
      "src/new/d.ts",
      "cli/e.ts",
    ]);
  });
  it("finds methods that import each other, and lets them share helpers", () => {
    const broken = projectOf({
      "src/methods/set.ts": "export const setCard = 1;",
      "src/methods/rigl.ts": 'import { set } from "./set.js"; import { h } from "./helper.js"; export const riglCard = 1;',
      "src/methods/helper.ts": "export const h = 1;",
    });
    expect(lines(checkMethodsApart(broken))).toEqual([
      "src/methods/rigl.ts:1 a method must not import another method (src/methods/set.ts)",
    ]);
  });
  it("finds cycles at run time only", () => {
    const a = { "src/x/a.ts": 'import { b } from "./b.js";', "src/x/b.ts": 'import { c } from "./c.js";' };
    expect(lines(checkCycles(projectOf({ ...a, "src/x/c.ts": 'import { a } from "./a.js";' })))).toEqual([
      "src/x/a.ts:1 import cycle of src/x/a.ts, src/x/b.ts, src/x/c.ts",
    ]);
    expect(checkCycles(projectOf({ ...a, "src/x/c.ts": 'import type { a } from "./a.js";' }))).toEqual([]);
  });
  it("finds long files and stale exceptions", () => {
    const files = projectOf({ "src/x/long.ts": "x\n".repeat(501), "src/x/short.ts": "x\n".repeat(500) });
    expect(lines(checkSizes(files, {}))).toEqual(["src/x/long.ts:500 501 lines, at most 500: split it"]);
    expect(checkSizes(files, { "src/x/long.ts": "a table" })).toEqual([]);
    expect(checkSizes(files, { "src/x/long.ts": "a table", "src/x/short.ts": "?", "src/x/gone.ts": "?" })).toHaveLength(2);
    expect(longFiles(files)).toHaveLength(2);
  });
  it("finds undocumented exports through re-exports", () => {
    const files = projectOf({
      "src/x/index.ts": 'export * from "./a.js";\nexport { b, type C } from "./b.js";',
      "src/x/a.ts": "/** Yes. */\nexport const yes = 1;\n\nexport function no(): void {}\nconst hidden = 1;",
      "src/x/b.ts": "export const b = 1;\n/** Yes. */\nexport interface C {}\nexport const notExported = 1;",
    });
    expect(lines(checkDocs(files, ["src/x/index.ts"]))).toEqual([
      "src/x/a.ts:4 no is exported to users and has no docstring",
      "src/x/b.ts:1 b is exported to users and has no docstring",
    ]);
  });
  it("finds missing and dangling exports", () => {
    const files = projectOf({ "src/x/index.ts": "" });
    expect(checkExports(files, { exports: {} })).toHaveLength(1);
    const x = { types: "./dist/src/x/index.d.ts", default: "./dist/src/x/index.js" };
    expect(checkExports(files, { exports: { "./x": x, "./y": x } })).toHaveLength(1);
    expect(checkExports(files, { exports: { "./x": x } })).toEqual([]);
  });
  it("finds Node, randomness and the clock", () => {
    const files = projectOf({
      "src/x/a.ts": 'import { readFile } from "node:fs";\nconst r = Math.random();\nconst t = Date.now(); // Math.random is banned',
      "src/x/b.node.ts": 'import { readFile } from "node:fs";',
      "cli/c.ts": 'import { readFile } from "node:fs";\nconst t = Date.now();',
    });
    expect(checkNodeImports(files)).toHaveLength(1);
    expect(lines(checkGlobals(files))).toEqual([
      "src/x/a.ts:2 Math.random: take an Rng",
      "src/x/a.ts:3 Date.now: take the clock as an argument",
    ]);
  });
});
