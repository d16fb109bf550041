/**
 * Builds the example from a finished quickstart run and serves it:
 *
 *     npm start                      # trains the networks, once; see the README
 *     npm run example:browser        # http://127.0.0.1:8080/
 *
 *     npm run example:browser -- <run folder> [--port 8080] [--build-only]
 *
 * The run must hold a dense network and one at 90 % sparsity for Fashion-MNIST. What is built lies in dist/examples/browser/.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { InputError } from "../../src/core/index.js";
import { fashionMnistClasses } from "../../src/data/index.js";
import { loadDataset } from "../../src/data/index.node.js";
import { type ExampleModel, makeExample, serveFolder } from "./make.js";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** The best of the networks at 90 % in a run, and the dense one. */
function modelsOf(run: string): readonly [ExampleModel, ExampleModel] {
  const folder = join(run, "models");
  const shown = relative(process.cwd(), run) || ".";
  const files = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith("-90.safetensors")) : [];
  if (!existsSync(join(folder, "dense.safetensors")) || files.length === 0) {
    throw new InputError(
      `${shown}/models: expected dense.safetensors and a network at 90 % (<method>-90.safetensors), found ${
        existsSync(folder) ? readdirSync(folder).join(", ") || "an empty folder" : "no such folder"
      }; train them first with: npm start`,
    );
  }
  const accuracies = accuraciesOf(join(run, "results.json"));
  const [best] = files
    .map((file) => ({ file, accuracy: accuracies.get(file.replace(".safetensors", "")) ?? null }))
    .sort((a, b) => (b.accuracy ?? 0) - (a.accuracy ?? 0));
  return [
    { id: "dense", title: "Dense", path: join(folder, "dense.safetensors"), accuracy: accuracies.get("dense") ?? null },
    { id: "sparse", title: "90 % sparse", path: join(folder, best!.file), accuracy: best!.accuracy },
  ];
}

/** Test accuracy by the model file's name, where the run has its results. */
function accuraciesOf(path: string): ReadonlyMap<string, number> {
  if (!existsSync(path)) return new Map();
  const { entries = [] } = JSON.parse(readFileSync(path, "utf8")) as {
    entries?: readonly { readonly id: string; readonly testAccuracy: number }[];
  };
  return new Map(entries.map(({ id, testAccuracy }) => [id, testAccuracy]));
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { port: { type: "string", default: "8080" }, "build-only": { type: "boolean", default: false } },
  });
  const port = Number(values.port);
  if (!Number.isInteger(port) || port < 0 || port > 65535) throw new InputError(`--port: expected 0 to 65535, got ${values.port}`);
  const models = modelsOf(positionals[0] ?? join(root, "runs/quickstart"));
  const { test } = await loadDataset({ name: "fashion-mnist" });
  const { mean, std } = test.normalisation;
  const pixels = test.inputs.length / test.count;
  const samples = fashionMnistClasses.map((_, label) => {
    const at = test.labels.indexOf(label);
    return Array.from(test.inputs.subarray(at * pixels, (at + 1) * pixels));
  });
  const out = join(root, "dist/examples/browser");
  await makeExample({ models, classes: fashionMnistClasses, mean: mean[0]!, std: std[0]!, samples }, out);
  console.log(`${relative(process.cwd(), out)}: ${readdirSync(out).sort().join(", ")}`);
  if (values["build-only"]) return;
  const server = serveFolder(out);
  server.on("error", (error) => {
    console.error(`port ${port}: ${error.message}; take another with --port`);
    process.exitCode = 1;
  });
  server.listen(port, "127.0.0.1", () => {
    const address = server.address();
    console.log(`http://127.0.0.1:${typeof address === "object" && address ? address.port : port}/`);
  });
}

main().catch((error: unknown) => {
  console.error(error instanceof InputError ? error.message : error);
  process.exitCode = error instanceof InputError ? 2 : 1;
});
