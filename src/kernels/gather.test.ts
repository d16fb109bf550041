import { describe, expect, it } from "vitest";
import { hasRelaxedSimd, loadKernels } from "./loader.js";
import { bench } from "./reference/differential.js";
import * as reference from "./reference/gather.js";

const flavors = hasRelaxedSimd() ? (["plain", "relaxed"] as const) : (["plain"] as const);

for (const flavor of flavors) {
  describe(`row kernels equal their references bit for bit (${flavor})`, async () => {
    const kernels = await loadKernels({ flavor, pages: 8 });
    const cases = Array.from({ length: 40 }, (_, seed) => bench(kernels, seed + 1));

    it("gather, scatter, segments, one-hot, repeated rows included", () => {
      for (const b of cases) {
        const fresh = bench(kernels, b.rng.bits());
        const [n, cols, rows] = [fresh.rng.below(12), fresh.rng.below(40), 1 + fresh.rng.below(6)];
        const idx = fresh.ints(n, () => fresh.rng.below(rows));
        const [table, x] = [fresh.floats(rows * cols), fresh.floats(n * cols)];
        expect(fresh.differ("gather_rows", reference.gather_rows, { n, bytes: 4 * cols, idx, table, y: x })).toBe(null);
        expect(fresh.differ("scatter_add_rows", reference.scatter_add_rows, { n, cols, idx, x, table })).toBe(null);
        expect(fresh.differ("segment_sum", reference.segment_sum, { n, cols, segments: rows, idx, x, y: table })).toBe(null);
        const some = fresh.ints(n, () => fresh.rng.below(cols + 4) - 2);
        expect(fresh.differ("one_hot", reference.one_hot, { n, cols, idx: some, on: 1, off: -0.25, y: x })).toBe(null);
      }
    });

    it("topk: ties to the lowest index, NaN last, k up to the row", () => {
      cases.forEach((_, seed) => {
        const b = bench(kernels, seed + 1);
        const [rows, cols] = [b.rng.below(4), 1 + b.rng.below(seed % 3 ? 30 : 200)];
        const k = seed === 1 ? 0 : seed === 2 ? cols : 1 + b.rng.below(cols);
        const xs = 4 * (cols + b.rng.below(3));
        const value = seed % 2 ? () => b.rng.below(5) - 2 : (i: number) => (i % 17 === 5 ? Number.NaN : b.rng.normal());
        const params = { rows, cols, k, x: b.floats((rows * xs) / 4 + cols, value), xs };
        expect(b.differ("topk", reference.topk, { ...params, values: b.floats(rows * k), indices: b.floats(rows * k) })).toBe(null);
      });
    });
  });
}
