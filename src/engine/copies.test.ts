/** Values that share memory, as a reshape's operand and result do, share their copies in other layouts too; a later value in that memory does not. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { createRng } from "../core/index.js";
import { add, matmul, mul, reshape, trace, type Value } from "../program/index.js";
import { createEngine, type Engine } from "./engine.js";
import { differences, randomTensor, runEngine } from "./testing/agree.js";
import { compile } from "./testing/plans.js";
import { testWeight } from "./testing/sparse.js";

const engines: Engine[] = [];
beforeAll(async () => {
  for (const threads of [1, 2]) engines.push(await createEngine({ flavor: "plain", threads }));
});
afterAll(() => {
  for (const engine of engines) engine.close();
});

const N = 128;
const F = 96;
const weights = Object.fromEntries(
  ["q", "k", "v", "o"].map((path) => [path, testWeight([F, F], "csr", createRng(1).split(path), { density: 0.1, scale: 0.3 })]),
);

function given(make: (x: Value, w: (path: string, x: Value) => Value) => Value) {
  const paths = Object.keys(weights);
  const program = trace(
    ({ inputs, params }) => ({
      outputs: {
        y: make(inputs["x"]!, (path, x) => reshape(matmul(reshape(x, [N, F]), params[path]!, { transposeB: true }), [2, N / 2, F])),
      },
    }),
    { inputs: { x: { shape: [2, N / 2, F] } }, params: Object.fromEntries(paths.map((path) => [path, weights[path]!.spec])) },
  );
  return {
    program,
    params: Object.fromEntries(paths.map((path) => [path, weights[path]!.value])),
    inputs: { x: randomTensor([2, N / 2, F], createRng(2)) },
    masks: Object.fromEntries(paths.flatMap((path) => (weights[path]!.mask ? [[path, weights[path]!.mask!]] : []))),
  };
}

/** A normalised sum, a block of layers like a transformer's. */
const block = (x: Value, w: (path: string, x: Value) => Value) => {
  const h = mul(softened(x), 0.5);
  return add(h, w("o", add(w("q", h), mul(w("k", h), w("v", h)))));
};
const softened = (x: Value) => add(mul(x, x), 1);

it("one conversion serves all reshapes of a value", () => {
  const { program, params } = given(block);
  const specs = Object.fromEntries(Object.entries(weights).map(([path, { spec }]) => [path, spec]));
  const { plan } = compile(engines[0]!, program, specs, params, true);
  const turned = plan.profile(() => 0).filter(({ kernel }) => kernel === "transpose2d");
  // One to columns and one, of the result, back.
  expect(turned.length).toBe(2);
});

it.each([
  ["a block of layers", block],
  [
    "memory that another value takes over",
    (x: Value, w: (path: string, x: Value) => Value) => {
      const first = softened(x);
      const kept = w("q", first);
      const second = mul(first, 0.5);
      return add(add(kept, w("k", second)), w("v", add(second, 1)));
    },
  ],
  [
    "a copy that another value takes over while the memory of its own lives on",
    (x: Value, w: (path: string, x: Value) => Value) => {
      const first = reshape(softened(x), [N, F]);
      const long = reshape(first, [-1]);
      const kept = w("q", first);
      const second = mul(reshape(kept, [N, F]), first);
      return add(w("k", reshape(long, [N, F])), add(kept, reshape(second, [2, N / 2, F])));
    },
  ],
])("%s: the interpreter's values, and the same bits for any number of threads", (_, make) => {
  const { program, ...run } = given(make);
  for (const { error } of differences(engines[0]!, program, run, { frozen: true })) expect(error).toBeLessThan(1e-5);
  const [one, two] = engines.map((engine) => runEngine(engine, program, run, { frozen: true }));
  expect(two).toEqual(one);
});
