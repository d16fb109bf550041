import { expect, it } from "vitest";
import { createRng, mapTree } from "../core/index.js";
import { createEngine, type Plan } from "../engine/index.js";
import { randomTensor } from "../engine/testing/agree.js";
import { inferenceProgram, resnet } from "../models/index.js";
import { initParams } from "../nn/index.js";
import { isFasterAlone, runsFastest } from "./solo.js";

/** A plan whose steps take these times on a clock of its own, and how it was asked to run. */
function clocked(ms: { all: number; one: number }) {
  let t = 0;
  const asked: boolean[] = [];
  const plan = {
    alone: false,
    step() {
      asked.push(plan.alone);
      t += plan.alone ? ms.one : ms.all;
    },
  } as Plan;
  return { plan, asked, now: () => t };
}

it("takes one thread where that is faster, all threads where they are, and where the plan is large", () => {
  const choice = (all: number, one: number) => {
    const { plan, now } = clocked({ all, one });
    return isFasterAlone(plan, now);
  };
  expect(choice(0.5, 0.3)).toBe(true);
  expect(choice(8.6, 5.8)).toBe(true);
  expect(choice(0.3, 0.5)).toBe(false);
  expect(choice(3.6, 6.5)).toBe(false);
  expect(choice(0.29, 0.3)).toBe(true);
  const { plan, asked, now } = clocked({ all: 90, one: 1 });
  expect(isFasterAlone(plan, now)).toBe(false);
  expect(asked).not.toContain(true);
  const slow = clocked({ all: 20, one: 18 });
  expect(isFasterAlone(slow.plan, slow.now)).toBe(true);
  expect(slow.asked.length).toBe(5);
});

it("looks again while a plan serves, now and then, and takes what is faster now", () => {
  const ms = { all: 0.5, one: 0.3 };
  const { plan, asked, now } = clocked(ms);
  const served = runsFastest(plan, now);
  const during = (runs: number) => {
    asked.length = 0;
    for (let i = 0; i < runs; i++) served.step();
    return asked.filter((alone) => alone).length;
  };
  expect(during(8)).toBe(8);
  // A look: five runs as before, five the other way; then the choice, and twice as many runs without one.
  expect([during(5), during(5), during(16)]).toEqual([5, 0, 16]);
  ms.all = 0.2;
  expect([during(5), during(5), during(32)]).toEqual([5, 0, 0]);
  expect([during(5), during(5), during(64)]).toEqual([0, 5, 0]);
  ms.all = 30;
  expect([during(10), during(128)]).toEqual([0, 0]);
});

it("looks less and less often", () => {
  const { plan, asked, now } = clocked({ all: 0.2, one: 0.3 });
  const served = runsFastest(plan, now);
  asked.length = 0;
  for (let i = 0; i < 100_000; i++) served.step();
  const alone = asked.filter((way) => way).length;
  expect(alone).toBeGreaterThan(100);
  expect(alone).toBeLessThan(300);
});

it("one thread gives the bits of two", async () => {
  const model = resnet({ depth: 8, inputShape: [3, 16, 16] });
  const params = initParams(model.module, createRng(1));
  const x = randomTensor([1, 3, 16, 16], createRng(2));
  const results = [];
  for (const threads of [1, 2]) {
    const engine = await createEngine({ threads });
    const store = engine.params(
      mapTree(params, ({ shape }) => ({ shape })),
      params,
    );
    const plan = engine.compile(inferenceProgram(model, 1), store, { frozen: true });
    for (const alone of [false, true, false]) {
      plan.alone = alone;
      const [y] = Object.values(plan.run({ x }));
      results.push([...y!.data]);
    }
    engine.close();
  }
  expect(results[0]!.some((value) => value !== 0)).toBe(true);
  for (const result of results) expect(result).toEqual(results[0]);
});
