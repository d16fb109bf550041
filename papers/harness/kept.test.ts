/** Kept measurements, damaged: the measurement that was written, or none. */
import { expect, it } from "vitest";
import { createRng } from "../../src/core/index.js";
import { meetDamage, mutate, mutateJson } from "../../src/formats/testing/mutate.js";
import { requirePlain } from "./json.js";
import { keptResult } from "./reproduce.js";

const config = { seed: 3, layers: [{ name: "conv1", sparsity: 0.9 }] };
const job = { id: "a", config };
const whole = { id: "a", config, result: { accuracy: 0.91, curve: [1, 0.5, 0.25], note: null } };

it("gives plain results of the job alone, from 10,000 damaged files", () => {
  const rng = createRng(1);
  const bytes = new TextEncoder().encode(JSON.stringify(whole));
  const damaged = (round: number): string =>
    round % 2 ? new TextDecoder().decode(mutate(bytes, rng)) : JSON.stringify(mutateJson(whole, rng));
  let none = 0;
  const { refused } = meetDamage(10_000, damaged, (text) => {
    const kept = keptResult(text ?? "", job);
    if (!kept) none++;
    else {
      requirePlain(kept.result, "result");
      expect((JSON.parse(text) as typeof whole).config).toEqual(config);
    }
  });
  expect(refused).toBe(0);
  expect(none).toBeGreaterThan(1000);
});

it("does not take another job's measurement, nor one without a result", () => {
  expect(keptResult(JSON.stringify(whole), job)).toEqual({ result: whole.result });
  expect(keptResult(JSON.stringify(whole), { id: "a", config: { ...config, seed: 4 } })).toBeUndefined();
  expect(keptResult(JSON.stringify({ id: "a", config }), job)).toBeUndefined();
  expect(keptResult('{"id":', job)).toBeUndefined();
  expect(keptResult("[".repeat(100_000), job)).toBeUndefined();
});
