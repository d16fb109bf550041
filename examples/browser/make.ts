/** Puts the example together in a folder that any static server may serve, and serves it. */
import { copyFileSync, createReadStream, existsSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = fileURLToPath(new URL(".", import.meta.url));

/** A network that the page loads. */
export interface ExampleModel {
  readonly id: "dense" | "sparse";
  readonly title: string;
  /** Path of the model file. */
  readonly path: string;
  /** Share of test images that it gets right, in [0, 1], where known. */
  readonly accuracy: number | null;
}

/** What the page shows. */
export interface ExampleParts {
  readonly models: readonly [ExampleModel, ExampleModel];
  readonly classes: readonly string[];
  /** Of pixels in [0, 1]: a network's input is (pixel - mean) / std. */
  readonly mean: number;
  readonly std: number;
  /** One 28 x 28 picture for each class, values in [0, 255]. */
  readonly samples: readonly (readonly number[])[];
}

/** Writes index.html, page.js, facts.json and the models into `out`. */
export async function makeExample(parts: ExampleParts, out: string): Promise<void> {
  mkdirSync(out, { recursive: true });
  copyFileSync(join(here, "index.html"), join(out, "index.html"));
  const models = parts.models.map(({ id, title, path, accuracy }) => {
    const file = `${id}.safetensors`;
    copyFileSync(path, join(out, file));
    return { id, title, file, accuracy, bytes: statSync(path).size };
  });
  writeFileSync(join(out, "facts.json"), JSON.stringify({ ...parts, models }));
  await build({
    entryPoints: [join(here, "page.ts")],
    bundle: true,
    minify: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    outfile: join(out, "page.js"),
    // Outside this repository the package's own exports say so.
    alias: { "sparseland/runtime": join(here, "../../src/runtime/index.browser.ts") },
  });
}

const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".json": "application/json",
};

/** Serves a folder. @param isolated whether to send the two headers that allow shared memory, and with it threads */
export function serveFolder(folder: string, isolated = true): Server {
  return createServer((request, response) => {
    const name = decodeURIComponent(new URL(request.url ?? "/", "http://localhost").pathname);
    const path = join(folder, normalize(name === "/" ? "/index.html" : name));
    if (!existsSync(path) || !statSync(path).isFile()) return void response.writeHead(404).end("not found");
    response.writeHead(200, {
      "content-type": types[extname(path)] ?? "application/octet-stream",
      "content-length": statSync(path).size,
      ...(isolated && { "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp" }),
    });
    createReadStream(path).pipe(response);
  });
}
