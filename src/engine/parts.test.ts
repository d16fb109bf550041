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
