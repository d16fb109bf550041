import { describe, it } from "vitest";
import { createRng } from "../core/index.js";
import { sell4 } from "./reference/sell.js";
import { AGREES, Bench, compare, FLAVORS, testKernels } from "./testing.js";

describe.each(FLAVORS)("%s sell", (flavor) => {
  it(`sell4 ${AGREES[flavor]}`, async () => {
    const bench = new Bench(await testKernels(flavor), createRng(8));
    const { rng } = bench;
    for (let round = 0; round < 40; round++) {
      bench.reset();
      const m = rng.below(5);
      const counts = Array.from({ length: m }, () => rng.below(11));
      const steps = counts.reduce((a, b) => a + b, 0);
      const order = [...rng.permutation(m * 4)].map((to) => (to % 5 === 4 ? -1 : to * 4));
      const x = bench.floats(9);
      compare(bench.kernels, "sell4", sell4, {
        m,
        cnt: bench.ints(counts),
        idx: bench.ints(Array.from({ length: steps * 4 }, () => x + rng.below(9) * 4)),
        w: bench.floats(steps * 4),
        bias: rng.below(2) ? bench.floats(m * 4) : 0,
        y: bench.room(m * 4),
        lo: rng.below(2) ? -0.5 : Number.NEGATIVE_INFINITY,
        hi: Number.POSITIVE_INFINITY,
        order: bench.ints(order),
      });
    }
  });
});
