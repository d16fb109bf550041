/**
 * Random programs: the interpreter's values, whether params are frozen or not, the same bits for 1, 2 and 3 threads and at every run.
 * SPARSELAND_FUZZ_SEEDS=1000-5000 tries those seeds.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import { createEngine, type Engine } from "./engine.js";
import { faults, programOf } from "./testing/fuzz.js";

const [first = 0, last = 47] = (process.env["SPARSELAND_FUZZ_SEEDS"] ?? "").split("-").filter(Boolean).map(Number);
const seeds = Array.from({ length: last - first + 1 }, (_, i) => first + i);

const engines: Engine[] = [];
beforeAll(async () => {
  for (const threads of [1, 2, 3]) engines.push(await createEngine({ threads, flavor: "plain" }));
});
afterAll(() => {
  for (const engine of engines) engine.close();
});

it.each(seeds)("the program of seed %i", (seed) => {
  expect(faults(engines, programOf(seed))).toEqual([]);
});
