/** Which values have a period, and which parts of them a thread works on. */
import { describe, expect, it } from "vitest";
import { add, concat, exp, mul, reshape, slice, sliceAxis, tanh, trace, type Value } from "../program/index.js";
import { partsOf, periodsOf } from "./period.js";

/** Periods of what a program makes of a vector of 512, by output name. */
function periods(make: (x: Value) => Record<string, Value>): Record<string, number> {
  const program = trace(({ inputs }) => ({ outputs: make(inputs["x"]!) }), { inputs: { x: { shape: [1, 512] } } });
  const found = periodsOf(program);
  return Object.fromEntries(Object.entries(program.outputs).map(([name, value]) => [name, found[value]!]));
}

describe("periods", () => {
  it("are those of the smallest vector among slices and what meets them", () => {
    const found = periods((x) => {
      const all = tanh(x);
      const [a, b] = [sliceAxis(all, 1, 0, 128), sliceAxis(all, 1, 128, 384)];
      return { all, a: mul(reshape(a, [128]), 2), b: exp(b), wide: concat([a, a], 1) };
    });
    expect(found).toEqual({ all: 128, a: 128, b: 128, wide: 0 });
  });

  it("are none where all vectors have one size, slices begin in between, have gaps, or sizes do not divide", () => {
    expect(periods((x) => ({ y: add(tanh(x), x) }))).toEqual({ y: 0 });
    expect(periods((x) => ({ y: tanh(sliceAxis(tanh(x), 1, 64, 192)) }))).toEqual({ y: 0 });
    expect(periods((x) => ({ y: tanh(slice(tanh(x), [0, 0], [1, 512], [1, 2])) }))).toEqual({ y: 0 });
    expect(periods((x) => ({ y: sliceAxis(x, 1, 0, 384) }))).toEqual({ y: 0 });
    expect(periods((x) => ({ y: sliceAxis(x, 1, 0, 8) }))).toEqual({ y: 0 });
  });

  it("parts", () => {
    const cut = { domain: { key: "period", units: 2, parts: 2 }, period: 128, bounds: [0, 64, 128] };
    expect(partsOf(cut, 1, 512)).toEqual({ from: 64, outer: 4, inner: 64, stride: 128 });
  });
});
