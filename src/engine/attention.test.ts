/** Attention in one step for whole heads: against the interpreter, dense and sparse, and where it must not be taken. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AnyTensor, createRng, sizeOf } from "../core/index.js";
import * as nn from "../nn/index.js";
import { add, gradients, type Mask, mul, type ParamLayout, reshape, softmax, sum, trace, type Value } from "../program/index.js";
import { createEngine, type Engine } from "./engine.js";
import { differences, randomTensor, specsOf } from "./testing/agree.js";

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine();
});
afterAll(() => engine.close());

interface Case {
  readonly shape: readonly [number, number, number];
  readonly heads: number;
  readonly sparse: boolean;
}

/** Attention, a residual sum, normalisation and an inner layer, as in an encoder. */
function encoderLayer({ shape, heads, sparse }: Case) {
  const [, , size] = shape;
  const module = nn.compose(
    {
      attention: nn.attention(size, { heads }),
      norm: nn.layerNorm(size),
      inner: nn.sequential({ up: nn.linear(size, 2 * size), gelu: nn.gelu, down: nn.linear(2 * size, size) }),
    },
    (run, x) => {
      const seen = run("norm", add(x, run("attention", x)));
      return add(seen, run("inner", seen));
    },
  );
  const rng = createRng(7);
  const params: Record<string, AnyTensor> = { ...nn.initParams(module, rng) };
  for (const [path, { kind }] of Object.entries(module.params))
    if (kind !== "weight") params[path] = randomTensor(params[path]!.shape, rng, 0.5);
  const masks: Record<string, Mask> = {};
  const layouts: Record<string, ParamLayout> = {};
  for (const [path, spec] of Object.entries(module.params)) {
    if (!sparse || spec.kind !== "weight" || spec.shape.length !== 2) continue;
    const data = Uint8Array.from({ length: sizeOf(spec.shape) }, () => (rng.uniform() < 0.3 ? 1 : 0));
    masks[path] = { shape: spec.shape, data };
    layouts[path] = { kind: "csr", capacity: data.reduce((a, b) => a + b, 0) };
    data.forEach((live, i) => {
      if (!live) params[path]!.data[i] = 0;
    });
  }
  const program = trace(
    ({ params: p, inputs }) => ({ outputs: { y: module.apply(p, inputs["x"]!, nn.createContext({ training: false })) } }),
    { params: nn.paramSpecs(module, layouts), inputs: { x: { shape, dtype: "f32" } } },
  );
  return { program, given: { params, masks, inputs: { x: randomTensor(shape, rng) } } };
}

function stepsOf(program: Parameters<Engine["compile"]>[0], frozen = true): string[] {
  const store = engine.params(specsOf(program));
  const plan = engine.compile(program, store, { frozen });
  const steps = plan.intervals.flatMap(({ lanes }) => lanes.flatMap((lane) => lane.steps));
  plan.close();
  store.close();
  return steps;
}

describe.each([false, true])("attention, sparse %s", (sparse) => {
  it.each([
    [[1, 32, 24], 3],
    [[2, 9, 16], 2],
    [[3, 37, 8], 1],
    [[1, 130, 20], 5],
  ] as const)("[images, positions, size] %j, %i heads: as the interpreter, in one step", (shape, heads) => {
    const { program, given } = encoderLayer({ shape, heads, sparse });
    const steps = stepsOf(program);
    expect(steps.filter((name) => name === "attention")).toHaveLength(1);
    expect(steps).not.toContain("batched matmul");
    expect(steps).not.toContain("transpose");
    for (const { error } of differences(engine, program, given, { frozen: true })) expect(error).toBeLessThan(2e-5);
  });
});

describe("attention is left in its operations", () => {
  const attentionOf = (options: nn.AttentionOptions, shape: readonly number[]) => {
    const module = nn.attention(8, options);
    return trace(
      ({ params, inputs }) => ({ outputs: { y: module.apply(params, inputs["x"]!, nn.createContext({ training: false })) } }),
      { params: nn.paramSpecs(module), inputs: { x: { shape, dtype: "f32" } } },
    );
  };
  it.each([
    ["a causal mask", { heads: 2, causal: true }, [1, 16, 8]],
    ["shared key-value heads", { heads: 2, keyValueHeads: 1 }, [1, 16, 8]],
    ["few queries", { heads: 2 }, [1, 4, 8]],
  ] as const)("with %s", (_, options, shape) => {
    expect(stepsOf(attentionOf(options, shape))).not.toContain("attention");
  });

  it("where its gradient needs the weights", () => {
    const module = nn.attention(8, { heads: 2 });
    const program = trace(
      ({ params, inputs }) => {
        const y = module.apply(params, inputs["x"]!, nn.createContext({ training: true }));
        const [dx] = gradients(sum(mul(y, y)), [inputs["x"] as Value]);
        return { outputs: { dx: dx! } };
      },
      { params: nn.paramSpecs(module), inputs: { x: { shape: [1, 16, 8], dtype: "f32" } } },
    );
    expect(stepsOf(program, false)).not.toContain("attention");
  });

  it("softmax without products around it", () => {
    const program = trace(({ inputs }) => ({ outputs: { y: softmax(reshape(inputs["x"]!, [1, 2, 8, 8])) } }), {
      params: {},
      inputs: { x: { shape: [16, 8], dtype: "f32" } },
    });
    expect(stepsOf(program)).not.toContain("attention");
  });
});
