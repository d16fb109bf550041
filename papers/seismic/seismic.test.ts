/** The short form: the invariants of the method, and the direction of the main claims on little data. */
import { describe, expect, it } from "vitest";
import { createRng } from "../../src/core/index.js";
import { buildInverted, rowOf, syntheticCollection } from "../../src/retrieval/index.js";
import { checkPaper } from "../harness/index.js";
import { clustering, impactOrdered } from "./baselines.js";
import { atLeastAsLarge, cheapest, scoredAt } from "./claims.js";
import { type Config, optionsOf } from "./config.js";
import { paper } from "./run.js";

const context = { threads: 1, dataFolder: "/nowhere", now: () => performance.now(), progress: () => {} };
const small: Omit<Config, "part" | "arm"> = { documents: 3000, queries: 40, seed: 5, cut: 8 };
const measured = (part: Config["part"], arm: Config["arm"]) => paper.measure({ ...small, part, arm }, context);

describe("seismic, in short", { timeout: 300_000 }, () => {
  it("trades accuracy for documents by the heap factor, and scores few of them", async () => {
    const { points, exhaustiveMs, termAtATimeMs, maxScoreMs } = await measured("speed", "paper");
    expect(points.every(({ ms }) => ms > 0)).toBe(true);
    expect([exhaustiveMs, termAtATimeMs, maxScoreMs].every((ms) => ms! > 0)).toBe(true);
    points.forEach((point, i) => {
      if (i === 0) return;
      expect(point.heapFactor).toBeLessThan(points[i - 1]!.heapFactor);
      expect(point.scored).toBeGreaterThanOrEqual(points[i - 1]!.scored);
      expect(point.accuracy).toBeGreaterThanOrEqual(points[i - 1]!.accuracy - 0.01);
    });
    expect(points.at(-1)!.accuracy).toBeGreaterThan(0.9);
    expect(scoredAt(points, 0.9)).toBeLessThan(0.15 * small.documents);
  });

  it("needs fewer documents with geometric blocks than with blocks in document order, on 3,000 documents (not on 30,000: README)", async () => {
    const [own, fixed] = [await measured("ablation", "paper"), await measured("ablation", "fixed-blocks-0.1")];
    expect(scoredAt(own.points, 0.9)).toBeLessThan(scoredAt(fixed.points, 0.9));
  });

  it("the other families near exactness as they look at more", () => {
    const { documents, queries } = syntheticCollection({ documents: 800, queries: 15 }, createRng(2));
    const rows = Array.from({ length: 15 }, (_, q) => rowOf(queries, q));
    return buildInverted(documents).then((inverted) => {
      const truth = rows.map((q) => inverted.termAtATime(q, 11));
      const clusters = clustering(documents, rows, truth, createRng(1));
      expect(clusters.map(({ setting }) => setting)).toEqual([1, 2, 4, 8, 16, 32, 64]);
      for (const [i, { accuracy, work }] of clusters.entries()) {
        if (i > 0) expect([accuracy >= clusters[i - 1]!.accuracy, work > clusters[i - 1]!.work]).toEqual([true, true]);
      }
      expect(clusters.at(-1)!.accuracy).toBeGreaterThan(0.8);
      const anytime = impactOrdered(documents, rows, truth);
      // All postings, eight bits each: nearly exact.
      expect(anytime.at(-1)!.accuracy).toBeGreaterThan(0.95);
      const postings = rows.reduce((sum, { indices }) => {
        const wanted = new Set(indices);
        return sum + documents.indices.reduce((n, c) => n + (wanted.has(c) ? 1 : 0), 0) / rows.length;
      }, 0);
      expect(anytime.at(-1)!.work).toBeCloseTo(postings, 6);
    });
  });
});

describe("the parts", () => {
  it("the paper is well formed, and its jobs carry every arm, baselines and the crossover", async () => {
    checkPaper(paper as never, "seismic");
    for (const scale of ["small", "full"] as const) {
      const jobs = (await paper.run({ scale, seeds: [0, 1] }).next([])).value!;
      expect(new Set(jobs.map(({ id }) => id)).size).toBe(jobs.length);
      expect(new Set(jobs.map(({ config }) => config.part))).toEqual(
        new Set(["speed", "crossover", "ablation", "baselines", "cranfield"]),
      );
    }
  });

  it("reads a sweep between its points, and compares with a baseline of at least its bytes", () => {
    const points = [
      { heapFactor: 1, accuracy: 0.8, scored: 100, ms: 1 },
      { heapFactor: 0.8, accuracy: 1, scored: 300, ms: 2 },
    ];
    expect(scoredAt(points, 0.9)).toBeCloseTo(200, 9);
    expect(scoredAt(points, 0.7)).toBe(100);
    expect(scoredAt(points.slice(0, 1), 0.9)).toBe(Number.POSITIVE_INFINITY);
    expect(cheapest(points, 0.9).scored).toBe(300);
    const outcome = (arm: string, bytes: number) =>
      ({ id: arm, config: { ...small, part: "ablation", arm }, result: { bytes, points } }) as never;
    const own = [outcome("paper", 10), outcome("fixed-count-1", 8), outcome("fixed-count-2", 11), outcome("fixed-count-3", 12)];
    expect((atLeastAsLarge(own, "fixed-count-") as { id: string }).id).toBe("fixed-count-2");
    expect(optionsOf("fixed-blocks-0.08", 1000)).toMatchObject({ blocking: "fixed", centroidFraction: 0.08 });
  });

  it("says where the Cranfield files belong", async () => {
    await expect(measured("cranfield", "paper")).rejects.toThrow("/nowhere/cranfield");
  });
});
