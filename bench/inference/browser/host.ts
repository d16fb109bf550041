/** Runs jobs in Chromium: a page that is cross-origin isolated, the work in a worker, its threads pinned from outside. */
import { existsSync, readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { chromium } from "playwright-core";
import { type Job, type Outcome, patience } from "../race.js";
import { pinThreads } from "./pin.js";

const BENCH = fileURLToPath(new URL("../../", import.meta.url));
const EXECUTABLE = process.env["SPARSELAND_CHROMIUM"] ?? "/usr/bin/chromium";
const TYPES: Readonly<Record<string, string>> = {
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".wasm": "application/wasm",
};

/** Whether there is a Chromium to use; SPARSELAND_CHROMIUM names another than /usr/bin/chromium. */
export const hasChromium = (): boolean => existsSync(EXECUTABLE);

async function bundle(contents: string, globalName?: string): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: path.join(BENCH, "inference/browser"), loader: "ts" },
    bundle: true,
    write: false,
    format: "iife",
    platform: "browser",
    target: "es2022",
    ...(globalName ? { globalName } : {}),
  });
  return outputFiles[0]!.text;
}

/** Serves the page, the two bundles, and the peers' packages. */
async function serve(): Promise<Server> {
  const files: Readonly<Record<string, string>> = {
    "/": "<!doctype html><title>bench</title>",
    "/work.js": await bundle('import "./worker.js";'),
    "/litert.js": await bundle('export * from "@litertjs/core";', "litert"),
  };
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://x");
    response.setHeader("cross-origin-opener-policy", "same-origin");
    response.setHeader("cross-origin-embedder-policy", "require-corp");
    response.setHeader("cross-origin-resource-policy", "same-origin");
    const own = files[pathname];
    // In a worker LiteRT's script looks for its code beside the page's.
    const beside = pathname.startsWith("/litert_") ? `/node_modules/@litertjs/core/wasm${pathname}` : pathname;
    const file = path.join(BENCH, path.normalize(beside));
    if (own !== undefined) response.setHeader("content-type", pathname === "/" ? "text/html" : "text/javascript").end(own);
    else if (beside.startsWith("/node_modules/") && existsSync(file))
      response.setHeader("content-type", TYPES[path.extname(file)] ?? "application/octet-stream").end(readFileSync(file));
    else response.writeHead(404).end();
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return server;
}

/** The page's side: starts the worker, relays. */
const PAGE = `(job) => new Promise((done, fail) => {
  const worker = new Worker("/work.js");
  worker.onerror = (event) => fail(new Error(event.message));
  worker.onmessage = async ({ data }) => {
    if (data.loaded) worker.postMessage({ pinned: await globalThis.pinWorkers() });
    else if (data.error) fail(new Error(data.error));
    else { worker.terminate(); done(data.outcome); }
  };
  worker.postMessage({ job });
})`;

/** @throws Error when the page fails or takes too long */
export async function runInChromium(job: Job): Promise<Outcome> {
  let timer: NodeJS.Timeout | undefined;
  const server = await serve();
  const launched = await chromium.launchServer({ executablePath: EXECUTABLE, args: ["--no-sandbox"] });
  try {
    const browser = await chromium.connect(launched.wsEndpoint());
    const page = await browser.newPage();
    await page.exposeFunction("pinWorkers", () => pinThreads(launched.process().pid!, "DedicatedWorker", job.threads) ?? null);
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    const late = new Promise<never>((_, fail) => {
      timer = setTimeout(() => fail(new Error(`the page gave no outcome within ${patience(job) / 1000} s`)), patience(job));
    });
    return (await Promise.race([page.evaluate(`(${PAGE})(${JSON.stringify(job)})`), late])) as Outcome;
  } finally {
    clearTimeout(timer);
    // A page whose threads wait for each other does not close by itself.
    await launched.kill();
    server.close();
  }
}
