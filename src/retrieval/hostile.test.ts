/** Index files whose checksums are right and whose contents lie, to the last byte of what a user does with an open index. */
import { describe, expect, it } from "vitest";
import { createRng, InputError, type Rng } from "../core/index.js";
import { mutateJson } from "../formats/testing/mutate.js";
import { buildIndex, openIndex, type SparseIndex } from "./index-handle.js";
import { openStore } from "./store.js";
import { joined, unstructured } from "./testing/collections.js";
import { resealed, type Table } from "./testing/resealed.js";

const ROUNDS = 10_000;
const QUERY = { indices: [0, 3, 5], values: [1, 0.5, 2] };

const file = (values: "f16" | "u8" | "f32") =>
  buildIndex(unstructured(20, 12, 6, 1), { postingsPerList: 8, neighbours: 2, values }, createRng(1), {
    ids: Array.from({ length: 20 }, (_, i) => `doc-${i}`),
    payloads: Array.from({ length: 20 }, (_, i) => ({ i })),
    tokens: "a b c d e f g h i j k ü".split(" "),
  }).then(joined);

/** Memory for one file after the other: each opening would reserve its own. */
const memory = new WebAssembly.Memory({ initial: 8 });
function check(bytes: Uint8Array): void {
  const room = new Uint8Array(memory.buffer, 65536, bytes.length);
  room.set(bytes);
  openStore({ memory, shared: false, bytes: room });
}

/** Numbers at the rims of their types, in the middle of a section. */
function lie(bytes: Uint8Array, table: Table, rng: Rng): void {
  const sections = Object.values(table.sections).filter((s) => s.bytes > 0);
  for (let n = 1 + rng.below(3); n > 0; n--) {
    const { at, bytes: size } = sections[rng.below(sections.length)]!;
    const place = at + rng.below(size);
    const value = [0, 1, 2, 0x7f, 0x80, 0xff, rng.below(256)][rng.below(7)]!;
    for (let i = 0; i < [1, 2, 4][rng.below(3)]! && place + i < at + size; i++) bytes[place + i] = value;
  }
}

/** Everything that reads the file. What it says may be wrong; it must be said, and no step may leave the file. */
async function use(index: SparseIndex): Promise<void> {
  const rng = createRng(2);
  const doing: (() => unknown)[] = [
    () => index.search(QUERY),
    () => index.search(QUERY, { k: 3, neighbours: 2 } as object),
    () => index.exact(QUERY),
    () => index.search({ a: 1, ü: 2 }),
    () => index.add([{ id: "new", vector: QUERY }]),
    () => index.merged(rng),
  ];
  for (const act of doing) {
    try {
      await act();
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
    }
  }
}

describe.each(["f16", "u8", "f32"] as const)("resealed indexes, values %s", (values) => {
  it("of lying sections and tables: refused, or used without leaving the file", async () => {
    const good = await file(values);
    const rng = createRng(3);
    let [taken, refused] = [0, 0];
    for (let round = 0; round < ROUNDS / 2; round++) {
      const bytes = resealed(good, (table, out) => {
        if (round % 4) lie(out, table, rng);
        else Object.assign(table, mutateJson(table, rng));
      });
      try {
        check(bytes);
        if (taken++ % 8 === 0) await use(await openIndex(bytes));
      } catch (error) {
        if (!(error instanceof InputError)) throw new Error(`round ${round}: ${error}`, { cause: error });
        refused++;
      }
    }
    expect(Math.min(taken, refused)).toBeGreaterThan(500);
  });
});
