import { describe, expect, it } from "vitest";
import { type Model, mobilenetV1, resnet } from "../models/index.js";
import { paramSpecs } from "../nn/index.js";
import { type Program, trace } from "../program/index.js";
import { lanesOf } from "./lanes.js";

const program = ({ module, inputShape }: Model, batch: number): Program =>
  trace(
    ({ params, inputs }) => ({
      outputs: { y: module.apply(params, inputs["x"]!, { training: false, update: () => {}, reserve: () => 0 }) },
    }),
    { inputs: { x: { shape: [batch, ...inputShape] } }, params: paramSpecs(module) },
  );

const lanes = (model: Model, batch: number, frozen = true) => lanesOf(program(model, batch), { frozen, winograd: true }, {});

describe("lanesOf", () => {
  it("takes four images to a pixel where planes are small and convolutions dense 3x3", () => {
    expect(lanes(resnet({ depth: 20 }), 4)).toBe(4);
    expect(lanes(resnet({ depth: 20 }), 64)).toBe(4);
  });
  it("takes one where depthwise layers on large planes take the time", () => {
    expect(lanes(mobilenetV1(), 4)).toBe(1);
    expect(lanes(mobilenetV1(), 64)).toBe(1);
  });
  it("takes one where four does not divide the batch, and four where params may change", () => {
    expect(lanes(resnet({ depth: 20 }), 6)).toBe(1);
    expect(lanes(mobilenetV1({ inputShape: [3, 32, 32] }), 8, false)).toBe(4);
  });
});
