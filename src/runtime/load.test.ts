/** `load` in Node: the engine in this thread and in a worker, faults of every kind, none of which may hang. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { FormatError, InputError, OptionError } from "../core/index.js";
import {
  type AsyncSession,
  createRuntime,
  createSession,
  type LoadOptions,
  type LoadProgress,
  load,
  type ModelSource,
  readModel,
  SessionError,
  SourceError,
} from "./index.js";
import { loadInto } from "./load.js";
import { denseOf } from "./model-file.js";
import { nodePlatform, spawnNodeWorker } from "./platform.node.js";
import { bytesOf, convModel, mixedModel, noise } from "./testing/models.js";

const bytes = bytesOf(convModel());
const folder = mkdtempSync(join(tmpdir(), "sparseland-load-"));
const path = join(folder, "model.safetensors");
writeFileSync(path, bytes);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const open: AsyncSession[] = [];
async function start(source: ModelSource, options: LoadOptions = {}): Promise<AsyncSession> {
  const session = await load(source, { threads: 1, kernels: "sparse", timings: null, ...options });
  open.push(session);
  return session;
}
afterEach(async () => {
  await Promise.all(open.splice(0).map((session) => session.close()));
});

async function expected(batch: number, kernels: "sparse" | "dense" = "sparse") {
  const session = await createSession(readModel(bytes), { kernels });
  const x = noise([batch, 3, 12, 12], `x${batch}`).data;
  const out = Object.fromEntries(Object.entries(session.run({ x })).map(([name, { data }]) => [name, data.slice()]));
  session.close();
  return { x, out };
}

describe.each([
  ["in this thread", { worker: false, threads: 1 }],
  ["in this thread, two threads", { worker: false, threads: 2 }],
  ["in a worker", { worker: true, threads: 1 }],
  ["in a worker, two threads", { worker: true, threads: 2 }],
])("a session %s", (_, where) => {
  it("runs batches of any size, with the bits of the plain session", async () => {
    const session = await start(path, where);
    expect(session.threads).toBe(where.threads);
    expect(session.inputs).toEqual({ x: { dtype: "f32", shape: [1, 3, 12, 12], batch: [1, 0, 0, 0] } });
    expect(session.outputs["scores"]).toEqual({ dtype: "f32", shape: [1, 10], batch: [1, 0] });
    expect(session.metadata["classes"]).toBe('["a","b"]');
    for (const batch of [1, 3, 4, 1, 8]) {
      const { x, out } = await expected(batch);
      const got = await session.run({ x });
      expect(got["scores"]!.shape).toEqual([batch, 10]);
      expect(got["scores"]!.data).toEqual(out["scores"]);
      expect(got["likely"]!.data).toEqual(out["likely"]);
    }
  });

  it("takes inputs at the call: the caller's array may change at once, results stay", async () => {
    const session = await start(bytes, where);
    const one = await expected(1);
    const four = await expected(4);
    const x = one.x.slice();
    const runs = [];
    for (let i = 0; i < 12; i++) {
      x.set(one.x);
      runs.push(session.run({ x }), session.run({ x: four.x }));
      x.fill(0);
    }
    const results = await Promise.all(runs);
    results.forEach((result, i) => {
      expect(result["scores"]!.data).toEqual((i % 2 ? four : one).out["scores"]);
    });
    expect(bytes.byteLength).toBeGreaterThan(1000);
  });

  it("takes bytes, row numbers and lists, and says what is wrong with an input", async () => {
    const session = await start(bytesOf(mixedModel()), where);
    const good = { gain: [1, 2, 3, 4], level: Uint8Array.of(2, 0, 0, 255), row: [5] };
    const table = denseOf(mixedModel().params["table"]!).data;
    const { y } = await session.run(good);
    expect([...y!.data]).toEqual([2, 0, 0, 1020].map((v, i) => Math.fround(table[20 + i]! + v)));
    for (const [inputs, message] of [
      [{ ...good, row: undefined }, /input "row": expected i32 \[batch\], got nothing/],
      [{ ...good, rows: [1] }, /there is no input "rows"; inputs are "gain", "level", "row"/],
      [{ ...good, gain: [1, 2, 3] }, /input "gain": expected f32 \[batch, 4\], got 3 elements/],
      [{ ...good, row: [1, 2] }, /input "row" holds 2 examples, input "gain" holds 1/],
      [{ ...good, level: Float32Array.of(1, 2, 3, 4.5) }, /input "level": expected u8 \[batch, 4\], got 4.5, which is no integer/],
      [{ ...good, level: [1, 2, 3, 256] }, /input "level": .*got 256, which is no integer in \[0, 255\]/],
      [{ ...good, row: [0.5] }, /input "row": .*got 0.5/],
      [{ ...good, gain: { shape: [4, 1], dtype: "f32", data: Float32Array.of(1, 2, 3, 4) } }, /got f32 \[4, 1\]/],
      [{ ...good, gain: new Float64Array(4) }, /input "gain": .*got Float64Array/],
      [{ ...good, gain: "1234" }, /input "gain": .*got 1234/],
      [{ ...good, row: [6] }, /integers in \[0, 6\), got 6/],
    ] as [Parameters<AsyncSession["run"]>[0], RegExp][]) {
      const error = await session.run(inputs).catch((e: unknown) => e);
      expect(error).toBeInstanceOf(InputError);
      expect((error as Error).message).toMatch(message);
    }
    expect((await session.run(good))["y"]!.data).toEqual(y!.data);
  });

  it("close: runs under way reject, later ones too, twice is allowed", async () => {
    const session = await start(bytes, where);
    const { x } = await expected(1);
    const underWay = [session.run({ x }), session.run({ x })].map((run) => run.catch((e: unknown) => e));
    const closing = session.close();
    for (const error of [...(await Promise.all(underWay)), await session.run({ x }).catch((e: unknown) => e)]) {
      expect(error).toBeInstanceOf(SessionError);
      expect((error as SessionError).reason).toBe("closed");
    }
    await closing;
    await session.close();
  });

  it("sessions share one engine; closing one leaves the others", async () => {
    const runtime = await createRuntime(where);
    const other = convModel("other");
    const [a, b] = await Promise.all([
      runtime.load(bytes, { kernels: "sparse" }),
      runtime.load(bytesOf(other), { kernels: "sparse" }),
    ]);
    const plain = await createSession(other, { kernels: "sparse" });
    const { x, out } = await expected(2);
    const otherScores = plain.run({ x })["scores"]!.data.slice();
    plain.close();
    const runs = await Promise.all(Array.from({ length: 10 }, (_, i) => (i % 2 ? b : a).run({ x })));
    runs.forEach((result, i) => {
      expect(result["scores"]!.data).toEqual(i % 2 ? otherScores : out["scores"]);
    });
    await a.close();
    await expect(a.run({ x })).rejects.toThrow(/session is closed/);
    expect((await b.run({ x }))["scores"]!.data).toEqual(otherScores);
    await runtime.close();
    await expect(b.run({ x })).rejects.toBeInstanceOf(SessionError);
    await expect(runtime.load(bytes)).rejects.toBeInstanceOf(SessionError);
  });

  it.each([
    ["empty", new Uint8Array(0), /8 bytes.*truncated/],
    ["truncated", bytes.subarray(0, bytes.length - 7), /safetensors/],
    ["cut in the header", bytes.subarray(0, 100), /truncated/],
    ["no model", new TextEncoder().encode("<!doctype html><html><body>not found"), /not a safetensors file/],
    ["of another version", versioned(99), /version 99 is not known/],
  ])("a file that is %s is refused", async (_, file, message) => {
    const error = await start(file, where).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(FormatError);
    expect((error as Error).message).toMatch(message);
  });
});

/** The model with another version number in its header; the header keeps its length. */
function versioned(version: number): Uint8Array {
  // Not TextDecoder: its "latin1" is windows-1252, where a byte is not always its own character.
  const text = Buffer.from(bytes).toString("latin1");
  const at = text.indexOf('\\"version\\":1,\\"one');
  expect(at).toBeGreaterThan(0);
  const room = text.lastIndexOf("}", 8 + Number(new DataView(bytes.buffer).getBigUint64(0, true)));
  expect(room).toBeGreaterThan(at);
  const changed = `${text.slice(0, at)}\\"version\\":${version},\\"one${text.slice(at + 18)}`;
  const out = Uint8Array.from(changed, (c) => c.charCodeAt(0));
  const view = new DataView(out.buffer);
  view.setBigUint64(0, view.getBigUint64(0, true) + BigInt(out.length - bytes.length), true);
  return out;
}

describe("a worker that dies", () => {
  it("rejects runs under way and later ones", async () => {
    let worker: { terminate(): unknown } | undefined;
    const platform = nodePlatform((script, answered, died) => {
      const handle = spawnNodeWorker(script, answered, died);
      worker = handle;
      return handle;
    });
    const session = await loadInto(platform, bytes, { worker: true, threads: 2, kernels: "sparse" });
    const { x } = await expected(1);
    await session.run({ x });
    const underWay = Array.from({ length: 50 }, () => session.run({ x }).catch((e: unknown) => e));
    void worker!.terminate();
    const errors: unknown[] = (await Promise.all(underWay)).filter((result) => result instanceof Error);
    errors.push(await session.run({ x }).catch((e: unknown) => e));
    for (const error of errors) {
      expect(error).toBeInstanceOf(SessionError);
      expect((error as SessionError).reason).toBe("lost");
    }
    expect(errors.length).toBeGreaterThan(1);
    await session.close();
  });

  it("before it is ready: the load rejects", async () => {
    const platform = nodePlatform((_, answered, died) => spawnNodeWorker("process.exit(3)", answered, died));
    const error = await loadInto(platform, bytes, { worker: true }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(SessionError);
    expect((error as Error).message).toMatch(/worker died: it exited with code 3/);
  });

  it("with an exception: the load rejects with its message", async () => {
    const platform = nodePlatform((_, answered, died) => spawnNodeWorker("throw new Error('no room')", answered, died));
    await expect(loadInto(platform, bytes, { worker: true })).rejects.toThrow(/no room/);
  });

  it("does not keep the process alive while it is idle", async () => {
    const script = `const { load } = await import(${JSON.stringify(new URL("./index.ts", import.meta.url).href)});
      const session = await load(${JSON.stringify(path)}, { worker: true, threads: 2, timings: null });
      await session.run({ x: new Float32Array(432) }); console.log("ran");`;
    const { execFileSync } = await import("node:child_process");
    const out = execFileSync(process.execPath, ["--import", "tsx", "--input-type=module", "-e", script], {
      timeout: 30_000,
      encoding: "utf8",
      env: { ...process.env, XDG_CACHE_HOME: folder },
    });
    expect(out).toBe("ran\n");
  });
});

describe("sources", () => {
  let server: Server;
  let hits = 0;
  beforeAll(async () => {
    server = createServer((request, response) => {
      hits++;
      const length = { "content-length": bytes.length };
      switch (request.url) {
        case "/model":
          return void response.writeHead(200, length).end(bytes);
        case "/chunked":
          return void response.writeHead(200).end(bytes);
        case "/broken":
          response.writeHead(200, length);
          return void response.write(bytes.subarray(0, 3000), () => response.destroy());
        case "/stalled":
          response.writeHead(200, length);
          return void response.write(bytes.subarray(0, 3000));
        case "/huge":
          return void response.writeHead(200, { "content-length": 5e9 }).write("x");
        default:
          return void response.writeHead(404, "Not Found").end("no");
      }
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });
  const at = (name: string) => `http://127.0.0.1:${(server.address() as AddressInfo).port}/${name}`;

  it.each<[string, () => ModelSource | Promise<ModelSource>, number | undefined]>([
    ["a URL", () => at("model"), bytes.length],
    ["a URL object", () => new URL(at("model")), bytes.length],
    ["a response without a length", () => fetch(at("chunked")), undefined],
    ["a path", () => path, bytes.length],
    ["a file URL", () => new URL(`file://${path}`), bytes.length],
    ["a stream", () => new Blob([bytes as Uint8Array<ArrayBuffer>]).stream(), undefined],
    ["a Blob", () => new Blob([bytes as Uint8Array<ArrayBuffer>]), bytes.length],
    ["bytes", () => bytes, bytes.length],
    ["an ArrayBuffer", () => bytes.slice().buffer, bytes.length],
  ])("%s, with progress", async (_, source, total) => {
    const seen: LoadProgress[] = [];
    const session = await start(await source(), { onProgress: (progress) => seen.push(progress) });
    expect(seen.at(-1)).toEqual({ received: bytes.length, total });
    expect(seen.map(({ received }) => received)).toEqual(seen.map(({ received }) => received).sort((a, b) => a - b));
    const { x, out } = await expected(1);
    expect((await session.run({ x }))["scores"]!.data).toEqual(out["scores"]);
  });

  it.each<[string, () => ModelSource, RegExp]>([
    ["a missing page", () => at("none"), /answered 404 Not Found/],
    ["a missing file", () => join(folder, "none"), /none could not be read: ENOENT/],
    ["a folder", () => folder, /EISDIR|transfer broke/],
    ["a server that is not there", () => "http://127.0.0.1:65531/model", /could not be fetched: .*ECONNREFUSED/],
    ["a transfer that breaks half-way", () => at("broken"), /the transfer broke after \d+ of \d+ bytes/],
    ["a file that says it is huge", () => at("huge"), /5000000000 bytes are more than the limit/],
    [
      "a body that is shorter than it says",
      () => new Response(bytes.slice(0, 3000), { headers: { "content-length": String(bytes.length) } }),
      /expected \d+ bytes, got 3000/,
    ],
    [
      "a stream that fails",
      () => new ReadableStream({ pull: (c) => c.error(new Error("cable cut")) }),
      /transfer broke after 0 bytes: cable cut/,
    ],
    [
      "a stream of text",
      () => new Response("x").body!.pipeThrough(new TextDecoderStream()) as never,
      /expected a stream of Uint8Array/,
    ],
  ])("%s is a SourceError", async (_, source, message) => {
    const error = await start(source()).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(SourceError);
    expect((error as Error).message).toMatch(message);
  });

  it("what is no source, and options out of range, are refused", async () => {
    await expect(start(7 as never)).rejects.toThrow(/expected a URL, a Response/);
    await expect(start(bytes, { threads: 0 })).rejects.toBeInstanceOf(OptionError);
    await expect(start(bytes, { kernels: "fast" as never })).rejects.toBeInstanceOf(OptionError);
    await expect(start(bytes, { maxBytes: 10 })).rejects.toThrow(/more than the limit of 10/);
    await expect(start(bytes, { runtime: {} as never })).rejects.toThrow(/createRuntime/);
  });

  it.each(["stalled", "model"])("an abort ends the load (%s)", async (name) => {
    const controller = new AbortController();
    const loading = start(at(name), {
      worker: true,
      signal: controller.signal,
      onProgress: ({ received }) => {
        if (received > 0) controller.abort(new Error("the user left"));
      },
    });
    await expect(loading).rejects.toThrow("the user left");
    const before = hits;
    await expect(start(at("model"), { signal: controller.signal })).rejects.toThrow("the user left");
    expect(hits).toBe(before);
  });
});

it("many engines one after another leave no thread behind", async () => {
  const { x } = await expected(1);
  const before = threadsOfProcess();
  for (let i = 0; i < 12; i++) {
    const session = await load(bytes, { worker: i % 2 === 0, threads: 2, kernels: "sparse" });
    await session.run({ x });
    await session.close();
  }
  const after = threadsOfProcess();
  expect(after).toBeLessThanOrEqual(before + 1);
});

/** Threads of this process, where /proc tells. */
function threadsOfProcess(): number {
  try {
    return readdirSync("/proc/self/task").length;
  } catch {
    return 0;
  }
}
