/** Which of two sides is faster, by clocks as fine as Node's and as coarse as a browser's, in a bounded time. */
import { describe, expect, it } from "vitest";
import { leastTimes, type Trial } from "./choose-int8.js";

/** A clock that tells multiples of `tick`, and sides of it: milliseconds a call, `slow` times as long in their first `cold` calls. */
function stage(tick: number) {
  let t = 0.01 * Math.PI;
  const now = () => {
    t += 4e-5;
    return Math.floor(t / tick) * tick;
  };
  const side = (ms: number, cold = 0, slow = 10, hiccup = 0): Trial => {
    let calls = 0;
    return {
      prepare() {
        t += 0.002;
      },
      call() {
        calls++;
        t += calls <= cold ? slow * ms : ms;
        if (hiccup && calls % hiccup === 0) t += 4;
      },
    };
  };
  return { now, side, spent: () => t };
}

describe.each([0.00005, 0.005, 0.1])("a clock of %f ms", (tick) => {
  it("tells apart what differs by a tenth, warmed up and held up now and then", async () => {
    for (const [a, b] of [
      [0.02, 0.018],
      [0.018, 0.02],
    ] as const) {
      const { now, side, spent } = stage(tick);
      const [first, second] = (await leastTimes(now, [side(a, 100, 10, 1999), side(b, 50, 20, 2503)])) as [number, number];
      expect(first / second).toBeGreaterThan((a / b) * 0.955);
      expect(first / second).toBeLessThan((a / b) * 1.045);
      expect(spent()).toBeLessThan(130);
    }
  });
});

it("ends on a clock that stands still", async () => {
  const { side } = stage(1);
  expect(await leastTimes(() => 5, [side(1), side(1)])).toHaveLength(2);
});
