/** The claims read made-up results as they should. */
import { expect, it } from "vitest";
import { loadPaper } from "../harness/index.js";
import { armResults, claims } from "./claims.js";
import type { Arm, Config, Result } from "./config.js";

const arms: Readonly<Record<Arm, number>> = {
  unstructured: 88,
  groups: 86,
  "groups-rearranged": 87,
  "groups-of-8": 86.5,
  filters: 80,
};
const outcomes = [0, 1, 2].flatMap((seed) => [
  {
    id: `a${seed}`,
    config: { part: "accuracy", seed } as Config,
    result: {
      part: "accuracy",
      dense: 86.9,
      denseTuned: 87.1 + 0.1 * seed,
      arms: [0.3, 0.5].flatMap((ratio) =>
        Object.entries(arms).map(([arm, tuned]) => ({
          arm: arm as Arm,
          ratio,
          pruned: 10,
          tuned: tuned + 0.1 * seed + (arm === "groups" ? 0.01 * seed : 0),
        })),
      ),
      retained: [{ filters: 4, ratio: 0.5, before: 0.7, sorted: 0.71, after: 0.72 + 0.001 * seed }],
    } as Result,
  },
  {
    id: `l${seed}`,
    config: { part: "latency", seed } as Config,
    result: {
      part: "latency",
      times: [0.3, 0.5, 0.7].map((ratio) => ({
        ratio,
        denseMs: 1.2 + 0.01 * seed,
        groupMs: 1.3 - ratio,
        unstructuredMs: 1.1,
        medians: { dense: 1, group: 1, unstructured: 1 },
      })),
    } as Result,
  },
]);

it("measures differences by seed and ratios of times", () => {
  const measured = Object.fromEntries(claims.map((claim) => [claim.says, claim.measure(outcomes)]));
  expect(claims.map(({ says }) => Math.round(measured[says]!.value * 1000) / 1000)).toEqual([
    1.21, 1.1, 0.1, 1, 7, 0.99, 2.1, 1.1, 1, 1.1, 0,
  ]);
  expect(claims.map((claim) => claim.passes(measured[claim.says]!, measured))).toEqual([
    true,
    false,
    true,
    true,
    true,
    true,
    true,
    true,
    true,
    true,
    true,
  ]);
  expect(claims[1]!.direction!(measured[claims[1]!.says]!, measured)).toBe(true);
  expect(armResults(outcomes, "filters", 0.5).map(({ tuned }) => tuned)).toEqual([80, 80.1, 80.2]);
});

it("is a paper of the right form", async () => {
  expect((await loadPaper("sparsebytenn")).slug).toBe("sparsebytenn");
});
