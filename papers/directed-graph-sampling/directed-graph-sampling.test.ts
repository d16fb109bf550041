/** The short form: what must hold of every sample, and the direction of the main claims on one real graph. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { baselineNames } from "../../src/graphs/index.js";
import { checkPaper } from "../harness/index.js";
import { type Config, claims, ours } from "./claims.js";
import { paper } from "./run.js";

const dataFolder = process.env["SPARSELAND_DATA"] ?? join(fileURLToPath(new URL("../..", import.meta.url)), "..", "shared", "data");
const hasData = existsSync(join(dataFolder, "graphs"));
const context = { threads: 1, dataFolder, now: () => performance.now(), progress: () => {} };
const measured = async (config: Omit<Config, "seed" | "arcs">) => {
  const whole = { ...config, seed: 3, arcs: 20_000 };
  return { id: "x", config: whole, result: await paper.measure(whole, context) };
};

describe("directed-graph-sampling, in short", { timeout: 300_000 }, () => {
  it.skipIf(!hasData)(
    "keeps degree distributions within the bound, and better than every baseline (skipped without the data folder)",
    async () => {
      const { result } = await measured({ graph: "cora-ml", ratio: 0.3, baselines: true });
      const own = ours(result);
      expect(result.samplers.map(({ sampler }) => sampler)).toEqual(["degree matrices", ...baselineNames]);
      expect(own.nodes).toBe(Math.round(0.3 * result.nodes));
      expect(own.distances.ksIn).toBeLessThanOrEqual(result.bounds.ksIn);
      expect(own.distances.ksOut).toBeLessThanOrEqual(result.bounds.ksOut);
      expect(own.distances.tvJoint).toBeLessThanOrEqual(result.bounds.tvJoint);
      expect(own.distances.tvCorrelation).toBeLessThanOrEqual(result.bounds.tvCorrelation);
      expect(Math.max(own.distances.ksIn, own.distances.ksOut)).toBeLessThan(0.02);
      for (const { distances, sampler } of result.samplers.slice(1)) {
        expect(distances.tvJoint, sampler).toBeGreaterThan(own.distances.tvJoint);
        if (sampler !== "configuration") expect(Math.max(distances.ksIn, distances.ksOut), sampler).toBeGreaterThan(0.05);
      }
      expect(result.correlationEntries / result.nodes).toBeLessThan(0.5);
      expect(result.jointEntries / result.arcs).toBeLessThan(0.5);
    },
  );

  it.skipIf(!hasData)("rebuilds a graph whole, and judges what it measured (skipped without the data folder)", async () => {
    const whole = await measured({ graph: "cora-ml", ratio: 1, baselines: false });
    const { distances, nodes, arcs } = ours(whole.result);
    expect([nodes, arcs]).toEqual([whole.result.nodes, whole.result.arcs]);
    expect(Object.values(distances).every((d) => d === 0)).toBe(true);
    const synthetic = await measured({ graph: "synthetic", ratio: 0.1, baselines: false });
    const sample = await measured({ graph: "cora-ml", ratio: 0.5, baselines: true });
    for (const claim of claims) {
      const { value, low, high } = claim.measure([whole, synthetic, sample]);
      expect([value, low, high].every(Number.isFinite) && low <= value && value <= high, claim.says).toBe(true);
    }
  });

  it("says which file is missing, and where to put it", async () => {
    await expect(
      paper.measure({ graph: "cora-ml", ratio: 0.3, baselines: true, seed: 3, arcs: 0 }, { ...context, dataFolder: "/nowhere" }),
    ).rejects.toThrow(/no \/nowhere\/graphs\/cora_ml_directed\.npz; put the graphs/);
  });

  it("is well formed, with all graphs, ratios and baselines", async () => {
    checkPaper(paper as never, "directed-graph-sampling");
    const jobs = (await paper.run({ scale: "small", seeds: [0, 1] }).next([])).value!;
    expect(new Set(jobs.map(({ config }) => `${config.graph} ${config.ratio}`)).size).toBe(13);
  });
});
