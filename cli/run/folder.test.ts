import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { writeWhole } from "../../src/core/files.node.js";
import { createRng } from "../../src/core/index.js";
import { meetDamage, mutate, mutateJson } from "../../src/formats/testing/mutate.js";
import { openRunFolder, parseLedger, type RunIdentity } from "./folder.js";
import { lockFolder } from "./lock.js";

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), "sparseland-run-"))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const identity = (content: unknown, quick = false): RunIdentity => ({ content, quick, recipe: "name: x\n" });
const open = (content: unknown = "a", quick = false, force = false) =>
  openRunFolder<number>(folder, identity(content, quick), force);

it("10,000 mangled run.json are ledgers, or refused with an InputError", () => {
  const entry = { id: "set", accuracy: 0.5, curve: [{ epoch: 1, trainLoss: 0.25 }] };
  const ledger = { format: 1, identity: "abc", quick: false, entries: { set: entry, dense: entry } };
  const bytes = new TextEncoder().encode(JSON.stringify(ledger));
  const rng = createRng(4);
  const mangled = (round: number): string =>
    round % 2 ? JSON.stringify(mutateJson(ledger, rng)) : new TextDecoder().decode(mutate(bytes, rng));
  const { taken, refused } = meetDamage(10_000, mangled, (text) => {
    const { format, identity, quick, entries } = parseLedger<unknown>(text, "run.json");
    expect([format, typeof identity, typeof quick, Array.isArray(entries)]).toEqual([1, "string", "boolean", false]);
    expect(() => new Map(Object.entries(entries))).not.toThrow();
  });
  expect(Math.min(taken, refused)).toBeGreaterThan(100);
});

describe("a run folder", () => {
  it("keeps finished entries and the checkpoint of the one under way", () => {
    const first = open();
    expect([first.resumed, [...first.finished]]).toEqual([false, []]);
    first.saveCheckpoint("dense", Uint8Array.of(1, 2));
    first.saveCheckpoint("dense", Uint8Array.of(3));
    first.finish("dense", 0.9);
    first.saveCheckpoint("rigl", Uint8Array.of(7, 8));
    first.close();
    const second = open();
    expect([second.resumed, [...second.finished]]).toEqual([true, [["dense", 0.9]]]);
    expect(second.checkpoint("dense")).toBeUndefined();
    expect(second.checkpoint("rigl")).toEqual(Uint8Array.of(7, 8));
    expect(readFileSync(second.saveModel("rigl", "safetensors", Uint8Array.of(5)))).toEqual(Buffer.from([5]));
    second.close();
    expect(readFileSync(join(folder, "recipe.yaml"), "utf8")).toBe("name: x\n");
    expect(existsSync(join(folder, "lock"))).toBe(false);
  });

  it("of another recipe is refused, or started over with force, or gives way when it was quick", () => {
    const first = open("a");
    first.finish("dense", 0.9);
    first.write("results.json", "{}");
    first.close();
    expect(() => open("b")).toThrow(/holds a run of another recipe.*\(1 entries finished\).*--out.*--force/);
    expect(() => open("b", true)).toThrow("--force");
    expect(existsSync(join(folder, "lock"))).toBe(false);
    const forced = open("b", true, true);
    expect([forced.resumed, forced.finished.size, existsSync(join(folder, "results.json"))]).toEqual([false, 0, false]);
    forced.finish("dense", 0.5);
    forced.close();
    const full = open("c", false);
    expect([full.resumed, full.finished.size]).toEqual([false, 0]);
    full.close();
  });

  it("with a damaged ledger is refused, not guessed at", () => {
    open().close();
    writeFileSync(join(folder, "run.json"), '{"format":1');
    expect(() => open()).toThrow("not a run ledger");
    open("a", false, true).close();
    expect(open().resumed).toBe(true);
  });

  it("that is abandoned before anything is saved leaves nothing; later it keeps all", () => {
    const path = join(folder, "new");
    openRunFolder(path, identity("a")).abandon();
    expect(existsSync(path)).toBe(false);
    open().abandon();
    expect(readdirSync(folder)).toEqual([]);
    const saved = open();
    saved.saveCheckpoint("dense", Uint8Array.of(1));
    saved.abandon();
    saved.close();
    const resumed = open();
    resumed.abandon();
    expect(resumed.checkpoint("dense")).toEqual(Uint8Array.of(1));
    resumed.close();
  });

  it("loses what killed writers left behind", () => {
    open().close();
    mkdirSync(join(folder, "checkpoints"));
    writeFileSync(join(folder, "checkpoints", ".dense.bin.123.sparseland-tmp"), "half");
    open().close();
    expect(readdirSync(join(folder, "checkpoints"))).toEqual([]);
  });
});

describe("the lock", () => {
  it("keeps a second run out and goes with its owner", async () => {
    const code = `
      const { lockFolder } = await import(${JSON.stringify(new URL("./lock.ts", import.meta.url).href)});
      lockFolder(${JSON.stringify(folder)});
      process.stdout.write("locked");
      setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", code], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await new Promise((done) => child.stdout.once("data", done));
    expect(() => lockFolder(folder)).toThrow(`another run is in this folder (process ${child.pid} on ${hostname()})`);
    child.kill("SIGKILL");
    await new Promise((done) => child.once("exit", done));
    expect(existsSync(join(folder, "lock"))).toBe(true);
    lockFolder(folder)();
    expect(existsSync(join(folder, "lock"))).toBe(false);
  });
  it.runIf(process.platform === "linux")("is not fooled by a reused process number", () => {
    writeFileSync(join(folder, "lock"), JSON.stringify({ pid: process.pid, host: hostname(), started: "another boot:1" }));
    lockFolder(folder)();
  });
  it("of another machine is respected", () => {
    writeFileSync(join(folder, "lock"), JSON.stringify({ pid: 1, host: "elsewhere", started: "" }));
    expect(() => lockFolder(folder)).toThrow("on elsewhere");
  });
  it("that was half written is taken over", () => {
    writeFileSync(join(folder, "lock"), '{"pid":');
    lockFolder(folder)();
  });
});

describe("writeWhole", () => {
  it("replaces a file, makes folders, leaves nothing beside it", () => {
    const path = join(folder, "a", "b.txt");
    writeWhole(path, "one");
    writeWhole(path, new Uint8Array(3).fill(65));
    expect(readFileSync(path, "utf8")).toBe("AAA");
    expect(readdirSync(join(folder, "a"))).toEqual(["b.txt"]);
  });
  it("that fails leaves the old file and nothing else", () => {
    mkdirSync(join(folder, "taken"));
    expect(() => writeWhole(join(folder, "taken"), "x")).toThrow();
    expect(readdirSync(folder)).toEqual(["taken"]);
  });
});
