import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { createRng, FormatError } from "../core/index.js";
import { rowOf } from "./csr.js";
import { openIndexFile, readIndexHeader, writeIndexFile } from "./files.node.js";
import { FORMAT_VERSION, readHeader } from "./format.js";
import { xxHash32 } from "./hash.js";
import { buildIndex, openIndex } from "./index-handle.js";
import { createSearcher } from "./searcher.js";
import { openStore } from "./store.js";
import { joined, small, unstructured } from "./testing/collections.js";
import { resealed } from "./testing/resealed.js";

const folder = mkdtempSync(join(tmpdir(), "sparseland-index-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const tiny = async () =>
  joined(
    await buildIndex(unstructured(20, 12, 6, 1), { postingsPerList: 8, neighbours: 2 }, createRng(1), {
      ids: Array.from({ length: 20 }, (_, i) => `doc-${i}`),
      payloads: Array.from({ length: 20 }, (_, i) => ({ i })),
      tokens: "a b c d e f g h i j k ü".split(" "),
    }),
  );

/** Checks a file as `openIndex` does, without the memory that each opening reserves. */
const memory = new WebAssembly.Memory({ initial: 8 });
function check(bytes: Uint8Array) {
  const room = new Uint8Array(memory.buffer, 65536, bytes.length);
  room.set(bytes);
  return openStore({ memory, shared: false, bytes: room });
}

describe("xxHash32", () => {
  it("gives the published test values", () => {
    const text = (s: string) => new TextEncoder().encode(s);
    expect(xxHash32(text(""))).toBe(0x02cc5d05);
    expect(xxHash32(text("a"))).toBe(0x550d7456);
    expect(xxHash32(text("abc"))).toBe(0x32d153ff);
    expect(xxHash32(text("Nobody inspects the spammish repetition"))).toBe(0xe2293b2f);
    const shifted = new Uint8Array(40).subarray(1);
    shifted.set(text("Nobody inspects the spammish repetition"));
    expect(xxHash32(shifted)).toBe(0xe2293b2f);
  });
});

describe("index file", () => {
  it("is the same for the same seed, and another for another", async () => {
    const hash = (b: Uint8Array) => createHash("sha256").update(b).digest("hex");
    const { documents } = small(200);
    const build = async (seed: number) => hash(joined(await buildIndex(documents, { postingsPerList: 40 }, createRng(seed))));
    expect(await build(1)).toBe(await build(1));
    expect(await build(1)).not.toBe(await build(2));
  });

  it("gives back ids, payloads, tokens and neighbours", async () => {
    const index = await openIndex(await tiny());
    const [hit] = index.search({ ü: 1, a: 2 });
    expect(hit!.id).toBe(`doc-${hit!.document}`);
    expect(hit!.payload).toEqual({ i: hit!.document });
    expect(index.header.neighbours).toBe(2);
    expect(index.search({ nothing: 1 })).toEqual([]);
  });

  it("refuses every truncation", async () => {
    const bytes = await tiny();
    for (let n = 0; n < bytes.length; n += n < 400 ? 1 : 37) expect(() => check(bytes.slice(0, n)), `at ${n}`).toThrow(FormatError);
    expect(() => readHeader(bytes.slice(0, 40), bytes.length)).toThrow(/only 40 bytes came/);
  });

  it("refuses a newer version and says what to do", async () => {
    const bytes = await tiny();
    new DataView(bytes.buffer).setUint32(8, FORMAT_VERSION + 1, true);
    expect(() => check(bytes)).toThrow(/version 2 is newer than 1.*upgrade/);
  });

  it("finds every one of 6,000 altered bytes", async () => {
    const bytes = await tiny();
    const rng = createRng(5);
    const header = readHeader(bytes, bytes.length);
    const covered: [number, number][] = [[0, 32 + new DataView(bytes.buffer).getUint32(12, true)]];
    for (const s of Object.values(header.sections)) covered.push([s.at, s.at + s.bytes]);
    const positions = covered.flatMap(([from, to]) => Array.from({ length: to - from }, (_, i) => from + i));
    for (let i = 0; i < 6000; i++) {
      const at = positions[rng.below(positions.length)]!;
      const old = bytes[at]!;
      bytes[at] = old ^ (1 + rng.below(255));
      expect(() => check(bytes), `byte ${at}`).toThrow(FormatError);
      bytes[at] = old;
    }
  });

  it("survives 6,000 hostile files with right checksums: refused, or searched within bounds", async () => {
    const bytes = await tiny();
    const rng = createRng(6);
    const { sections } = readHeader(bytes, bytes.length);
    const names = Object.keys(sections);
    const query = rowOf(unstructured(1, 12, 6, 2), 0);
    let refused = 0;
    let searched = 0;
    for (let i = 0; i < 6000; i++) {
      const altered = bytes.slice();
      for (let edit = 0; edit <= rng.below(3); edit++) {
        const s = sections[names[rng.below(names.length)]!]!;
        if (s.bytes > 0) altered[s.at + rng.below(s.bytes)] = rng.below(256);
      }
      const sealed = resealed(altered);
      try {
        const store = check(sealed);
        if (searched++ % 100 === 0) {
          const index = await openIndex(sealed);
          for (const d of index.searchRaw(query, { k: 20, neighbours: 2 }).documents) expect(d).toBeLessThan(20);
        } else expect(store.header.docs).toBe(20);
      } catch (error) {
        expect(error).toBeInstanceOf(FormatError);
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(500);
    expect(searched).toBeGreaterThan(500);
  });

  it("refuses tables that lie about sections without allocating what they claim", async () => {
    const bytes = await tiny();
    const edit = (
      change: (table: { docs: number; dim: number; sections: Record<string, { at: number; bytes: number }> }) => void,
    ) => {
      const copy = bytes.slice();
      const view = new DataView(copy.buffer);
      const table = JSON.parse(new TextDecoder().decode(copy.slice(32, 32 + view.getUint32(12, true)))) as Parameters<
        typeof change
      >[0];
      change(table);
      const text = new TextEncoder().encode(JSON.stringify(table));
      copy.set(text, 32);
      view.setUint32(12, text.length, true);
      view.setUint32(16, xxHash32(text), true);
      return copy;
    };
    expect(() => check(edit((t) => void (t.docs = 4_000_000_000)))).toThrow(FormatError);
    expect(() => check(edit((t) => void (t.dim = 60_000)))).toThrow(FormatError);
    expect(() => check(edit((t) => void (t.sections["forward"]!.bytes = 2 ** 40)))).toThrow(/forward.bytes/);
    expect(() => check(edit((t) => void (t.sections["postings"]!.at = -64)))).toThrow(/postings.at/);
    expect(() => check(edit((t) => void delete t.sections["entries"]))).toThrow(/entries is missing/);
  });

  it("is opened from disk, shared or not, with the same answers", async () => {
    const { documents, queries } = small(300);
    const path = join(folder, "a.index");
    writeIndexFile(path, await buildIndex(documents, { postingsPerList: 40 }, createRng(1)));
    const one = await openIndexFile(path, true);
    const two = await openIndexFile(path, false);
    expect(readIndexHeader(path).header).toEqual(one.header);
    const raw = await createSearcher(one.store);
    for (let q = 0; q < queries.rows; q++) {
      expect(one.search(rowOf(queries, q))).toEqual(two.search(rowOf(queries, q)));
      expect(raw.exact(rowOf(queries, q))).toEqual(two.exactRaw(rowOf(queries, q)));
    }
    writeFileSync(path, readFileSync(path).subarray(0, 5000));
    await expect(openIndexFile(path)).rejects.toThrow(/truncated or altered/);
  });

  it("keeps the old index when a build is killed while it writes", async () => {
    const home = mkdtempSync(join(folder, "kill-"));
    const path = join(home, "kept.index");
    writeIndexFile(path, [await tiny()]);
    const before = readFileSync(path);
    const module = pathToFileURL(join(import.meta.dirname, "files.node.ts")).href;
    // Writes without end: the second piece is delivered for ever.
    const script = `import { writeIndexFile } from ${JSON.stringify(module)};
      function* pieces() { const piece = new Uint8Array(1 << 20); let n = 0; for (;;) { if (n++ === 3) process.stdout.write("writing"); yield piece; } }
      writeIndexFile(${JSON.stringify(path)}, pieces());`;
    const child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await new Promise<void>((resolve, reject) => {
      child.stdout.once("data", () => {
        child.kill("SIGKILL");
      });
      child.once("exit", (code, signal) => (signal === "SIGKILL" ? resolve() : reject(new Error(`exit ${code}`))));
    });
    expect(readFileSync(path).equals(before)).toBe(true);
    expect(readdirSync(home).length).toBeGreaterThan(1);
    expect((await openIndexFile(path)).size).toBe(20);
    rmSync(home, { recursive: true });
  });
});
