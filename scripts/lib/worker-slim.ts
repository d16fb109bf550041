/**
 * What stands in the worker's bundle in the place of sources, so that it holds nothing that only training needs; a wrong substitute is a failed build, since each
 * must give every name that somebody imports.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Plugin, transformSync } from "esbuild";
import { wasmBase64 } from "../../src/kernels/generated/inference.js";
import { wasmBase64 as int8Madd } from "../../src/kernels/generated/int8-madd.js";
import { wasmBase64 as int8Plain } from "../../src/kernels/generated/int8-plain.js";
import { wasmBase64 as int8Relaxed } from "../../src/kernels/generated/int8-relaxed.js";
import { signatures } from "../../src/kernels/generated/signatures.js";
import { NOT_IN_BROWSER } from "../../src/kernels/templates/browser.js";
import { INT8_FIRST } from "../../src/kernels/templates/int8/index.js";
import { INT8_OPS, NOT_IN_BROWSER_OPS } from "../../src/program/ops/browser.js";
import { root } from "../checks/project.js";

const read = (path: string): string => readFileSync(join(root, path), "utf8");

/** What a worker can run: float programs alone, or int8 programs too, which takes some 15 KB more. */
export type WorkerKind = "float" | "int8";

/** The int8 modules in the order in which they follow the engine's own in the payload. */
export const INT8_MODULES = Object.entries({ plain: int8Plain, relaxed: int8Relaxed, madd: int8Madd }).map(
  ([flavor, base64]) => [flavor, Buffer.from(base64, "base64")] as const,
);
/** The engine's own module, for float programs. */
export const engineModule = Buffer.from(wasmBase64, "base64");

/** Operations that each kind leaves out. */
const left: Readonly<Record<WorkerKind, ReadonlySet<string>>> = {
  float: NOT_IN_BROWSER_OPS,
  int8: new Set([...NOT_IN_BROWSER_OPS].filter((name) => !INT8_OPS.has(name))),
};

/** Compiled modules, one after another in a global that the bootstrap has set. */
function embeddedWithInt8(): string {
  let end = engineModule.length;
  const ranges = INT8_MODULES.map(([flavor, { length }]) => [flavor, [end, (end += length)]]);
  return `export const flavors = ["plain"];
export const moduleBytes = () => globalThis.sparselandKernels.slice(0, ${engineModule.length});
const ranges = ${JSON.stringify(Object.fromEntries(ranges))};
export const int8Bytes = async (flavor) => globalThis.sparselandKernels.slice(...ranges[flavor]);
`;
}

/** Compiled modules: the bootstrap has left the one there is in a global. */
const embedded = () =>
  `import { InputError } from "../core/index.js";
export const flavors = ["plain"];
export const moduleBytes = () => globalThis.sparselandKernels.slice();
export async function int8Bytes() {
  throw new InputError("this bundle has no int8 kernels; import from sparseland/runtime/int8");
}
`;

/** Signatures of the kernels that the module has, as one string: `name id param: type, ...` a line. */
function slimSignatures(kind: WorkerKind): string {
  const short = { usize: "", i32: ":", f32: "." } as const;
  const lines = Object.entries(signatures)
    .filter(([name, { id }]) => (kind === "int8" || id < INT8_FIRST) && !NOT_IN_BROWSER.has(name))
    .map(([name, { id, params }]) =>
      [name, id, ...params.map((p) => p.replace(/: (\w+)$/, (_, type: keyof typeof short) => short[type]))].join(" "),
    );
  const exported = read("src/kernels/generated/signatures.ts").match(/^export const (version|build) = .*$/gm)!;
  return `${exported.join("\n")}
const types = { ":": "i32", ".": "f32" };
const param = (text) => (types[text.at(-1)] ? text.slice(0, -1) + ": " + types[text.at(-1)] : text + ": usize");
export const signatures = Object.fromEntries(${JSON.stringify(lines.join("\n"))}.split("\\n").map((line) => {
  const [name, id, ...params] = line.split(" ");
  return [name, { id: Number(id), params: params.map(param) }];
}));
`;
}

/** Cuts what `from` finds out of a text. @throws when it finds nothing: the file has changed */
function cut(path: string, text: string, from: RegExp, to = ""): string {
  if (!from.test(text)) throw new Error(`worker-script: ${path} has no ${from}`);
  return text.replace(from, to);
}

/** Params without what only training asks of them: reading back, sparse ones from dense values, slots that follow a topology. */
function slimParams(): string {
  const path = "src/engine/params.ts";
  const methods = ["get bytes", "intView", "get", "snapshot", "live"];
  let text = read(path);
  for (const name of methods) text = cut(path, text, new RegExp(`\\n {2}${name}\\([\\s\\S]*?\\n {2}\\}\\n`), "\n");
  text = cut(path, text, /\n {4}const t = this\.topologies\[pattern\]!;\n {4}if \(pattern === path[\s\S]*?\n {4}\}\);\n/, "\n");
  return cut(
    path,
    text,
    /\n {4}const before = \{ rowPtr[\s\S]*?\n {4}\}\n(?= {4}const \{ address, elements \})/,
    "\n    const { f32 } = this.#arena.kernels.views();\n",
  );
}

/** Plans without what follows topologies that change, and without outputs at live positions: only training has either. */
function slimPlan(): string {
  const path = "src/engine/plan.ts";
  let text = read(path);
  text = cut(path, text, /\n {2}function follow\(\): void \{[\s\S]*?\n {2}\}\n/, "\n");
  text = cut(path, text, /\n {4}follow\(\);\n/, "\n");
  text = cut(path, text, /\n {2}const patches = [\s\S]*?\n {2}\}\)\);\n/, "\n");
  text = cut(path, text, /\n {2}const versions = [\s\S]*?\n(?= {2}const outputs)/, "\n");
  text = cut(path, text, /\n {4}decisions: compiled\.decisions,\n/, "\n");
  text = cut(path, text, /\n {4}intervals: compiled\.intervals,\n/, "\n");
  return cut(path, text, /if \(pattern !== undefined\) scatter\(.*\);\n {6}else /);
}

const REFUSED = '\n  if (Object.keys(program.updates).length) throw new InputError("this bundle runs no program with updates");\n';
/** The compiler without updates of params. */
function slimCompile(): string {
  const path = "src/engine/compile.ts";
  let text = cut(path, read(path), /\n {2}for \(const \[path, value\] of Object\.entries\(program\.updates\)\).*\n/, REFUSED);
  for (const op of ["pick", "pickGrad", "scatterAddRows", "segmentSum"])
    text = cut(path, text, new RegExp(`\\n {4}if .*"${op}"\\).*\\n`), "\n");
  text = cut(path, text, /\n {4}decisions: l\.decisions,\n/, "\n");
  text = cut(path, text, /\n {4}intervals: [\s\S]*?\n {4}\}\)\),\n/, "\n");
  return cut(path, text, /\n {2}for \(const \[name, value\] of moving\) \{[\s\S]*?\n {2}\}\n/, "\n");
}

/** The state of lowering without what updates of params, gradients and `inspect` ask for. */
function slimState(): string {
  const path = "src/engine/lowering.ts";
  let text = read(path);
  for (const name of ["preserve", "decide"]) text = cut(path, text, new RegExp(`\\n {2}${name}\\([\\s\\S]*?\\n {2}\\}\\n`), "\n");
  return cut(path, text, /\n {2}readonly decisions: .*\n/, "\n");
}

/** The script of a thread, minified; without the name of the system's thread for pages. */
function slimWorkerSource(kind: WorkerKind): string {
  const path = "src/kernels/worker-source.ts";
  const source = /= `([^`\\]*)`;/.exec(read(path))?.[1];
  if (source === undefined) throw new Error(`worker-script: ${path} holds no plain text`);
  const nameless = source.replace(/ {2}const thread = [\s\S]*?\n {2}\};\n/, "").replace(", thread: thread()", "");
  if (nameless.includes("thread()")) throw new Error(`worker-script: ${path} names its thread in another way`);
  const { code } = transformSync(kind === "float" ? nameless : source, { minify: true, target: "es2022" });
  return `export const WORKER_SOURCE = ${JSON.stringify(code.trim())};\n`;
}

/** Threads without a look at whether the system still has them: pages cannot tell. */
function slimThreads(): string {
  const path = "src/kernels/threads.ts";
  return cut(path, read(path), /\n {4}\/\/ This thread hears of no death[\s\S]*?\n {4}\}\);\n/, "\n");
}

/** The loader without the int8 module and without the question whether relaxed SIMD is there: neither is in this bundle. */
function slimLoader(): string {
  const path = "src/kernels/loader.ts";
  let text = read(path);
  text = cut(path, text, /async function int8Kernels[\s\S]*?\n}\n/);
  text = cut(path, text, /\n {4}async loadInt8\(asked\) \{[\s\S]*?\n {4}\},/, "\n    loadInt8: () => int8Bytes(flavor),");
  text = cut(path, text, /const RELAXED_PROBE = [\s\S]*?\]\);/);
  return cut(path, text, /WebAssembly\.validate\(RELAXED_PROBE\)/, "false");
}

/** Int8 weights are refused when a file has any: their kernels and operations are not in this bundle. */
const floatsOnly = () => `import { FormatError } from "../core/index.js";
export const INT8_KEY = "sparseland.int8";
export function readInt8Key(entries) {
  if (entries !== undefined) throw new FormatError("model", "this bundle runs float weights only, and this file has int8 weights; import load from sparseland/runtime/int8");
  return new Map();
}
export const readInt8 = () => {};
export const int8ParamOf = () => {};
export const int8Dense = () => {};
export const int8Entries = () => {};
export const packInt8 = () => {};
export const requireScale = () => {};
`;
const noInt8Params = () => "export const checkInt8Param = () => {};\n";

/** Tiles without timing them. What takes sp1 here are grouped convolutions and the last rows of dense ones: the short strips serve. */
const untuned = () =>
  'export const defaultTiles = () => ({ sp1: "sp1_16", gemm: "gemm_5x8" });\nexport const tune = (arena) => defaultTiles(arena.kernels);\n';

/** Lowering rules by operation, without those that no program in a browser needs. */
function slimRules(kind: WorkerKind): string {
  const text = read("src/engine/lower/index.ts");
  const gone = new Set<string>();
  const lines = text.split("\n").filter((line) => {
    const name = /^ {2}(\w+): lower\w+,$/.exec(line)?.[1] ?? /^rules\["(\w+)"\]/.exec(line)?.[1];
    if (name === undefined || !left[kind].has(name)) return true;
    gone.add(name);
    return false;
  });
  const missed = [...left[kind]].filter((name) => !gone.has(name));
  if (missed.length) throw new Error(`worker-script: src/engine/lower/index.ts has no rule to leave out for ${missed.join(", ")}`);
  // Files whose rules are all gone are not read: they may import what the slim modules lack.
  const rest = lines.filter((line) => !line.startsWith("import ")).join("\n");
  return lines
    .filter((line) => {
      const names = /^import \{(.*)\} from "\.\//.exec(line)?.[1];
      return names === undefined || names.split(",").some((name) => rest.includes(name.trim()));
    })
    .join("\n");
}

/** Definitions of operations without `reference` and `gradient`: types are all that a check of a program needs. */
function slimOperation(path: string): string {
  const out: string[] = [];
  const lines = readFileSync(path, "utf8").split("\n");
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i]!;
    const member = /^( +)(?:reference|gradient)(?:\(|: )/.exec(line);
    // A parameter of that name has a type; a member has none.
    if (!member || line.endsWith(";") || /: \(\w+: /.test(line)) {
      out.push(line);
      continue;
    }
    // Formatted code: a member that spans lines ends at its own indentation.
    const close = new RegExp(`^${member[1]}[\\])}]+,?$`);
    if (/[({[]$|=>$/.test(line)) while (!close.test(lines[++i]!)) if (i > lines.length) throw new Error(`worker-script: ${path}`);
  }
  return dropFunctions(dropFunctions(out.join("\n"), "unary"), "binaryOp");
}

/** Calls `name("op", function, gradient, ...)` with null in place of the two functions. */
function dropFunctions(text: string, name: string): string {
  let out = "";
  let at = 0;
  for (const match of text.matchAll(new RegExp(`\\b${name}\\(\\s*"\\w+",`, "g"))) {
    const from = match.index + match[0].length;
    out += `${text.slice(at, from)} null, null`;
    let commas = 0;
    let depth = 0;
    for (at = from; depth > 0 || text[at] !== ")"; at++) {
      const c = text[at]!;
      if ("([{".includes(c)) depth++;
      else if (")]}".includes(c)) depth--;
      else if (c === "," && depth === 0 && ++commas === 2) break;
    }
  }
  return out + text.slice(at);
}

/** Lowering without what only `inspect` shows, reasons and the names of steps, and without what is only for params that change. */
function slimLowering(path: string): string {
  const text = readFileSync(path, "utf8")
    .replace(/^( +name: )(?:"[^"]*"|`[^`]*`),$/gm, '$1"",')
    .replace(/^( +(?:reason|how): ).*,$/gm, '$1"",')
    .replace(/\bl\.options\.frozen\b/g, "true")
    .replace(/[\w.]*\blanes === 4\b/g, "false")
    .replace(/[\w.]*\blanes === 1\b/g, "true")
    .replace(/\bfour \? "\w+" : /g, "")
    .replace("if (l.type(y).pattern !== undefined) {", "if (false) {")
    .replace(/^ +l\.refreshers\.push\(.*\);$/gm, "");
  let out = "";
  let at = 0;
  for (const match of text.matchAll(/\bl\.decide\(/g)) {
    out += `${text.slice(at, match.index)}void 0`;
    at = match.index + match[0].length;
    for (let depth = 1; depth > 0; at++) depth += text[at] === "(" ? 1 : text[at] === ")" ? -1 : 0;
  }
  return out + text.slice(at);
}

/** The registry: only operations that inference programs may hold. */
function slimRegistry(kind: WorkerKind): string {
  const folder = "src/program/ops";
  const families = [...read(`${folder}/index.ts`).matchAll(/^import (?:\* as \w+|\{ unaryOps \}) from "\.\/([\w-]+)\.js";$/gm)].map(
    (m) => m[1]!,
  );
  const imports: string[] = [];
  const names: string[] = [];
  const unwanted = new Set(left[kind]);
  for (const family of families) {
    if (family === "unary") continue;
    const defs = [...read(`${folder}/${family}.ts`).matchAll(/^export const (\w+)Op\b/gm)]
      .map((m) => m[1]!)
      .filter((name) => !unwanted.delete(name))
      .map((name) => `${name}Op`);
    if (defs.length) imports.push(`import { ${defs.join(", ")} } from "./${family}.js";`);
    names.push(...defs);
  }
  if (unwanted.size) throw new Error(`worker-script: ${folder} has no operations ${[...unwanted].join(", ")} to leave out`);
  return `import { InputError } from "../../core/index.js";
${imports.join("\n")}
import { unaryOps } from "./unary.js";
export const operations = new Map([...[${names.join(", ")}], ...Object.values(unaryOps)].map((def) => [def.name, def]));
export function operationNamed(name) {
  const def = operations.get(name);
  if (!def) throw new InputError(\`the browser bundle has no operation "\${name}"; it has \${[...operations.keys()].join(", ")}\`);
  return def;
}
`;
}

/** Dense 3x3 convolutions by the direct sum: the kernels and rules of Winograd are 3 KB. */
const direct = () => "export const winogradFits = () => false;\nexport const winogradForward = () => {};\n";

/** One image to a pixel of the planes, whatever the batch: without Winograd, four win a tenth on small planes, and take 1 KB of kernels. */
const single = () => "export const lanesOf = () => 1;\n";
/** What is put in a file's place. */
type Substitutes = Readonly<Record<string, (path: string) => string>>;

const common = (kind: WorkerKind): Substitutes => ({
  "src/kernels/generated/signatures.ts": () => slimSignatures(kind),
  "src/engine/params.ts": slimParams,
  "src/engine/plan.ts": slimPlan,
  "src/engine/compile.ts": slimCompile,
  "src/engine/lowering.ts": slimState,
  "src/kernels/tune.ts": untuned,
  "src/kernels/worker-source.ts": () => slimWorkerSource(kind),
  "src/engine/lower/index.ts": () => slimRules(kind),
  "src/engine/lower/winograd.ts": direct,
  "src/engine/lanes.ts": single,
  "src/runtime/duel.ts": () => cut("src/runtime/duel.ts", read("src/runtime/duel.ts"), / "nchw_to_n4", "n4_to_nchw",/),
  "src/program/index.ts": () => read("src/program/inference.ts"),
  "src/program/ops/index.ts": () => slimRegistry(kind),
});

const substitutes: Readonly<Record<WorkerKind, Substitutes>> = {
  float: {
    ...common("float"),
    "src/kernels/embedded.ts": embedded,
    "src/kernels/loader.ts": slimLoader,
    "src/kernels/threads.ts": slimThreads,
    "src/kernels/choose-int8.ts": () => "export const chooseInt8 = (kernels) => kernels.loadInt8();\n",
    "src/engine/int8-param.ts": noInt8Params,
    "src/runtime/int8-file.ts": floatsOnly,
  },
  int8: {
    ...common("int8"),
    "src/kernels/embedded.ts": embeddedWithInt8,
    "src/program/index.ts": () => `${read("src/program/inference.ts")}export * from "./ops/int8.js";\n`,
  },
};

const isOperation = /^src\/program\/ops\/(?!support)[\w-]+\.ts$/;

/** Puts substitutes in the place of sources. */
export const slim = (kind: WorkerKind): Plugin => ({
  name: "inference only",
  setup({ onLoad }) {
    onLoad({ filter: /\.ts$/ }, ({ path }) => {
      const from = path.slice(root.length).replaceAll("\\", "/").replace(/^\//, "");
      const make =
        substitutes[kind][from] ??
        (isOperation.test(from) ? slimOperation : from.startsWith("src/engine/lower/") ? slimLowering : undefined);
      return make ? { contents: make(path), loader: "ts" } : undefined;
    });
  },
});
