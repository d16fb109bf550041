import { describe, expect, it } from "vitest";
import { createRng, type Tensor, type Tree, tensor } from "../core/index.js";
import { createEngine } from "../engine/index.js";
import { hasRelaxedSimd, type Int8Flavor } from "../kernels/index.js";
import { atBatch, type BatchProgram, interpret } from "../program/index.js";
import { calibrationOf } from "./prune/calibration.js";
import { network, pictures } from "./prune/testing/networks.js";
import { bestRange, type Quantised, quantise } from "./quantise.js";

/** Keeps one in `of` blocks of 4 outputs x 4 inputs of a tap in every 1x1 and 3x3 weight with channels that four divides. */
function inBlocks(params: Tree<Tensor>, of: number): Tree<Tensor> {
  const rng = createRng(5);
  return Object.fromEntries(
    Object.entries(params).map(([path, value]) => {
      const [o, c, kh, kw] = value.shape as [number, number, number, number];
      if (value.shape.length !== 4 || o % 4 || c % 4) return [path, value];
      const live = new Map<string, boolean>();
      const data = value.data.map((w, i) => {
        const [row, channel, tap] = [Math.floor(i / (c * kh * kw)), Math.floor(i / (kh * kw)) % c, i % (kh * kw)];
        const key = `${row >> 2},${channel >> 2},${tap}`;
        if (!live.has(key)) live.set(key, rng.below(of) === 0);
        return live.get(key) ? w : 0;
      });
      return [path, tensor(value.shape, data)];
    }),
  );
}

const NETWORKS = {
  mobilenetV1: { inputShape: [3, 64, 64], classes: 10, width: 0.125, firstStride: 1 },
  mobilenetV2: { inputShape: [3, 64, 64], classes: 7, width: 0.125, firstStride: 1 },
  resnet20: { inputShape: [3, 32, 32], classes: 10, width: 0.5 },
} as const;

interface Made {
  readonly made: Quantised;
  readonly program: BatchProgram;
  readonly params: Tree<Tensor>;
}
const known = new Map<string, Promise<Made>>();
const quantised = (name: keyof typeof NETWORKS): Promise<Made> => {
  if (!known.has(name)) known.set(name, make(name));
  return known.get(name)!;
};

async function make(name: keyof typeof NETWORKS): Promise<Made> {
  const engine = await createEngine();
  try {
    const { program, params } = network(name, NETWORKS[name] as never);
    const sparse = inBlocks(params, 4);
    const data = pictures(NETWORKS[name].inputShape, 8);
    const calibration = calibrationOf(program, data, 8, createRng(1), 4);
    return { made: quantise({ engine, program, params: sparse, calibration }), program, params: sparse };
  } finally {
    engine.close();
  }
}

const pictureOf = (program: BatchProgram, batch: number): Record<string, Tensor> => {
  const rng = createRng(9);
  return Object.fromEntries(
    Object.entries(atBatch(program, batch).inputs).map(([name, id]) => {
      const { shape } = atBatch(program, batch).values[id]!;
      return [
        name,
        tensor(
          shape,
          Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => rng.normal()),
        ),
      ];
    }),
  );
};

describe.each(Object.keys(NETWORKS) as (keyof typeof NETWORKS)[])("quantised %s", (name) => {
  it("gives the interpreter's very bits in the engine, on every build, at every batch and number of threads; is close to f32", async () => {
    const { made, program, params } = await quantised(name);
    const inputs = pictureOf(made.program, 2);
    const want = Object.values(interpret(atBatch(made.program, 2), { params: made.params, inputs }).outputs)[0]!;
    const builds = (hasRelaxedSimd() ? ["plain", "relaxed", "madd"] : ["plain"]) as Int8Flavor[];
    for (const build of builds) {
      for (const threads of [1, 2]) {
        const engine = await createEngine({ threads });
        try {
          await engine.enableInt8(build);
          for (const batch of [1, 2]) {
            const sized = atBatch(made.program, batch);
            const specs = Object.fromEntries(Object.entries(sized.params).map(([path, p]) => [path, sized.values[p.value]!]));
            const store = engine.params(specs, made.params);
            const plan = engine.compile(sized, store, { frozen: true });
            const given = Object.fromEntries(
              Object.entries(inputs).map(([key, { data }]) => [key, data.slice(0, (data.length / 2) * batch)]),
            );
            const got = Object.values(plan.run(given))[0]!;
            expect(got.data).toEqual(want.data.slice(0, (want.data.length / 2) * batch));
            expect(plan.decisions.some(({ kernel }) => kernel === `q8_sp, ${build}`)).toBe(true);
            plan.close();
            store.close();
          }
        } finally {
          engine.close();
        }
      }
    }
    // Against the f32 program: an error well below the spread of the outputs.
    const float = Object.values(interpret(atBatch(program, 2), { params, inputs }).outputs)[0]!.data as Float32Array;
    const mean = float.reduce((a, b) => a + b, 0) / float.length;
    let error = 0;
    let spread = 0;
    float.forEach((v, i) => {
      error += (v - want.data[i]!) ** 2;
      spread += (v - mean) ** 2;
    });
    expect(error / spread).toBeLessThan(0.02);
  }, 60_000);

  it("says what runs in int8 and why the rest does not", async () => {
    const { made } = await quantised(name);
    const stay = made.notes.filter(({ int8 }) => !int8).map(({ op, reason }) => `${op}: ${reason}`);
    expect(new Set(stay)).toEqual(new Set(name === "resnet20" ? ["slice: has no int8 form", "pad: has no int8 form"] : []));
    const params = Object.keys(made.scales).length;
    expect(made.notes.filter(({ int8, param }) => int8 && param !== undefined)).toHaveLength(params);
    expect(params).toBe({ mobilenetV1: 28, mobilenetV2: 53, resnet20: 20 }[name]);
  });
});

it("the range of least error clips rare outliers, and keeps zero exact", () => {
  const rng = createRng(2);
  const sample = Float32Array.from({ length: 40000 }, () => Math.abs(rng.normal()));
  sample[0] = 8;
  const range = bestRange(sample, 0, 8);
  expect(range.zero).toBe(0);
  expect(range.scale).toBeLessThan(8 / 127);
  expect(bestRange([-1, 0, 1], -1, 1)).toEqual({ scale: 2 / 127, zero: 64 });
  expect(bestRange([0, 0], 0, 0)).toEqual({ scale: 1, zero: 0 });
});
