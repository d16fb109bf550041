/** Sums that are cut into parts to fit a cache, and batches in strips: the same bits as in one piece. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createRng } from "../core/index.js";
import { add, conv2d, matmul, relu, reshape, trace } from "../program/index.js";
import { createEngine, type Engine } from "./engine.js";
import { differences, type Given, randomTensor, runEngine, specsOf } from "./testing/agree.js";
import { KINDS, type Kind, masksOf, testWeight } from "./testing/sparse.js";

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

/** What a frozen plan did, on one thread. */
function reasons(program: ReturnType<typeof trace>): string {
  const store = one.params(specsOf(program));
  const plan = one.compile(program, store, { frozen: true });
  const said = plan.decisions.map(({ reason }) => reason).join("; ");
  plan.close();
  store.close();
  return said;
}

/** Frozen and not frozen (which never cuts a sparse sum), on one thread and on two. */
function check(program: ReturnType<typeof trace>, given: Given): void {
  const expected = runEngine(one, program, given, {}).get("y")!;
  for (const { error } of differences(one, program, given)) expect(error).toBeLessThan(1e-5);
  for (const engine of [one, two]) expect(runEngine(engine, program, given, { frozen: true }).get("y")).toEqual(expected);
}

describe.each(KINDS)("%s weights", (kind: Kind) => {
  it("a convolution of many channels on 7x7 pixels", () => {
    const rng = createRng(3).split(kind);
    const [c, o] = [1100, 64];
    const weight = testWeight([o, c, 1, 1], kind, rng, { density: 0.1, scale: 0.05 });
    const program = trace(
      ({ params, inputs }) => ({
        outputs: { y: relu(add(conv2d(inputs["x"]!, params["w"]!), reshape(params["b"]!, [1, o, 1, 1]))) },
      }),
      { params: { w: weight.spec, b: { shape: [o] } }, inputs: { x: { shape: [1, c, 7, 7] } } },
    );
    expect(reasons(program)).toMatch(/2 parts/);
    check(program, {
      params: { w: weight.value, b: randomTensor([o], rng) },
      inputs: { x: randomTensor([1, c, 7, 7], rng) },
      masks: masksOf({ w: weight }),
    });
  });
});

describe.each(KINDS)("%s weights whose strips are read often", (kind: Kind) => {
  it.each([
    ["1x1: strips are copied together", [168, 800, 1, 1], [1, 800, 8, 9], true],
    ["taps of one channel, as evenly apart as channels: not copied", [96, 1, 1, 3], [1, 1, 5, 9], false],
  ] as const)("%s", (_, shape, input, copied) => {
    const rng = createRng(4).split(kind);
    const weight = testWeight([...shape], kind, rng, { density: 0.6, scale: 0.05 });
    const program = trace(({ params, inputs }) => ({ outputs: { y: conv2d(inputs["x"]!, params["w"]!) } }), {
      params: { w: weight.spec },
      inputs: { x: { shape: input } },
    });
    if (kind !== "dense") expect(/copied together/.test(reasons(program))).toBe(copied);
    check(program, { params: { w: weight.value }, inputs: { x: randomTensor([...input], rng) }, masks: masksOf({ w: weight }) });
  });
});

it("steps that multiply by one weight share its lists", () => {
  const rng = createRng(5);
  const weight = testWeight([64, 64], "csr", rng);
  const spec = { params: { w: weight.spec }, inputs: { x: { shape: [8, 64] } } };
  const chain = (steps: number) =>
    trace(({ params, inputs }) => {
      let y = inputs["x"]!;
      for (let i = 0; i < steps; i++) y = relu(matmul(y, params["w"]!, { transposeB: true }));
      return { outputs: { y } };
    }, spec);
  const store = one.params(spec.params);
  const bytes = [1, 6].map((steps) => {
    const plan = one.compile(chain(steps), store, { frozen: true });
    plan.close();
    return plan.bytes;
  });
  store.close();
  expect(bytes[1]).toBeLessThan(bytes[0]! * 2);
});

it.each([3, 57, 128])("a product with a sparse weight over %i samples", (m) => {
  const rng = createRng(m);
  const weight = testWeight([24, 40], "csr", rng);
  const program = trace(
    ({ params, inputs }) => ({ outputs: { y: add(matmul(inputs["x"]!, params["w"]!, { transposeB: true }), params["b"]!) } }),
    { params: { w: weight.spec, b: { shape: [24] } }, inputs: { x: { shape: [m, 40] } } },
  );
  expect(reasons(program)).toMatch(/batch in strips/);
  check(program, {
    params: { w: weight.value, b: randomTensor([24], rng) },
    inputs: { x: randomTensor([m, 40], rng) },
    masks: masksOf({ w: weight }),
  });
});
