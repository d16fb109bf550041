/** Training steps against PyTorch and jax-js, and two threads against one; all sides in turns. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { conv2d, globalAveragePool, linear, relu, sequential } from "../../src/nn/index.js";
import { installPeers } from "../install.js";
import { compare, type Row, type SuiteOptions, wanted } from "../row.js";
import { pinnedEngine, timed } from "./engines.js";
import { type Found, startPeer } from "./peer.js";
import { pinProcess } from "./pin.js";
import { MODELS, type Step, trainingStep } from "./steps.js";

const BATCH = 128;
/** Share of zeros, and rows of the blocks in which the live weights lie. */
type Zeros = readonly [sparsity: number, rows: 1 | 2 | 4];
const VARIANTS: Readonly<Record<string, readonly Zeros[]>> = {
  resnet20: [[0, 1], [0.8, 1], [0.9, 1], [0.95, 1], [0.9, 2]],
  mlp1000: [[0, 1], [0.9, 1], [0.95, 1], [0.98, 1]],
}; // biome-ignore format: a table
const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

const label = (model: string, [sparsity, rows]: Zeros): string => {
  const form = sparsity === 0 ? "dense" : `${rows === 1 ? "CSR" : `${rows}x1 blocks`} ${Math.round(sparsity * 100)} %`;
  return `${MODELS[model]!.title} training step, batch ${BATCH}, ${form}`;
};

/** Debian keeps its PyTorch beside its own interpreter. */
function torchCommand(threads: number): string[] {
  const python = process.env["PYTHON"] ?? (existsSync("/usr/bin/python3") ? "/usr/bin/python3" : "python3");
  return [python, here("torch_peer.py"), String(threads)];
}

const startTorch = (threads: number): Promise<Found> =>
  startPeer(
    torchCommand(threads),
    { GOMP_SPINCOUNT: "1000", OMP_NUM_THREADS: String(threads), OPENBLAS_NUM_THREADS: String(threads) },
    threads,
  );

/** Every model and sparsity beside PyTorch's dense step. */
export async function* trainingSteps(options: SuiteOptions, threads: number): AsyncGenerator<Row> {
  const rounds = options.rounds ?? 15;
  const { engine, note } = await pinnedEngine(threads);
  let torch: Found | undefined;
  try {
    for (const [model, variants] of Object.entries(VARIANTS)) {
      const chosen = variants.filter((zeros) => wanted(options, label(model, zeros)));
      if (chosen.length === 0) continue;
      torch ??= await startTorch(threads);
      const { build, sparse } = MODELS[model]!;
      const steps = chosen.map(([sparsity, rows]) => trainingStep(engine, build(), { batch: BATCH, sparsity, sparse, rows }));
      const own: number[][] = steps.map(() => []);
      const theirs: number[] = [];
      for (let round = -2; round < rounds; round++) {
        for (const [i, step] of steps.entries()) {
          const ms = timed(step.run);
          if (round >= 0) own[i]!.push(ms);
        }
        const ms = await torch.peer?.time(model);
        if (ms !== undefined && round >= 0) theirs.push(ms);
      }
      for (const [i, zeros] of chosen.entries()) {
        const peer = torch.peer ? `${torch.peer.name}, dense` : `PyTorch absent: ${torch.absent}`;
        const memory = `${(steps[i]!.bytes / 2 ** 20).toFixed(0)} MiB of params and activations`;
        yield compare(
          label(model, zeros),
          threads,
          own[i]!,
          peer,
          torch.peer ? theirs : undefined,
          [memory, note].filter(Boolean).join("; "),
        );
      }
      for (const step of steps) step.close();
    }
  } finally {
    torch?.peer?.close();
    engine.close();
  }
}

/** Two threads against one, both engines in this process, in turns. */
export async function* scaling(options: SuiteOptions): AsyncGenerator<Row> {
  const names = [0, 0.9]
    .map((sparsity) => ({ sparsity, name: `${label("resnet20", [sparsity, 1])}, two threads against one` }))
    .filter(({ name }) => wanted(options, name));
  if (names.length === 0) return;
  const { build, sparse } = MODELS["resnet20"]!;
  const one = (await pinnedEngine(1)).engine;
  const { engine: two, note } = await pinnedEngine(2);
  for (const { sparsity, name } of names) {
    const steps: Step[] = [two, one].map((engine) => trainingStep(engine, build(), { batch: BATCH, sparsity, sparse }));
    const samples: number[][] = [[], []];
    for (let round = -2; round < (options.rounds ?? 15); round++) {
      steps.forEach((step, i) => {
        const ms = timed(step.run);
        if (round >= 0) samples[i]!.push(ms);
      });
    }
    yield compare(name, 2, samples[0]!, "Sparseland, 1 thread", samples[1]!, note);
    for (const step of steps) step.close();
  }
  one.close();
  two.close();
}

/** The convolution step that jax_peer.mjs takes. */
const JAX_BATCH = 16;
const jaxModel = () => ({
  name: "conv-step",
  inputShape: [3, 32, 32],
  classes: 10,
  module: sequential({
    conv1: conv2d(3, 16, 3, { padding: 1, bias: false }),
    relu1: relu,
    conv2: conv2d(16, 16, 3, { padding: 1, bias: false }),
    relu2: relu,
    mean: globalAveragePool,
    fc: linear(16, 10, { bias: false }),
  }),
  options: {},
});

/** A convolution training step against jax-js. */
export async function* againstJax(options: SuiteOptions): AsyncGenerator<Row> {
  const name = `two 3x3 convolutions 16@32 training step, batch ${JAX_BATCH}`;
  if (!wanted(options, name)) return;
  installPeers(options.say);
  const { engine } = await pinnedEngine(1);
  const note = pinProcess(process.pid, 1);
  const found = await startPeer([process.execPath, here("jax_peer.mjs")], {}, 1);
  const step = trainingStep(engine, jaxModel(), { batch: JAX_BATCH, sparsity: 0, sparse: () => false });
  const own: number[] = [];
  const theirs: number[] = [];
  for (let round = -2; round < (options.rounds ?? 8); round++) {
    for (let i = 0; i < 4; i++) {
      const ms = timed(step.run);
      if (round >= 0) own.push(ms);
    }
    const ms = await found.peer?.time("conv-step");
    if (ms !== undefined && round >= 0) theirs.push(ms);
  }
  const peer = found.peer ? found.peer.name : `jax-js absent: ${found.absent} (install it: npm ci --prefix bench)`;
  yield compare(name, 1, own, peer, found.peer ? theirs : undefined, note);
  found.peer?.close();
  step.close();
  engine.close();
}
