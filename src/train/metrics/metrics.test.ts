import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createRng, InputError, OptionError, ShapeError, tensor } from "../../core/index.js";
import { identity, makeDataset } from "../../data/index.js";
import { createEngine, type Engine } from "../../engine/index.js";
import { convnet, mlp } from "../../models/index.js";
import { initParams } from "../../nn/index.js";
import { interpret } from "../../program/index.js";
import {
  auroc,
  createPredictor,
  expectedCalibrationError,
  fgsmAccuracy,
  fgsmStep,
  inputGradientProgram,
  logitAccuracy,
  maxSoftmax,
  negativeLogLikelihood,
  predictions,
} from "./index.js";

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine();
});
afterAll(() => engine.close());

const ln = Math.log;
/** Two classes; probabilities of class 0: 0.8, 0.6, 0.1. */
const logits = tensor([3, 2], [ln(8), ln(2), ln(6), ln(4), ln(1), ln(9)]);

describe("scores", () => {
  it("are right on a hand-worked case", () => {
    expect([...predictions(logits)]).toEqual([0, 0, 1]);
    expect(logitAccuracy(logits, [0, 1, 1])).toBeCloseTo(2 / 3, 12);
    expect(negativeLogLikelihood(logits, [0, 1, 1])).toBeCloseTo(-(ln(0.8) + ln(0.4) + ln(0.9)) / 3, 6);
    [0.8, 0.6, 0.9].forEach((p, i) => {
      expect(maxSoftmax(logits)[i]!).toBeCloseTo(p, 6);
    });
  });

  it("do not overflow, and do not change when a row is shifted", () => {
    const shifted = tensor([2, 2], [1000, 999, -1000, -1001]);
    expect(negativeLogLikelihood(shifted, [0, 0])).toBeCloseTo(ln(1 + Math.exp(-1)), 6);
  });

  it("refuse labels that are none, and other shapes", () => {
    expect(() => logitAccuracy(logits, [0, 1, 2])).toThrow("label 2 is 2, expected an integer in [0, 2)");
    expect(() => negativeLogLikelihood(logits, [0])).toThrow(ShapeError);
    expect(() => maxSoftmax(tensor([4]))).toThrow(ShapeError);
  });
});

describe("expected calibration error", () => {
  it("is right on a hand-worked case", () => {
    // Bins of a fifth: 0.8 (right) is in (0.6, 0.8], 0.6 (wrong) in (0.4, 0.6], 0.9 (right) in (0.8, 1].
    expect(expectedCalibrationError(logits, [0, 1, 1], { bins: 5 })).toBeCloseTo((0.2 + 0.6 + 0.1) / 3, 5);
    // One bin: |2/3 - 2.3/3|.
    expect(expectedCalibrationError(logits, [0, 1, 1], { bins: 1 })).toBeCloseTo(0.1, 5);
  });

  it("is 0 for certain and right, 1 for certain and wrong; grows or stays when bins are split", () => {
    const certain = tensor([2, 2], [200, 0, 0, 200]);
    expect(expectedCalibrationError(certain, [0, 1])).toBeCloseTo(0, 12);
    expect(expectedCalibrationError(certain, [1, 0])).toBeCloseTo(1, 12);
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const rng = createRng(seed);
        const random = tensor(
          [50, 3],
          Array.from({ length: 150 }, () => rng.normal()),
        );
        const labels = Array.from({ length: 50 }, () => rng.below(3));
        const [coarse, fine] = [7, 14].map((bins) => expectedCalibrationError(random, labels, { bins }));
        expect(fine!).toBeGreaterThanOrEqual(coarse! - 1e-9);
        expect(fine!).toBeLessThanOrEqual(1);
      }),
      { numRuns: 30 },
    );
    expect(() => expectedCalibrationError(logits, [0, 1, 1], { bins: 0 })).toThrow(OptionError);
  });
});

describe("auroc", () => {
  it("equals the share of pairs in order, ties half, by brute force", () => {
    expect(auroc([3, 2], [1, 2])).toBe(0.875);
    const scores = fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(scores, scores, (a, b) => {
        let sum = 0;
        for (const x of a) for (const y of b) sum += x > y ? 1 : x === y ? 0.5 : 0;
        expect(auroc(a, b)).toBeCloseTo(sum / (a.length * b.length), 12);
        expect(auroc(a, b) + auroc(b, a)).toBeCloseTo(1, 12);
      }),
    );
  });

  it("refuses an empty side and NaN", () => {
    expect(() => auroc([], [1])).toThrow(InputError);
    expect(() => auroc([1], [Number.NaN])).toThrow("negative 0 is not a number");
  });
});

const normal = (n: number, seed: number) => {
  const rng = createRng(seed);
  return Float32Array.from({ length: n }, () => rng.normal());
};

describe("predictor", () => {
  it("gives the interpreter's logits, for a count that no batch divides", () => {
    const model = mlp({ inputShape: [6], hidden: [5], classes: 3 });
    const params = initParams(model.module, createRng(1));
    const count = 300;
    const inputs = normal(count * 6, 2);
    const data = makeDataset({
      name: "d",
      shape: [6],
      classes: 3,
      inputs,
      labels: new Int32Array(count),
      normalisation: identity,
      source: "test",
    });
    const predictor = createPredictor(engine, model, params);
    const whole = predictor.ofDataset(data);
    expect(whole.shape).toEqual([count, 3]);
    expect(predictor.ofInputs(inputs, count)).toEqual(whole);
    for (const at of [0, 255, 256, 299]) {
      const program = inputGradientProgram(model, 1);
      expect(program.outputs).toHaveProperty("grad");
      const w1 = params["fc1.weight"]!.data;
      const hidden = [0, 1, 2, 3, 4].map((h) =>
        Math.max(
          0,
          params["fc1.bias"]!.data[h]! + [0, 1, 2, 3, 4, 5].reduce((s, i) => s + w1[h * 6 + i]! * inputs[at * 6 + i]!, 0),
        ),
      );
      for (let c = 0; c < 3; c++) {
        const by = params["fc2.bias"]!.data[c]! + hidden.reduce((s, v, h) => s + v * params["fc2.weight"]!.data[c * 5 + h]!, 0);
        expect(whole.data[at * 3 + c]!).toBeCloseTo(by, 4);
      }
    }
    predictor.close();
  });
});

describe("fast gradient sign method", () => {
  it("moves by eps in raw units, per channel, and stays in [0, 1]", () => {
    const normalisation = { scale: 1 / 255, mean: [0.5, 0.2], std: [0.5, 0.1] };
    // Two channels of two pixels; raw 0.5, 0.99, 0.2, 0.01.
    const x = Float32Array.from([0, 0.98, 0, -1.9]);
    fgsmStep(x, Float32Array.from([1, 2, -0.1, -3]), { eps: 0.05, size: 4, channels: 2, normalisation });
    [0.1, 1, -0.5, -2].forEach((value, i) => {
      expect(x[i]!).toBeCloseTo(value, 6);
    });
    const still = Float32Array.from([0.3, 0.1, 0, 0]);
    fgsmStep(still, new Float32Array(4), { eps: 0.1, size: 4, channels: 2, normalisation });
    expect([...still]).toEqual([...Float32Array.from([0.3, 0.1, 0, 0])]);
  });

  it("the gradient of the inputs is the interpreter's, through convolution and pooling", () => {
    const model = convnet({ inputShape: [1, 8, 8], channels: [4, 8], classes: 3 });
    const params = initParams(model.module, createRng(3));
    const program = inputGradientProgram(model, 4);
    const x = tensor([4, 1, 8, 8], normal(256, 4));
    const y = { shape: [4], dtype: "i32" as const, data: Int32Array.of(0, 1, 2, 0) };
    const expected = interpret(program, { params, inputs: { x, y } }).outputs["grad"]!.data;
    const store = engine.params(Object.fromEntries(Object.entries(params).map(([path, { shape }]) => [path, { shape }])), params);
    const plan = engine.compile(program, store);
    const got = plan.run({ x, y })["grad"]!.data;
    for (let i = 0; i < 256; i++) expect(got[i]!).toBeCloseTo(expected[i]!, 5);
    plan.close();
    store.close();
  });

  it("lowers accuracy on separable data, by as many examples as lie within eps of the boundary", () => {
    // One weight: class 1 when the raw value is above 0.5. Raw values 0.1, 0.45, 0.52, 0.9; eps 0.1 turns the two in the middle.
    const model = mlp({ inputShape: [1], hidden: [], classes: 2 });
    const params = { "fc1.weight": tensor([2, 1], [-1, 1]), "fc1.bias": tensor([2], [0.5, -0.5]) };
    const data = makeDataset({
      name: "line",
      shape: [1],
      classes: 2,
      inputs: Float32Array.from([0.1, 0.45, 0.52, 0.9]),
      labels: Int32Array.from([0, 0, 1, 1]),
      normalisation: identity,
      source: "test",
    });
    expect(fgsmAccuracy(engine, model, params, data, 0)).toBe(1);
    expect(fgsmAccuracy(engine, model, params, data, 0.1)).toBe(0.5);
  });
});
