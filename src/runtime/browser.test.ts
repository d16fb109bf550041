/** `load` in a real browser: a pruned model from an HTTP server, with and without cross-origin isolation. */
import { existsSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { build } from "esbuild";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type AsyncSession, createSession, type LayerTiming, type LoadProgress, packModel, writeModel } from "./index.js";
import { int8Model } from "./testing/int8-model.js";
import { bytesOf, convModel, noise } from "./testing/models.js";

const executablePath = process.env["SPARSELAND_CHROMIUM"] ?? "/usr/bin/chromium";
const args =
  "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync";

/** In the engine's worker: says of every worker that it starts itself that it stands ready. */
const SPY = `{ const Real = Worker; self.Worker = class extends Real { constructor(...a) { super(...a);
  this.addEventListener("message", ({ data }) => postMessage({ id: -1, nested: data })); } }; }`;

/** What the page offers to the tests. `started` holds the workers that the page itself started, `nested` what theirs said. */
const PAGE = `
import { createRuntime, load } from "./index.browser.js";
import { load as loadInt8 } from "./index.int8.browser.js";
globalThis.started = [];
globalThis.nested = [];
const RealWorker = globalThis.Worker;
globalThis.Worker = class extends RealWorker { constructor(...a) { super(...a); globalThis.started.push(this);
  this.addEventListener("message", ({ data }) => { if (data.nested) globalThis.nested.push(data.nested); }); } };
const RealBlob = globalThis.Blob;
globalThis.Blob = class extends RealBlob { constructor(parts, o) { super([${JSON.stringify(SPY)}, ...parts], o); } };
Object.assign(globalThis, { load, loadInt8, createRuntime, ready: true });
`;

type Loaded = {
  threads: number;
  progress: LoadProgress[];
  layers: readonly LayerTiming[];
  outputs: number[][];
  workers: number;
  nested: unknown[];
};
/** Names of the page's scope, for functions that run there. */
declare const load: typeof import("./index.js").load;
declare const loadInt8: typeof import("./index.js").load;
declare const createRuntime: typeof import("./index.js").createRuntime;
declare const started: Worker[];
declare const nested: unknown[];

describe.skipIf(!existsSync(executablePath))(`load in Chromium (needs ${executablePath}; set SPARSELAND_CHROMIUM)`, () => {
  const bytes = bytesOf(convModel());
  const int8File = packModel(int8Model());
  const int8Bytes = writeModel(int8File);
  let browser: Browser;
  let server: Server;
  let page: Page;
  let isolate = true;
  let policy: string | undefined;
  let truncate = 0;
  beforeAll(async () => {
    const { outputFiles } = await build({
      stdin: { contents: PAGE, resolveDir: import.meta.dirname, loader: "ts" },
      bundle: true,
      minify: true,
      write: false,
      format: "iife",
      platform: "browser",
      target: "es2022",
    });
    server = createServer((request, response) => {
      if (isolate) {
        response.setHeader("cross-origin-opener-policy", "same-origin");
        response.setHeader("cross-origin-embedder-policy", "require-corp");
      }
      if (request.url === "/page.js") {
        response.setHeader("content-type", "text/javascript");
        return void response.end(outputFiles[0]!.contents);
      }
      if (request.url === "/model") {
        response.writeHead(200, { "content-length": bytes.length });
        if (truncate > 0) return void response.write(bytes.subarray(0, truncate), () => response.destroy());
        // In pieces, so that progress has something to say.
        response.write(bytes.subarray(0, 5000));
        return void setTimeout(() => response.end(bytes.subarray(5000)), 30);
      }
      if (request.url === "/int8") return void response.end(int8Bytes);
      if (request.url !== "/") return void response.writeHead(404, "Not Found").end("no such page");
      response.setHeader("content-type", "text/html");
      if (policy) response.setHeader("content-security-policy", policy);
      response.end('<!doctype html><script src="/page.js"></script>');
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    browser = await chromium.launch({ executablePath, args: args.split(" ") });
  });
  afterAll(async () => {
    await browser?.close();
    server?.closeAllConnections();
    server?.close();
  });
  beforeEach(() => {
    isolate = true;
    policy = undefined;
    truncate = 0;
  });
  const open = async (): Promise<Page> => {
    page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    await page.waitForFunction("globalThis.ready");
    return page;
  };

  /** Loads the model in the page and runs two batches. */
  const loadAndRun = (x: number[][], kernels: "measured" | "sparse" = "sparse"): Promise<Loaded> =>
    page.evaluate(
      async ({ inputs, choice }) => {
        const progress: LoadProgress[] = [];
        const session = await load("/model", { kernels: choice, threads: 2, onProgress: (p) => progress.push(p) });
        const outputs: number[][] = [];
        for (const input of inputs) outputs.push([...(await session.run({ x: Float32Array.from(input) }))["scores"]!.data]);
        const { threads, layers } = session;
        await session.close();
        return { threads, layers, progress, outputs, workers: started.length, nested };
      },
      { inputs: x, choice: kernels },
    );
  const inputs = [1, 3].map((batch) => [...noise([batch, 3, 12, 12], `x${batch}`).data]);
  async function inNode(): Promise<number[][]> {
    const session = await createSession(convModel(), { kernels: "sparse" });
    const outputs = inputs.map((x) => [...session.run({ x: Float32Array.from(x) })["scores"]!.data]);
    session.close();
    return outputs;
  }

  it.each([
    [true, 2],
    [false, 1],
  ])("isolated %s: %i threads, the bits of Node, progress", async (isolated, threads) => {
    isolate = isolated;
    await open();
    expect(await page.evaluate("globalThis.crossOriginIsolated")).toBe(isolated);
    const loaded = await loadAndRun(inputs);
    expect(loaded.threads).toBe(threads);
    expect(loaded.outputs).toEqual(await inNode());
    expect(loaded.progress.at(-1)).toEqual({ received: bytes.length, total: bytes.length });
    // Pieces that wait together come as one where the machine is busy.
    expect(loaded.progress.length).toBeGreaterThan(1);
    // One worker of the page's own holds the engine. The second thread is that worker's child; no phase ends before both have come.
    expect(loaded.workers).toBe(1);
    expect(loaded.nested).toEqual(isolated ? [{ ready: true }] : []);
    await page.close();
  });

  it.each([true, false])("isolated %s: int8 weights give the bits of Node", async (isolated) => {
    isolate = isolated;
    await open();
    const x = [...noise([3, 4, 6, 7], "int8").data];
    const got = await page.evaluate(async (input) => {
      const session = await loadInt8("/int8", { threads: 2 });
      const y = [...(await session.run({ x: Float32Array.from(input) }))["y"]!.data];
      const refused = await load("/int8").then(String, (e: Error) => e.message);
      await session.close();
      return { y, refused };
    }, x);
    const session = await createSession(int8File);
    expect(got.y).toEqual([...session.run({ x: Float32Array.from(x) })["y"]!.data]);
    expect(got.refused).toMatch(/import load from sparseland\/runtime\/int8/);
    session.close();
    await page.close();
  });

  it("layer times stay in localStorage: the second load times nothing", async () => {
    await open();
    const first = await loadAndRun(inputs, "measured");
    expect(first.layers.map(({ from }) => from)).toEqual(["measured", "measured", "measured"]);
    expect(first.layers.every(({ sparseMs }) => sparseMs > 0)).toBe(true);
    await page.reload();
    await page.waitForFunction("globalThis.ready");
    const second = await loadAndRun(inputs, "measured");
    expect(second.layers).toEqual(first.layers.map((layer) => ({ ...layer, from: "cache" })));
    expect(second.outputs).toEqual(first.outputs);
    await page.close();
  });

  it("faults are defined errors, and nothing hangs", async () => {
    await open();
    const faults = () =>
      page.evaluate(async () => {
        const named = async (run: () => Promise<unknown>): Promise<string> => {
          try {
            await run();
            return "no error";
          } catch (error) {
            return `${(error as Error).name}: ${(error as Error).message}`;
          }
        };
        const runtime = await createRuntime({ threads: 2 });
        const [a, b] = (await Promise.all([0, 1].map(() => runtime.load("/model", { kernels: "sparse" })))) as [
          AsyncSession,
          AsyncSession,
        ];
        const x = new Float32Array(432);
        const both = await Promise.all([a.run({ x }), b.run({ x }), a.run({ x })]);
        await a.close();
        const out: Record<string, string> = {
          shared: String(both.every((one) => one["scores"]!.data.every((v, i) => v === both[0]!["scores"]!.data[i]))),
          closed: await named(() => a.run({ x })),
          other: await named(() => b.run({ x })),
          input: await named(() => b.run({ x: new Float32Array(7) })),
          missing: await named(() => load("/none")),
          damaged: await named(() => load(new Uint8Array(100))),
        };
        const running = Promise.all(Array.from({ length: 20 }, () => named(() => b.run({ x }))));
        started[0]!.dispatchEvent(new ErrorEvent("error", { message: "out of memory", cancelable: true }));
        out["died"] = (await running).at(-1)!;
        out["later"] = await named(() => b.run({ x }));
        return out;
      });
    expect(await faults()).toMatchObject({
      shared: "true",
      closed: expect.stringMatching(/^SessionError: .*closed/),
      other: "no error",
      input: expect.stringMatching(/^InputError: .*"x": expected f32 \[batch, 3, 12, 12\], got 7 elements/),
      missing: expect.stringMatching(/^SourceError: .*404 Not Found/),
      damaged: expect.stringMatching(/^FormatError: safetensors/),
      died: expect.stringMatching(/^SessionError: .*worker died: out of memory/),
      later: expect.stringMatching(/^SessionError: .*worker died: out of memory/),
    });
    truncate = 4000;
    const broken = await page.evaluate(() => load("/model").then(String, (e: Error) => `${e.name}: ${e.message}`));
    expect(broken).toMatch(/^SourceError: .*the transfer broke after \d+ of \d+ bytes/);
    await page.close();
  });

  it("a policy that forbids the worker is an error that names what to allow", async () => {
    policy = "default-src 'self'";
    await open();
    const refused = await page.evaluate(() => load("/model").then(String, (e: Error) => `${e.name}: ${e.message}`));
    expect(refused).toMatch(/worker-src blob:/);
    policy = "default-src 'self'; script-src 'self' blob: 'wasm-unsafe-eval'; worker-src blob:";
    await page.reload();
    await page.waitForFunction("globalThis.ready");
    expect((await loadAndRun(inputs)).outputs).toEqual(await inNode());
    await page.close();
  });
});
