/** Time to store one item as the store fills. */
import { createRng } from "../../src/core/index.js";
import { createMac } from "../../src/memory/index.js";
import { edges, type Images } from "./images.js";
import { SINGLE } from "./single.js";

/** Microseconds to store one item as the store fills: median of each tenth of the items. */
export function storageTimes(data: Images, count: number, seed: number, now: () => number): number[] {
  const rng = createRng(seed).split("times");
  const items = Array.from({ length: count }, (_, i) => edges(data, i % data.count));
  const mac = createMac({ ...SINGLE, cells: 16 });
  // The compiler settles on another mac first.
  const warm = createMac({ ...SINGLE, cells: 16 });
  for (const item of items.slice(0, 300)) warm.store(item, rng);
  const times = items.map((item) => {
    const start = now();
    mac.store(item, rng);
    return (now() - start) * 1000;
  });
  const tenth = Math.floor(count / 10);
  return Array.from({ length: 10 }, (_, i) => times.slice(i * tenth, (i + 1) * tenth).sort((a, b) => a - b)[tenth >> 1]!);
}
