import { describe, expect, it } from "vitest";
import { createRng, InputError, OptionError } from "../core/index.js";
import { createEngine } from "../engine/index.js";
import { type EncoderBags, trainSparseEncoder } from "./sparse-encoder.js";

const TOKENS = 24;
/** Documents hold three even tokens; the query says the odd neighbours of two of them: words that never meet in one text. */
function synonyms(count: number, seed: number): EncoderBags {
  const rng = createRng(seed);
  const pairs = Array.from({ length: count }, () => Array.from(rng.permutation(TOKENS / 2).subarray(0, 3), (t) => 2 * t));
  return {
    tokens: Array.from({ length: TOKENS }, (_, t) => `t${t}`),
    documents: pairs.map((own) => new Map(own.map((t) => [t, 2]))),
    queries: pairs.map((own) => new Map(own.slice(0, 2).map((t) => [t + 1, 1]))),
  };
}

/** log(1 + ReLU(scale * x + (x . down) . up + bias)), by the definition. */
function encode(params: ReturnType<typeof trainSparseEncoder>, side: "query" | "document", x: ReadonlyMap<number, number>) {
  const [down, up] = [params["down"]!, params["up"]!];
  const rank = down.shape[1]!;
  return Float64Array.from({ length: TOKENS }, (_, t) => {
    let z = params["bias"]!.data[t]! + (x.get(t) ?? 0) * params[`${side}Scale`]!.data[t]!;
    for (const [s, w] of x) for (let r = 0; r < rank; r++) z += w * down.data[s * rank + r]! * up.data[r * TOKENS + t]!;
    return Math.log1p(Math.max(0, z));
  });
}

const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, x, i) => sum + x * b[i]!, 0);

describe("training a sparse encoder", () => {
  it("learns that different words mean the same, and the regulariser keeps vectors sparse", async () => {
    const engine = await createEngine({ threads: 1 });
    try {
      const bags = synonyms(200, 1);
      const losses: number[] = [];
      const options = { rank: 12, steps: 250, batch: 32, rate: 1e-2, onStep: (_: number, loss: number) => void losses.push(loss) };
      const params = trainSparseEncoder(engine, bags, createRng(2), options);
      const mean = (list: readonly number[]) => list.reduce((a, b) => a + b, 0) / list.length;
      expect(losses).toHaveLength(250);
      expect(mean(losses.slice(-20))).toBeLessThan(0.6 * mean(losses.slice(0, 20)));
      const fresh = synonyms(40, 9);
      const documents = fresh.documents.map((x) => encode(params, "document", x));
      const hits = fresh.queries.filter((x, i) => {
        const scores = documents.map((d) => dot(encode(params, "query", x), d));
        return scores.filter((s) => s > scores[i]!).length < 4;
      });
      // By chance one query in ten would find its document among the four best: 4 of 40.
      expect(hits.length).toBeGreaterThan(20);
      const dense = trainSparseEncoder(engine, bags, createRng(2), { ...options, flops: 0.003 });
      const mass = (p: typeof params) => mean(fresh.documents.map((x) => encode(p, "document", x).reduce((a, b) => a + b, 0)));
      expect(mass(params)).toBeLessThan(0.7 * mass(dense));
      const again = trainSparseEncoder(engine, bags, createRng(2), options);
      expect(again["down"]!.data).toEqual(params["down"]!.data);
    } finally {
      engine.close();
    }
  });

  it("refuses too few pairs, unequal sides and bad options", async () => {
    const engine = await createEngine({ threads: 1 });
    try {
      const bags = synonyms(8, 1);
      expect(() => trainSparseEncoder(engine, bags, createRng(1))).toThrow(InputError);
      expect(() => trainSparseEncoder(engine, { ...bags, queries: [] }, createRng(1), { batch: 4 })).toThrow(
        /0 queries and 8 documents/,
      );
      for (const options of [{ rank: 0 }, { steps: 0 }, { batch: 1 }, { rate: -1 }, { flops: Number.NaN }])
        expect(() => trainSparseEncoder(engine, bags, createRng(1), { batch: 4, ...options })).toThrow(OptionError);
      expect(() => trainSparseEncoder(engine, bags, createRng(1), { batch: 4, steps: 3, rate: 1e30 })).toThrow(
        /loss became|NaN|Infinity/,
      );
    } finally {
      engine.close();
    }
  });
});
