/** Layers of nn in the engine: recurrent cells with dense and sparse weights, attention, norms, embedding, dropout; values, gradients, statistics. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AnyTensor, createRng, intTensor, sizeOf } from "../core/index.js";
import * as nn from "../nn/index.js";
import { gradients, type Mask, mul, type ParamLayout, sum, trace, type Value } from "../program/index.js";
import { createEngine, type Engine } from "./engine.js";
import { randomTensor, roundings } from "./testing/agree.js";

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine();
});
afterAll(() => engine.close());

const LAYERS: Readonly<Record<string, { readonly module: nn.Module; readonly x: readonly number[] | AnyTensor }>> = {
  rnn: { module: nn.recurrent(nn.rnnCell(5, 6)), x: [3, 4, 5] },
  lstm: { module: nn.recurrent(nn.lstmCell(5, 6)), x: [4, 4, 5] },
  gru: { module: nn.recurrent(nn.gruCell(5, 6)), x: [3, 4, 5] },
  attention: { module: nn.attention(8, { heads: 2 }), x: [2, 5, 8] },
  "layer norm": { module: nn.layerNorm(7), x: [2, 3, 7] },
  "rms norm": { module: nn.rmsNorm(7), x: [5, 7] },
  "group norm": { module: nn.groupNorm(2, 6), x: [4, 6, 3, 5] },
  "batch norm of sequences": { module: nn.batchNorm(6), x: [3, 6, 5] },
  embedding: { module: nn.embedding(6, 4), x: intTensor([2, 3], [0, 5, 2, 2, 1, 5]) },
  dropout: { module: nn.sequential({ fc: nn.linear(6, 8), drop: nn.dropout(0.4), out: nn.linear(8, 3) }), x: [9, 6] },
  "gelu block": {
    module: nn.residual(nn.sequential({ norm: nn.layerNorm(8), up: nn.linear(8, 16), gelu: nn.gelu, down: nn.linear(16, 8) })),
    x: [6, 8],
  },
  depthwise: {
    module: nn.sequential({ dw: nn.depthwise(4, 3, { padding: 1 }), relu: nn.relu6, pw: nn.conv2d(4, 6, 1) }),
    x: [4, 4, 5, 6],
  },
};
/** Weights that may be sparse, by their role. */
const SPARSE = new Set(["linear", "recurrent"]);

describe.each(Object.keys(LAYERS))("%s", (name) => {
  const { module, x: given } = LAYERS[name]!;
  const canSparse = Object.values(module.params).some(
    ({ role, kind, shape }) => kind === "weight" && SPARSE.has(role) && shape.length === 2,
  );
  it.each(canSparse ? ["dense", "csr"] : ["dense"])("%s: as the interpreter", (storage) => {
    const rng = createRng(3).split(name);
    const x = "data" in given ? given : randomTensor(given, rng);
    const params: Record<string, AnyTensor> = { ...nn.initParams(module, rng) };
    const masks: Record<string, Mask> = {};
    const layouts: Record<string, ParamLayout> = {};
    if (storage === "csr") {
      for (const [path, { shape, role, kind }] of Object.entries(module.params)) {
        if (kind !== "weight" || !SPARSE.has(role)) continue;
        const data = Uint8Array.from({ length: sizeOf(shape) }, () => (rng.uniform() < 0.4 ? 1 : 0));
        data[1] = 1;
        masks[path] = { shape, data };
        layouts[path] = { kind: "csr", capacity: data.reduce((a, b) => a + b, 0) };
        params[path]!.data.forEach((_, i) => {
          if (!data[i]) params[path]!.data[i] = 0;
        });
      }
    }
    const program = trace(
      ({ params: p, inputs }) => {
        const context = nn.createContext({ training: true, key: inputs["key"]! });
        const y = module.apply(p, inputs["x"]!, context);
        const wrt: Record<string, Value> = {
          ...Object.fromEntries(nn.trainable(module).map((path) => [path, p[path]!])),
          ...(x.dtype === "f32" ? { x: inputs["x"]! } : {}),
        };
        const found = gradients(sum(mul(y, mul(y, 0.5))), Object.values(wrt));
        return {
          outputs: { y, ...Object.fromEntries(Object.keys(wrt).map((path, i) => [`d${path}`, found[i]!])) },
          updates: context.updates,
        };
      },
      {
        params: nn.paramSpecs(module, layouts),
        inputs: { x: { shape: x.shape, dtype: x.dtype }, key: { shape: [2], dtype: "i32" } },
      },
    );
    const found = roundings(engine, program, { params, inputs: { x, key: intTensor([2], [11, 12]) }, masks });
    for (const { name: what, error, float32 } of found) expect(error, what).toBeLessThan(1e-5 + 10 * float32);
  });
});
