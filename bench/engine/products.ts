/** Dense and sparse products, compiled from programs, against the roofline of the same run. */
import { createRng, type Rng, type Tree, tensor } from "../../src/core/index.js";
import type { Engine, Plan } from "../../src/engine/index.js";
import { conv2d, conv2dWeightGrad, matmul, type ParamSpec, trace } from "../../src/program/index.js";
import { compare, type Row, type SuiteOptions, wanted } from "../row.js";
import { pinned, pinnedEngine, timed } from "./engines.js";
import { createPeak, type Peak } from "./peak.js";

const random = (n: number, rng: Rng): Float32Array => Float32Array.from({ length: n }, () => rng.uniform() - 0.5);

/** Rows of GEMM at one thread count: whole steps of a plan. */
async function* gemm(options: SuiteOptions, engine: Engine, peak: Peak, note: string | undefined): AsyncGenerator<Row> {
  for (const size of [512, 1024]) {
    const name = `GEMM ${size}^3`;
    if (!wanted(options, name)) continue;
    const program = trace(({ inputs }) => ({ outputs: { y: matmul(inputs["a"]!, inputs["b"]!) } }), {
      inputs: { a: { shape: [size, size] }, b: { shape: [size, size] } },
    });
    const store = engine.params({});
    const plan = engine.compile(program, store);
    const rng = createRng(1);
    plan.set({ a: random(size * size, rng), b: random(size * size, rng) });
    const flops = 2 * size ** 3;
    const [own, roof] = race(
      options.rounds ?? 40,
      () => timed(plan.step),
      () => peak.time(flops),
    );
    yield compare(name, engine.threads, own, "plain SIMD peak", roof, note);
    plan.close();
    store.close();
  }
}

/** Samples of both sides in turns, after a warm-up. */
function race(rounds: number, own: () => number, other: () => number): [number[], number[]] {
  for (let i = 0; i < 3; i++) {
    own();
    other();
  }
  const samples: [number[], number[]] = [[], []];
  for (let i = 0; i < rounds; i++) {
    samples[0].push(own());
    samples[1].push(other());
  }
  return samples;
}

/** Milliseconds in kernels of one family, in one run of a plan on this thread. */
const kernelTime = (plan: Plan, family: RegExp): number =>
  plan
    .profile(() => performance.now())
    .filter(({ kernel }) => family.test(kernel))
    .reduce((sum, { ms }) => sum + ms, 0);

/** Pointwise layers [channels, height = width]. */
const LAYERS = [
  [256, 14],
  [512, 14],
  [1024, 7],
] as const;
const SPARSITY = 0.9;
const POINTWISE = { stride: [1, 1], padding: [0, 0, 0, 0], dilation: [1, 1], groups: 1 };

/** A weight whose blocks of `block` rows live at random, and how many values that is. */
function sparseWeight(channels: number, block: 1 | 2, rng: Rng): { specs: Tree<ParamSpec>; data: Float32Array; live: number } {
  const blocks = (channels / block) * channels;
  const count = Math.round(blocks * (1 - SPARSITY));
  const chosen = rng.permutation(blocks).subarray(0, count);
  const data = new Float32Array(channels * channels);
  for (const at of chosen) {
    const [r, c] = [Math.floor(at / channels) * block, at % channels];
    for (let b = 0; b < block; b++) data[(r + b) * channels + c] = rng.uniform() + 0.1;
  }
  const live = count * block;
  const layout =
    block === 1 ? ({ kind: "csr", capacity: live } as const) : ({ kind: "block", rows: block, capacity: live } as const);
  return { specs: { w: { shape: [channels, channels, 1, 1], layout } }, data, live };
}

/** SpMM of an image as in inference, SDDMM of a group of four as in training: kernel time inside a plan, one thread. */
async function* sparse(options: SuiteOptions, engine: Engine, peak: Peak, note: string | undefined): AsyncGenerator<Row> {
  for (const [channels, size] of LAYERS) {
    for (const block of [1, 2] as const) {
      const rng = createRng(2);
      const { specs, data, live } = sparseWeight(channels, block, rng);
      const shape = [channels, channels, 1, 1];
      const kind = `${channels}x${channels}@${size} ${SPARSITY * 100} % ${block === 1 ? "unstructured" : "2x1 blocks"}`;
      const cases = [
        {
          name: `SpMM ${kind}`,
          batch: 1,
          frozen: true,
          family: /^sp[124]d?_/,
          program: (n: number) =>
            trace(({ params, inputs }) => ({ outputs: { y: conv2d(inputs["x"]!, params["w"]!) } }), {
              params: specs,
              inputs: { x: { shape: [n, channels, size, size] } },
            }),
        },
        {
          name: `SDDMM ${kind}`,
          batch: 4,
          frozen: false,
          family: /^sddmm/,
          program: (n: number) =>
            trace(
              ({ params, inputs }) => ({
                outputs: {},
                updates: {
                  w: conv2dWeightGrad(inputs["x"]!, inputs["dy"]!, params["w"]!.shape, POINTWISE, params["w"]!.type.pattern),
                },
              }),
              { params: specs, inputs: { x: { shape: [n, channels, size, size] }, dy: { shape: [n, channels, size, size] } } },
            ),
        },
      ];
      for (const { name, batch, frozen, family, program } of cases) {
        if (!wanted(options, name)) continue;
        const store = engine.params(specs, { w: tensor(shape, data) });
        const made = program(batch);
        const plan = engine.compile(made, store, { frozen });
        plan.set(Object.fromEntries(Object.keys(made.inputs).map((input) => [input, random(batch * channels * size * size, rng)])));
        const flops = 2 * live * batch * size * size;
        const [own, roof] = race(
          options.rounds ?? 60,
          () => kernelTime(plan, family),
          () => peak.time(flops),
        );
        yield compare(
          name,
          1,
          own,
          "plain SIMD peak",
          roof,
          [`kernels ${plan.decisions.map(({ kernel }) => kernel).join(", ")}`, note].filter(Boolean).join("; "),
        );
        plan.close();
        store.close();
      }
    }
  }
}

/** Products at one thread count. */
export async function* products(options: SuiteOptions, threads: number): AsyncGenerator<Row> {
  const { engine } = await pinnedEngine(threads);
  const { made: peak, note } = await pinned(threads, () => createPeak(threads));
  yield* gemm(options, engine, peak, note);
  if (threads === 1) yield* sparse(options, engine, peak, note);
  peak.close();
  engine.close();
}
