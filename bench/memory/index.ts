/** Sparse codes: one query against many stored codes, and Sparsey's constant time per item. One thread. */
import { createRng } from "../../src/core/index.js";
import { createCodeStore, createMac, overlapRowsReference, randomCells, toBits } from "../../src/memory/index.js";
import { compare, type Row, type SuiteOptions, wanted } from "../row.js";

const CELLS = 2048;
const ACTIVE = 40;

const timed = (work: () => void): number => {
  const start = performance.now();
  work();
  return performance.now() - start;
};

/** Overlap of one code with a hundred thousand and a million, against the TypeScript reference on the same bits. */
async function* overlapBench(options: SuiteOptions): AsyncGenerator<Row> {
  for (const count of [100_000, 1_000_000]) {
    const name = (what: string) => `${what}, ${count.toLocaleString("en")} codes of ${CELLS} cells, ${ACTIVE} active`;
    if (!["overlap, columns", "matches, columns", "overlap, rows"].some((what) => wanted(options, name(what)))) continue;
    options.say(`storing ${count} codes`);
    const rng = createRng(1);
    const seen = new Uint8Array(CELLS);
    const code = new Int32Array(ACTIVE);
    const columns = createCodeStore({ cells: CELLS, capacity: count });
    const rows = createCodeStore({ cells: CELLS, capacity: count, layout: "rows" });
    const words = CELLS / 32;
    const bits = new Uint32Array(count * words);
    for (let i = 0; i < count; i++) {
      randomCells(rng, CELLS, ACTIVE, code, seen);
      columns.add(code);
      rows.add(code);
      bits.set(toBits(code, CELLS), i * words);
    }
    const query = randomCells(rng, CELLS, ACTIVE, code, seen).slice();
    const queryBits = toBits(query, CELLS);
    const out = new Uint32Array(count);
    const times = { columns: [] as number[], matches: [] as number[], rows: [] as number[], reference: [] as number[] };
    for (let round = 0; round < (options.rounds ?? 7); round++) {
      times.columns.push(timed(() => columns.overlaps(query)));
      times.matches.push(timed(() => columns.matches(query, 8)));
      times.rows.push(timed(() => rows.overlaps(query)));
      if (round < 3) times.reference.push(timed(() => overlapRowsReference(bits, words, queryBits, out)));
    }
    const peer = "TypeScript, popcount of 32-bit words";
    const size = `${(columns.bytes / 1e6).toFixed(0)} MB`;
    for (const [what, own] of [
      ["overlap, columns", times.columns],
      ["matches, columns", times.matches],
      ["overlap, rows", times.rows],
    ] as const) {
      if (wanted(options, name(what))) yield compare(name(what), 1, own, peer, times.reference, size);
    }
  }
}

/** Storing one item in a mac, when it is empty and when it holds thousands: the two should be equal. */
async function* storeBench(options: SuiteOptions): AsyncGenerator<Row> {
  const name = "Sparsey, store an item among 5,000 stored";
  if (!wanted(options, name)) return;
  const rng = createRng(2);
  const item = () => rng.permutation(784).subarray(0, 60);
  const mac = createMac({ inputs: 784, modules: 100, cells: 16, saturation: 1 });
  const warm = createMac({ inputs: 784, modules: 100, cells: 16, saturation: 1 });
  for (let i = 0; i < 300; i++) warm.store(item(), rng);
  const times = Array.from({ length: 5000 }, () => {
    const next = item();
    return timed(() => void mac.store(next, rng));
  });
  yield compare(name, 1, times.slice(-500), "the same among the first 500", times.slice(0, 500));
}

/** All memory benchmarks. */
export async function* suite(options: SuiteOptions): AsyncGenerator<Row> {
  yield* overlapBench(options);
  yield* storeBench(options);
}
