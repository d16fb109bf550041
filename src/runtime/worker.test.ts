/** The worker of the browser's bundle: it holds every operation that inference needs, with the bits of the whole engine, and stays small. */
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { compress } from "lzma1";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createRng, type Tree } from "../core/index.js";
import * as p from "../program/index.js";
import { type ParamSpec, trace, type Value } from "../program/index.js";
import { NOT_IN_BROWSER_OPS } from "../program/ops/browser.js";
import { createClient } from "./client.js";
import { workerScript as floatScript } from "./generated/worker.js";
import { workerScript as int8Script } from "./generated/worker-int8.js";
import * as browser from "./index.browser.js";
import * as browserInt8 from "./index.int8.browser.js";
import * as node from "./index.js";
import { type AsyncSession, createSession, type ModelFile, packModel, readModel, writeModel } from "./index.js";
import { loadInto, openRuntime, type Platform } from "./load.js";
import { nodePlatform, spawnNodeWorker } from "./platform.node.js";
import { int8Model } from "./testing/int8-model.js";
import { modelOf, noise } from "./testing/models.js";
import { unpack } from "./unpack.js";

/** Bytes of the bundle after gzip -9, kernels included: 60 KB. */
const CEILING = 60 * 1024;
/** The same of the bundle that runs int8 models too. */
const INT8_CEILING = 76 * 1024;

type Build = (inputs: Tree<Value>, params: Tree<Value>) => Tree<Value>;
const model = (
  inputs: Tree<readonly number[]>,
  params: Tree<ParamSpec>,
  make: Build,
  sparse: readonly string[] = [],
  rows = 1,
): ModelFile =>
  modelOf(
    (batch) =>
      trace(({ params: w, inputs: x }) => ({ outputs: make(x, w) }), {
        inputs: Object.fromEntries(Object.entries(inputs).map(([name, shape]) => [name, { shape: [batch, ...shape] }])),
        params,
      }),
    params,
    sparse,
    "model",
    rows,
  );

const blocks = (rows: number): ModelFile =>
  model(
    { x: [10, 9, 8], v: [32], t: [9, 32] },
    { c: { shape: [16, 10, 3, 3] }, p: { shape: [24, 16, 1, 1] }, w: { shape: [40, 32] } },
    ({ x, v, t }, { c, p: point, w }) => ({
      planes: p.conv2d(p.relu(p.conv2d(x!, c!, { padding: 1 })), point!),
      row: p.linear(v!, w!),
      tokens: p.linear(p.reshape(t!, [t!.shape[0]! * 9, 32]), w!),
    }),
    ["c", "p", "w"],
    rows,
  );

const unary =
  "abs sqrt rsqrt recip exp log tanh sigmoid relu square sign step gelu silu sin cos floor softplus erf log1p neg stopGradient";
const binary = "add sub mul div max min pow greater greaterEqual equal";
const call = (name: string, ...args: unknown[]) => (p as unknown as Record<string, (...args: unknown[]) => Value>)[name]!(...args);

const cases: Readonly<Record<string, ModelFile>> = {
  elementwise: model({ x: [37], y: [37], s: [1] }, {}, ({ x, y, s }) => {
    const positive = p.add(p.square(x!), 1.25);
    return Object.fromEntries([
      ...unary.split(" ").map((name) => [name, call(name, positive)] as const),
      ...binary.split(" ").map((name) => [name, call(name, positive, y)] as const),
      ["splat", p.mul(x!, s!)],
      ["clamp", p.clamp(x!, -0.1, 0.2)],
      ["leaky", p.leaky(x!, 0.1)],
      ["hardSigmoid", p.hardSigmoid(x!, 0.2, 0.5)],
      ["hardSwish", p.hardSwish(x!)],
      [
        "customGradient",
        p.customGradient(
          (v) => p.mul(v, 3),
          ({ grads: [g] }) => [g],
        )(x!),
      ],
      ["power", p.powScalar(positive, 1.5)],
      ["affine", p.affine(x!, 2, -1)],
      ["where", p.where(p.greater(x!, y!), x!, p.mul(y!, 2))],
      ["constant", p.add(x!, p.constant(x!.graph, [37], 0.5))],
      ["broadcast", p.broadcastTo(s!, x!.shape)],
    ]);
  }),
  rows: model({ x: [6, 10] }, { g: { shape: [10] }, b: { shape: [10] }, t: { shape: [9, 5] } }, ({ x }, { g, b, t }) => {
    const flat = p.reshape(x!, [x!.shape[0]! * 6, 10]);
    const { values, indices } = p.topK(flat, 3);
    return {
      sum: p.sum(x!, [2]),
      mean: p.mean(x!, [1]),
      most: p.reduceMax(x!, [2]),
      least: p.reduceMin(x!, [1]),
      squares: p.sumSquares(x!, [2]),
      softmax: p.softmax(x!, 1),
      log: p.logSoftmax(x!),
      layer: p.layerNorm(flat, g!, b!),
      rms: p.rmsNorm(flat, g!),
      values,
      hot: p.oneHot(p.argmax(flat), 10),
      rows: p.gather(t!, p.cast(p.argmax(p.slice(flat, [0, 0], [flat.shape[0]!, 8])), "i32")),
      float: p.cast(indices, "f32"),
      turned: p.transpose(x!, [0, 2, 1]),
      cut: p.slice(x!, [0, 1, 0], [x!.shape[0]!, 5, 10], [1, 2, 3]),
      pad: p.pad(x!, [0, 1, 2], [0, 0, 1], 0.5),
      both: p.concat([x!, p.neg(x!)], 1),
    };
  }),
  planes: model(
    { x: [8, 18, 22] },
    {
      dense: { shape: [8, 8, 3, 3] },
      five: { shape: [8, 8, 5, 5] },
      wide: { shape: [12, 8, 3, 3] },
      deep: { shape: [8, 1, 3, 3] },
      group: { shape: [8, 4, 1, 1] },
      thin: { shape: [16, 8, 3, 3] },
      point: { shape: [16, 8, 1, 1] },
      c: { shape: [8] },
      v: { shape: [8] },
    },
    ({ x }, { dense, five, wide, deep, group, thin, point, c, v }) => ({
      dense: p.relu(p.conv2d(x!, dense!, { padding: 1, bias: c! })),
      five: p.conv2d(x!, five!, { padding: 2 }),
      stride: p.conv2d(x!, wide!, { padding: 1, stride: 2 }),
      dilation: p.conv2d(x!, wide!, { padding: 2, dilation: 2 }),
      depthwise: p.relu(p.conv2d(x!, deep!, { padding: 1, groups: 8 })),
      half: p.conv2d(x!, deep!, { padding: 1, groups: 8, stride: 2 }),
      groups: p.conv2d(x!, group!, { groups: 2 }),
      thin: p.relu(p.conv2d(x!, thin!, { padding: 1 })),
      point: p.clamp(p.conv2d(p.relu(p.conv2d(x!, deep!, { padding: 1, groups: 8 })), point!), 0, 6),
      norm: p.relu(p.batchNormInference(x!, c!, c!, v!, p.square(v!), 1e-3)),
      max: p.maxPool2d(x!, { kernel: 3, stride: 2, padding: 1 }),
      average: p.avgPool2d(x!, { kernel: 2 }),
      all: p.mean(x!, [2, 3]),
    }),
    ["thin", "point"],
  ),
  "blocks of two rows": blocks(2),
  "blocks of four rows": blocks(4),
  products: model(
    { x: [32], q: [3, 8], k: [3, 8] },
    { a: { shape: [24, 32] }, b: { shape: [40, 32] }, bias: { shape: [24] } },
    ({ x, q, k }, { a, b, bias }) => ({
      dense: p.linear(x!, a!, bias!),
      thin: p.relu(p.linear(x!, b!)),
      attention: p.softmax(p.matmul(q!, k!, { transposeB: true })),
    }),
    ["b"],
  ),
};

/** Node with one of the browser's workers. */
const platformOf = (script: string): Platform => ({
  ...nodePlatform(),
  connect: async () => ({ client: createClient(spawnNodeWorker, script), worker: true }),
});
const scripts = { float: floatScript, int8: int8Script };

describe.each(Object.entries(scripts))("operations of the worker for %s models", (_, script) => {
  const sessions: Record<string, AsyncSession> = {};
  beforeAll(async () => {
    const runtime = await openRuntime(platformOf(script), { threads: 2 });
    for (const [name, file] of Object.entries(cases))
      sessions[name] = await runtime.load(writeModel(file), { kernels: "sparse", timings: null });
  });
  afterAll(() => Promise.all(Object.values(sessions).map((session) => session.close())));

  it("the cases hold every operation of inference with floats", () => {
    const seen = new Set(Object.values(cases).flatMap(({ program }) => program.one.operations.map(({ op }) => op)));
    expect([...p.operations.keys()].filter((op) => !seen.has(op) && !NOT_IN_BROWSER_OPS.has(op))).toEqual([]);
    expect([...seen].filter((op) => NOT_IN_BROWSER_OPS.has(op))).toEqual([]);
  });

  it.each(Object.keys(cases).flatMap((name) => [1, 3, 4, 9].map((batch) => [name, batch] as const)))(
    "%s at batch %i: the same bits",
    async (name, batch) => {
      const plain = await createSession(cases[name]!, { kernels: "sparse" });
      const inputs = Object.fromEntries(
        Object.entries(plain.inputs).map(([input, shape]) => [input, noise([batch, ...shape], input).data]),
      );
      const expected = plain.run(inputs);
      const got = await sessions[name]!.run(inputs);
      for (const [output, { data, shape }] of Object.entries(expected)) {
        expect(got[output]!.shape, output).toEqual(shape);
        expect(got[output]!.data, output).toEqual(data);
        expect(data.some((v) => v !== 0) || output === "equal", output).toBe(true);
      }
      plain.close();
    },
  );

  it("a model for training is refused, with the operation's name", async () => {
    const file = model({ x: [4] }, {}, ({ x }) => ({ y: p.softmaxGrad(x!, p.softmax(x!)) }));
    await expect(loadInto(platformOf(script), writeModel(file), { threads: 1 })).rejects.toThrow(
      /the browser bundle has no operation "softmaxGrad"/,
    );
  });
});

describe("int8 models", () => {
  const bytes = () => writeModel(packModel(int8Model()));
  it("run in the worker for them, with the bits of the whole engine", async () => {
    const plain = await createSession(readModel(bytes()), { kernels: "sparse" });
    const session = await loadInto(platformOf(int8Script), bytes(), { threads: 2, timings: null });
    for (const batch of [1, 4]) {
      const x = noise([batch, 4, 6, 7], "x").data;
      expect((await session.run({ x }))["y"]!.data).toEqual(plain.run({ x })["y"]!.data);
    }
    await session.close();
    plain.close();
  });
  it("are refused by the smaller worker, which says what to import instead", async () => {
    await expect(loadInto(platformOf(floatScript), bytes(), { threads: 1 })).rejects.toThrow(
      /int8 weights; import load from sparseland\/runtime\/int8/,
    );
  });
});

describe("the bundle", () => {
  it.each([
    ["index.browser.ts", CEILING],
    ["index.int8.browser.ts", INT8_CEILING],
  ])("load of %s, kernels included, takes at most %i bytes after gzip -9", async (entry, ceiling) => {
    const { outputFiles, metafile } = await build({
      stdin: { contents: `export { load } from "./${entry}";`, resolveDir: import.meta.dirname, loader: "ts" },
      bundle: true,
      minify: true,
      write: false,
      metafile: true,
      format: "esm",
      platform: "browser",
      target: "es2022",
    });
    const inputs = Object.entries(metafile.outputs["stdin.js"]?.inputs ?? Object.values(metafile.outputs)[0]!.inputs);
    const kept = inputs.filter(([, { bytesInOutput }]) => bytesInOutput > 0).map(([path]) => path);
    expect(kept.filter((path) => path.endsWith(".node.ts") || path.includes("src/engine/"))).toEqual([]);
    const bytes = gzipSync(outputFiles[0]!.contents, { level: 9 }).length;
    console.log(`load of ${entry}: ${bytes} bytes after gzip -9, ceiling ${ceiling}`);
    expect(bytes, "look at the sizes that scripts/lib/worker-script.ts gives by file").toBeLessThanOrEqual(ceiling);
  });

  it.each([
    ["float", browser],
    ["int8", browserInt8],
  ])("the %s entry exports Node's names and types", (_, entry) => {
    const same: typeof node = entry satisfies typeof node;
    expect(Object.keys(same).sort()).toEqual(Object.keys(node).sort());
  });
});

describe("unpack", () => {
  const rng = createRng(5);
  const samples: Readonly<Record<string, Uint8Array>> = {
    "one byte": Uint8Array.of(7),
    "one letter many times": new Uint8Array(100_000).fill(65),
    noise: Uint8Array.from({ length: 5000 }, () => rng.below(256)),
    "a pattern that changes": Uint8Array.from({ length: 60_000 }, (_, i) => ((i * i) >> 7) ^ (i % 13 === 0 ? rng.below(4) : 0)),
    text: new TextEncoder().encode(Object.keys(p).join(" ").repeat(9)),
  };
  it.each(Object.entries(samples))("gives back %s", (_, bytes) => {
    expect(Buffer.from(unpack(compress(bytes, 9))).equals(Buffer.from(bytes))).toBe(true);
  });
  it("ends on damaged data, by an error or other bytes of the stated length", () => {
    const packed = compress(samples["text"]!, 9);
    for (let i = 13; i < packed.length; i += 37) {
      const damaged = Uint8Array.from(packed);
      damaged[i]! ^= 1 << (i % 8);
      try {
        expect(unpack(damaged).length).toBe(samples["text"]!.length);
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError);
      }
    }
    expect(() => unpack(packed.subarray(0, packed.length / 2))).toThrow(RangeError);
  });
});
