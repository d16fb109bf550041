/** Layer times are kept by device: a second load of the same model times nothing. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it, vi } from "vitest";
import { load, type MeasuredTimings } from "./index.js";
import { loadInto } from "./load.js";
import { createLocalClient } from "./local.js";
import { fileStore, nodePlatform } from "./platform.node.js";
import { bytesOf, convModel } from "./testing/models.js";
import { readTimings, type TimingStore, writeTimings } from "./timings.js";

const bytes = bytesOf(convModel());
const folder = mkdtempSync(join(tmpdir(), "sparseland-timings-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Loads with a clock that counts how often it is read. */
async function counted(file: Uint8Array, timings: TimingStore, device = "this"): Promise<{ reads: number; from: string[] }> {
  let reads = 0;
  const now = () => {
    reads++;
    return performance.now();
  };
  const platform = {
    ...nodePlatform(),
    device: () => device,
    connect: async () => ({ client: createLocalClient(now), worker: false }),
  };
  const session = await loadInto(platform, file, { threads: 1, timings });
  const from = session.layers.map((layer) => layer.from);
  await session.close();
  return { reads, from };
}

function memory(): TimingStore & { text: string | undefined } {
  return {
    text: undefined,
    read() {
      return this.text;
    },
    write(text) {
      this.text = text;
    },
  };
}

describe("loads", () => {
  it("time each pruned layer once for a device", async () => {
    const store = memory();
    const first = await counted(bytes, store);
    expect(first.from).toEqual(["measured", "measured", "measured"]);
    expect(first.reads).toBeGreaterThan(50);
    expect(await counted(bytes, store)).toEqual({ reads: 0, from: ["cache", "cache", "cache"] });
    expect((await counted(bytes, store, "another")).from).toEqual(first.from);
    // Other positions of the same count are another layer.
    expect((await counted(bytesOf(convModel("other")), store)).reads).toBe(0);
    const moved = convModel();
    const w3 = moved.params["w3"]!;
    if (w3.kind === "sparse") {
      const columns = w3.value.columns.slice();
      for (let e = w3.value.rowPtr[1]! - 1; e < w3.value.rowPtr[1]!; e++) columns[e] = columns[e]! === 31 ? 30 : columns[e]! + 1;
      const changed = { ...moved, params: { ...moved.params, w3: { kind: "sparse", value: { ...w3.value, columns } } as const } };
      expect((await counted(bytesOf(changed), store)).from.sort()).toEqual(["cache", "cache", "measured"]);
    }
  });

  it("in a file by default, which a second load reads; a damaged one is written anew", async () => {
    vi.stubEnv("XDG_CACHE_HOME", folder);
    vi.stubEnv("SPARSELAND_CACHE", "");
    try {
      const path = join(folder, "sparseland/layer-timings.json");
      const layersOf = async (worker: boolean) => {
        const session = await load(bytes, { worker, threads: 1 });
        await session.close();
        return session.layers;
      };
      const first = await layersOf(true);
      const text = readFileSync(path, "utf8");
      const second = await layersOf(false);
      expect(second).toEqual(first.map((layer) => ({ ...layer, from: "cache" })));
      expect(readFileSync(path, "utf8")).toBe(text);
      for (const damaged of ["", "{", "[]", '{"x":7}', text.slice(0, 80)]) {
        writeFileSync(path, damaged);
        expect((await layersOf(false)).map(({ from }) => from)).toEqual(["measured", "measured", "measured"]);
        expect(Object.keys(JSON.parse(readFileSync(path, "utf8")) as object).length).toBeGreaterThanOrEqual(1);
      }
      expect(readdirSync(join(folder, "sparseland"))).toEqual(["layer-timings.json"]);
    } finally {
      vi.unstubAllEnvs();
    }
  });

  it("go on where the folder cannot be written", async () => {
    const file = join(folder, "file");
    writeFileSync(file, "");
    const store = fileStore(join(file, "sparseland"))!;
    expect((await counted(bytes, store)).from).toEqual(["measured", "measured", "measured"]);
  });
});

describe("the table", () => {
  const times = (n: number, from = 0): MeasuredTimings =>
    new Map(Array.from({ length: n }, (_, i) => [`k${i + from}`, { denseMs: i, sparseMs: 1 }]));
  it("keeps the newest layers and devices", () => {
    let text = writeTimings(undefined, "a", times(900));
    text = writeTimings(text, "a", times(300, 900));
    const kept = readTimings(text, "a");
    expect(kept.size).toBe(1000);
    expect(kept.has("k1199") && kept.has("k200") && !kept.has("k199")).toBe(true);
    for (const device of "bcdef") text = writeTimings(text, device, times(1));
    expect(Object.keys(JSON.parse(text) as object)).toEqual(["c", "d", "e", "f"]);
    expect(readTimings(text, "a").size).toBe(0);
  });
  it("leaves out what is no time", () => {
    const text = '{"a":{"x":[1,2],"y":[-1,2],"z":["1",2],"u":null,"v":[1]}}';
    expect([...readTimings(text, "a")]).toEqual([["x", { denseMs: 1, sparseMs: 2 }]]);
  });
});
