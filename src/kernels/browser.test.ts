import { existsSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { type Browser, chromium } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const executablePath = process.env.SPARSELAND_CHROMIUM ?? "/usr/bin/chromium";

/** Runs 30 phases on three parts and returns what came out, with the flavour and threads in use. */
const SCRIPT = `
import { Arena, createPool, encode, loadKernels, writePlan } from "./index.js";
async function work() {
  const kernels = await loadKernels();
  const pool = await createPool(kernels, 3);
  const arena = new Arena(kernels);
  const y = arena.allocateZeroed(192);
  const one = arena.put(Float32Array.of(1));
  const args = { nb: 1, cnt: arena.put(Int32Array.of(1)), idx: arena.put(Int32Array.of(0)), w: one, bias: one, n: 16, ys: 0, acc: 0, shared: 0, lo: -1e9, hi: 1e9 };
  const parts = [0, 64, 128].map((at) => [encode("sp1_16", { ...args, x: y + at, y: y + at })]);
  const plan = writePlan(arena, Array.from({ length: 30 }, () => ({ parts })));
  pool.run(plan, 0, 0);
  pool.close();
  return { threads: pool.threads, shared: kernels.shared, flavor: kernels.flavor, values: [...new Set(kernels.views().f32.slice(y / 4, y / 4 + 48))] };
}
if (typeof document === "undefined") work().then(postMessage, (error) => postMessage({ error: String(error) }));
else globalThis.work = work;
`;

describe.skipIf(!existsSync(executablePath))(`kernels in Chromium (needs ${executablePath}; set SPARSELAND_CHROMIUM)`, () => {
  let browser: Browser;
  let server: Server;
  let isolate = true;
  beforeAll(async () => {
    const folder = fileURLToPath(new URL(".", import.meta.url));
    const { outputFiles } = await build({
      stdin: { contents: SCRIPT, resolveDir: folder, loader: "js" },
      bundle: true,
      write: false,
      format: "iife",
      platform: "browser",
      target: "es2022",
    });
    server = createServer((request, response) => {
      const script = request.url === "/work.js";
      response.setHeader("content-type", script ? "text/javascript" : "text/html");
      if (isolate) {
        response.setHeader("cross-origin-opener-policy", "same-origin");
        response.setHeader("cross-origin-embedder-policy", "require-corp");
      }
      response.end(script ? outputFiles[0]!.text : '<!doctype html><script src="/work.js"></script>');
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  });
  afterAll(async () => {
    await browser?.close();
    server?.close();
  });

  async function inPage(where: "worker" | "page"): Promise<Record<string, unknown>> {
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    const result = await page.evaluate((place) => {
      if (place === "page") return (globalThis as unknown as { work(): Promise<Record<string, unknown>> }).work();
      return new Promise<Record<string, unknown>>((resolve) => {
        const worker = new Worker("/work.js");
        worker.onmessage = (event) => resolve(event.data as Record<string, unknown>);
        worker.onerror = (event) => resolve({ error: event.message });
      });
    }, where);
    await page.close();
    return result;
  }

  it("three threads in a worker of an isolated page", async () => {
    isolate = true;
    expect(await inPage("worker")).toMatchObject({ threads: 3, shared: true, values: [30] });
  });

  it("one thread on the main thread, which may not block", async () => {
    isolate = true;
    expect(await inPage("page")).toMatchObject({ threads: 1, shared: true, values: [30] });
  });

  it("one thread without shared memory where the page is not isolated", async () => {
    isolate = false;
    expect(await inPage("worker")).toMatchObject({ threads: 1, shared: false, values: [30] });
  });
});
