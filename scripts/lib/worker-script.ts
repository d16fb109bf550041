/**
 * The engine's worker as one text: `src/runtime/worker.ts` and all that it imports, without what only training needs, and the kernels,
 * compressed together. What is put in the place of what stands in `substitutes` below; a wrong substitute is a failed build, since each
 * must give every name that somebody imports.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type BuildOptions, build, type Plugin } from "esbuild";
import { compress } from "lzma1";
import { wasmBase64 } from "../../src/kernels/generated/inference.js";
import { signatures } from "../../src/kernels/generated/signatures.js";
import { NOT_IN_BROWSER } from "../../src/kernels/templates/browser.js";
import { INT8_FIRST } from "../../src/kernels/templates/int8/index.js";
import { NOT_IN_BROWSER_OPS } from "../../src/program/ops/browser.js";
import { root } from "../checks/project.js";

const read = (path: string): string => readFileSync(join(root, path), "utf8");

/** Compiled modules: the bootstrap has left the one there is in a global. */
const embedded = () =>
  `import { InputError } from "../core/index.js";
export const flavors = ["plain"];
export const moduleBytes = () => globalThis.sparselandKernels.slice();
export async function int8Bytes() {
  throw new InputError("the browser bundle has no int8 kernels; load a model with float weights");
}
`;

/** Signatures of the kernels that the module has, as one string: `name id param: type, ...` a line. */
function slimSignatures(): string {
  const short = { usize: "", i32: ":", f32: "." } as const;
  const lines = Object.entries(signatures)
    .filter(([name, { id }]) => id < INT8_FIRST && !NOT_IN_BROWSER.has(name))
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
  const methods = ["get bytes", "view", "intView", "get", "snapshot", "live"];
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
  if (entries !== undefined) throw new FormatError("model", "the browser bundle runs float weights only; this file has int8 weights");
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

/** Tiles without timing them. */
const untuned = () =>
  'export const defaultTiles = () => ({ sp1: "sp1_28", gemm: "gemm_5x8" });\nexport const tune = (arena) => defaultTiles(arena.kernels);\n';

/** Lowering rules by operation, without those that no program in a browser needs. */
function slimRules(): string {
  const text = read("src/engine/lower/index.ts");
  const gone = new Set<string>();
  const lines = text.split("\n").filter((line) => {
    const name = /^ {2}(\w+): lower\w+,$/.exec(line)?.[1] ?? /^rules\["(\w+)"\]/.exec(line)?.[1];
    if (name === undefined || !NOT_IN_BROWSER_OPS.has(name)) return true;
    gone.add(name);
    return false;
  });
  const missed = [...NOT_IN_BROWSER_OPS].filter((name) => !gone.has(name));
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

/** Lowering without what only `inspect` shows: reasons and the names of steps. */
function slimLowering(path: string): string {
  const text = readFileSync(path, "utf8").replace(/^( +name: )(?:"[^"]*"|`[^`]*`),$/gm, '$1"",');
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
function slimRegistry(): string {
  const folder = "src/program/ops";
  const families = [...read(`${folder}/index.ts`).matchAll(/^import (?:\* as \w+|\{ unaryOps \}) from "\.\/([\w-]+)\.js";$/gm)].map(
    (m) => m[1]!,
  );
  const imports: string[] = [];
  const names: string[] = [];
  const left = new Set(NOT_IN_BROWSER_OPS);
  for (const family of families) {
    if (family === "unary") continue;
    const defs = [...read(`${folder}/${family}.ts`).matchAll(/^export const (\w+)Op\b/gm)]
      .map((m) => m[1]!)
      .filter((name) => !left.delete(name))
      .map((name) => `${name}Op`);
    if (defs.length) imports.push(`import { ${defs.join(", ")} } from "./${family}.js";`);
    names.push(...defs);
  }
  if (left.size) throw new Error(`worker-script: ${folder} has no operations ${[...left].join(", ")} to leave out`);
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

const substitutes: Readonly<Record<string, (path: string) => string>> = {
  "src/kernels/embedded.ts": embedded,
  "src/kernels/generated/signatures.ts": slimSignatures,
  "src/engine/params.ts": slimParams,
  "src/kernels/loader.ts": slimLoader,
  "src/kernels/tune.ts": untuned,
  "src/kernels/choose-int8.ts": () => "export const chooseInt8 = (kernels) => kernels.loadInt8();\n",
  "src/engine/int8-param.ts": noInt8Params,
  "src/runtime/int8-file.ts": floatsOnly,
  "src/engine/lower/index.ts": slimRules,
  "src/program/index.ts": () => read("src/program/inference.ts"),
  "src/program/ops/index.ts": slimRegistry,
};

const isOperation = /^src\/program\/ops\/(?!support)[\w-]+\.ts$/;

const slim: Plugin = {
  name: "inference only",
  setup({ onLoad }) {
    onLoad({ filter: /\.ts$/ }, ({ path }) => {
      const from = path.slice(root.length).replaceAll("\\", "/").replace(/^\//, "");
      const make =
        substitutes[from] ??
        (isOperation.test(from) ? slimOperation : from.startsWith("src/engine/lower/") ? slimLowering : undefined);
      return make ? { contents: make(path), loader: "ts" } : undefined;
    });
  },
};

const options = {
  bundle: true,
  minify: true,
  write: false,
  format: "iife",
  platform: "browser",
  target: "es2022",
  legalComments: "none",
} as const satisfies BuildOptions;

/** The engine's script before it is packed, with sizes by file. */
export async function bundleEngine(): Promise<{ readonly script: Uint8Array; readonly inputs: Readonly<Record<string, number>> }> {
  const { outputFiles, metafile } = await build({
    ...options,
    entryPoints: [join(root, "src/runtime/worker.ts")],
    plugins: [slim],
    metafile: true,
  });
  const text = outputFiles[0]!.text;
  const used = [...NOT_IN_BROWSER].filter((name) => text.includes(`"${name}"`));
  if (used.length)
    throw new Error(`worker-script: inference calls kernels that src/kernels/templates/browser.ts leaves out: ${used.join(", ")}`);
  const [output] = Object.values(metafile.outputs);
  return {
    script: outputFiles[0]!.contents,
    inputs: Object.fromEntries(Object.entries(output!.inputs).map(([path, { bytesInOutput }]) => [path, bytesInOutput])),
  };
}

/** The whole worker script. */
export async function makeWorkerScript(): Promise<string> {
  const { script } = await bundleEngine();
  const kernels = Buffer.from(wasmBase64, "base64");
  const payload = Buffer.alloc(4 + script.length + kernels.length);
  payload.writeUInt32BE(script.length, 0);
  payload.set(script, 4);
  payload.set(kernels, 4 + script.length);
  const packed = Buffer.from(compress(payload, 9)).toString("base64");
  const { outputFiles } = await build({
    ...options,
    entryPoints: [join(root, "src/runtime/bootstrap.ts")],
    define: { PAYLOAD: JSON.stringify(packed) },
  });
  return new TextDecoder().decode(outputFiles[0]!.contents).trim();
}
