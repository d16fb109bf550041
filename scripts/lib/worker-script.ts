/**
 * The engine's worker as one text: `src/runtime/worker.ts` and all that it imports, slimmed (worker-slim.ts), with shorter names, and the kernels, compressed together.
 */
import { join } from "node:path";
import { type BuildOptions, build } from "esbuild";
import { compress } from "lzma1";
import { minifySync } from "rolldown/utils";
import { NOT_IN_BROWSER } from "../../src/kernels/templates/browser.js";
import { root } from "../checks/project.js";
import { engineModule, INT8_MODULES, slim, type WorkerKind } from "./worker-slim.js";

/**
 * Names of properties inside the engine that a bundle shortens: none of them stands in a file (attributes of operations do), a message, a
 * signature of a kernel or a text. The build fails when one is a text; the tests run every operation.
 */
const SHORTENED =
  "address allocate domain reads writes geometry lanes groupDomain stripDomain temporary topologies topology columnOf residual emit placed constantBuffer consumers decisions epilogue pending gridRows gridCols outerStride unit units plane origin pitch clean fixed refreshers taps preparation splat views homes notes once fusable wanted maximumPages flavor group isFrozen perPart folds bounds piece range widest period periods finish takes advance defer ranges absorb settle upper many often overY overX".split(
    " ",
  );

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
export async function bundleEngine(
  kind: WorkerKind,
): Promise<{ readonly script: Uint8Array; readonly inputs: Readonly<Record<string, number>> }> {
  const { outputFiles, metafile } = await build({
    ...options,
    entryPoints: [join(root, "src/runtime/worker.ts")],
    plugins: [slim(kind)],
    metafile: true,
    mangleProps: new RegExp(`^(${SHORTENED.join("|")})$`),
  });
  const text = outputFiles[0]!.text;
  const spoken = SHORTENED.filter((name) => text.includes(`"${name}"`));
  if (spoken.length) throw new Error(`worker-script: these names stand in texts, and may not be shortened: ${spoken.join(", ")}`);
  const used = [...NOT_IN_BROWSER].filter((name) => text.includes(`"${name}"`));
  if (used.length)
    throw new Error(`worker-script: inference calls kernels that src/kernels/templates/browser.ts leaves out: ${used.join(", ")}`);
  const [output] = Object.values(metafile.outputs);
  // A second minifier over the first one's: 1.9 KB of 42 less after compression.
  const { code, errors } = minifySync("worker.js", text, { module: false, compress: { target: "es2022" }, mangle: true });
  if (errors.length) throw new Error(`worker-script: ${errors.map(({ message }) => message).join("; ")}`);
  return {
    script: new TextEncoder().encode(code),
    inputs: Object.fromEntries(Object.entries(output!.inputs).map(([path, { bytesInOutput }]) => [path, bytesInOutput])),
  };
}

/** The whole worker script. */
export async function makeWorkerScript(kind: WorkerKind): Promise<string> {
  const { script } = await bundleEngine(kind);
  const kernels = Buffer.concat([engineModule, ...(kind === "int8" ? INT8_MODULES.map(([, bytes]) => bytes) : [])]);
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
