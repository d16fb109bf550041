/** Slices of frozen plans are views of longer values: no step copies them, and nothing that shares their memory changes them. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { createRng } from "../core/index.js";
import { add, concat, mul, reshape, sigmoid, slice, sliceAxis, softmax, tanh, trace, type Value } from "../program/index.js";
import { createEngine, type Engine } from "./engine.js";
import { differences, randomTensor, runEngine } from "./testing/agree.js";
import { compile } from "./testing/plans.js";

let one: Engine;
let two: Engine;
beforeAll(async () => {
  one = await createEngine({ flavor: "plain" });
  two = await createEngine({ flavor: "plain", threads: 2 });
});
afterAll(() => {
  one.close();
  two.close();
});

const gates = (x: Value, n: number): Value => {
  const all = tanh(x);
  const [a, b, c, d] = [0, 1, 2, 3].map((k) => sliceAxis(all, 1, k * n, (k + 1) * n)) as [Value, Value, Value, Value];
  return add(mul(sigmoid(a), tanh(b)), mul(sigmoid(c), sigmoid(d)));
};
const wide = (x: Value): Value => {
  const all = softmax(x, -1);
  // As many rows as before, each of a part of one: no thread's rows are those that it wrote.
  const rows = softmax(reshape(sliceAxis(all, 0, 0, 16), [64, 128]), -1);
  return add(rows, reshape(sliceAxis(all, 0, 16, 32), [64, 128]));
};

it.each([
  ["gates", [1, 1024], (x: Value) => gates(x, 256)],
  ["gates of a length that is no multiple of four", [1, 36], (x: Value) => gates(x, 9)],
  ["rows of other lengths", [64, 512], wide],
  ["the input's own", [4, 6], (x: Value) => concat([sliceAxis(x, 0, 1, 2), sigmoid(sliceAxis(x, 0, 3, 4))], 0)],
  ["a slice with gaps, which is a copy", [4, 64], (x: Value) => tanh(slice(tanh(x), [0, 0], [4, 64], [1, 3]))],
  ["slices of slices", [2, 8, 64], (x: Value) => tanh(sliceAxis(sliceAxis(tanh(x), 0, 1, 2), 1, 3, 5))],
] as const)("%s", (_, shape, make) => {
  const program = trace(({ inputs }) => ({ outputs: { y: make(inputs["x"]!) } }), { inputs: { x: { shape: [...shape] } } });
  const given = { params: {}, inputs: { x: randomTensor([...shape], createRng(shape[1]!)) } };
  const expected = runEngine(one, program, given, {}).get("y")!;
  for (const { error } of differences(one, program, given)) expect(error).toBeLessThan(1e-5);
  for (const engine of [one, two]) expect(runEngine(engine, program, given, { frozen: true }).get("y")).toEqual(expected);
});

it("takes no step for them", () => {
  const program = trace(({ inputs }) => ({ outputs: { y: gates(inputs["x"]!, 256) } }), { inputs: { x: { shape: [1, 1024] } } });
  const steps = (frozen: boolean) => compile(one, program, {}, {}, frozen).plan.profile(() => 0).length;
  expect(steps(false) - steps(true)).toBe(4);
});
