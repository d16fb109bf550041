/** A layer of 50,000 x 50,000 at 99.99 % sparsity, trained and rewired as SET does: time and memory follow the live weights. */
import { createRng } from "../../src/core/index.js";
import { mlp } from "../../src/models/index.js";
import { sgd } from "../../src/optim/index.js";
import { randomCsr, rewireRandom } from "../../src/sparsity/index.js";
import { trainingProgram, trainingSpecs } from "../../src/train/index.js";
import { median, type Row, type SuiteOptions, wanted } from "../row.js";
import { pinnedEngine, timed } from "./engines.js";

const SIZE = 50_000;
const LIVE = (SIZE * SIZE) / 10_000;
const BATCH = 32;
const WEIGHT = "fc1.weight";
const DROP = 0.3;

/** Steps with a topology update between them; the model never exists dense. */
export async function* wideLayer(options: SuiteOptions): AsyncGenerator<Row> {
  const name = `${SIZE} x ${SIZE} layer at 99.99 %, training step, batch ${BATCH}`;
  if (!wanted(options, name)) return;
  const { engine, note } = await pinnedEngine(1);
  const rng = createRng(5);
  const model = mlp({ inputShape: [SIZE], hidden: [SIZE], classes: 10 });
  const spec = { model, batch: BATCH, live: { [WEIGHT]: LIVE }, storage: "csr" } as const;
  const optimizer = sgd({ momentum: 0.9 });
  const store = engine.params(trainingSpecs(spec, optimizer));
  const pattern = randomCsr(SIZE, SIZE, LIVE, rng);
  const draw = (n: number, scale: number) => Float32Array.from({ length: n }, () => rng.normal() * scale);
  store.setLive(WEIGHT, { rowPtr: pattern.rowPtr, columns: pattern.columns, values: draw(LIVE, 0.6) });
  store.view("fc2.weight").set(draw(10 * SIZE, 0.01));
  const plan = engine.compile(trainingProgram(spec, optimizer), store);
  const inputs = {
    x: draw(BATCH * SIZE, 1),
    y: Int32Array.from({ length: BATCH }, () => rng.below(10)),
    key: Int32Array.of(1, 2),
    ...optimizer.feed(0, 1e-4),
  };
  const samples: number[] = [];
  const rewirings: number[] = [];
  const losses: number[] = [];
  for (let round = 0; round < (options.rounds ?? 10); round++) {
    for (let i = 0; i < 2; i++) samples.push(timed(() => losses.push(plan.run(inputs)["loss"]!.data[0]!)));
    rewirings.push(
      timed(() => {
        const { rowPtr, columns, values } = store.live(WEIGHT);
        const next = rewireRandom({
          csr: { rows: SIZE, cols: SIZE, rowPtr, columns },
          values,
          fraction: DROP,
          rng: rng.split(round),
        });
        store.setLive(WEIGHT, { rowPtr: next.csr.rowPtr, columns: next.csr.columns, values: next.values });
      }),
    );
  }
  const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
  const least = Math.min(...samples);
  yield {
    name,
    threads: 1,
    sparselandMs: least,
    peer: `none: one dense copy of the weight takes ${mib(SIZE * SIZE * 4)}`,
    peerMs: null,
    ratio: null,
    median: { sparselandMs: median(samples), peerMs: null, ratio: null },
    note: [
      `engine memory at its peak ${mib(engine.memory().peak)}, process ${mib(process.memoryUsage().rss)}`,
      `rewiring ${DROP * 100} % of ${LIVE} weights ${Math.min(...rewirings).toFixed(1)} ms`,
      `loss ${losses[0]!.toFixed(3)} to ${losses.at(-1)!.toFixed(3)}`,
      note,
    ]
      .filter(Boolean)
      .join("; "),
  };
  plan.close();
  store.close();
  engine.close();
}
