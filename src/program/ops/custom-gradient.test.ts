import { describe, expect, it } from "vitest";
import { InputError, ShapeError, tensor } from "../../core/index.js";
import { grad, gradients } from "../grad.js";
import type { Value } from "../graph.js";
import { interpret } from "../interpret.js";
import { anyBatch, atBatch } from "../passes/batch.js";
import { checkProgram } from "../passes/check.js";
import { evaluate, numbers, wave } from "../testing/evaluate.js";
import { trace } from "../trace.js";
import type { Program } from "../types.js";
import * as ops from "./index.js";

const close = (got: readonly number[], expected: readonly number[], bound = 1e-6): void => {
  expect(got.length).toBe(expected.length);
  got.forEach((v, i) => {
    expect(Math.abs(v - expected[i]!)).toBeLessThan(bound * (1 + Math.abs(expected[i]!)));
  });
};

/** log(1 + e^x), whose plain derivative overflows: the example of JAX's documentation. */
const log1pexp = ops.customGradient(
  (x: Value) => ops.log(ops.add(1, ops.exp(x))),
  ({ args: [x], grads: [g] }) => [ops.mul(g!, ops.sub(1, ops.recip(ops.add(1, ops.exp(x)))))],
);

describe("customGradient", () => {
  it("computes the function, and its gradient by the rule", () => {
    const clipped = ops.customGradient(
      (x: Value) => ops.mul(x, 2),
      ({ grads: [g] }) => [ops.clamp(g!, -1, 1)],
    );
    const { y, dx } = evaluate(
      ({ x, w }) => {
        const y = clipped(x!);
        return { y, dx: gradients(ops.sum(ops.mul(y, w!)), [x!])[0]! };
      },
      { x: tensor([3], [1, 2, 3]), w: tensor([3], [-5, 0.5, 9]) },
    );
    expect(numbers(y)).toEqual([2, 4, 6]);
    expect(numbers(dx)).toEqual([-1, 0.5, 1]);
  });

  it("stays finite where the plain derivative is not", () => {
    const plain = (x: Value) => ops.log(ops.add(1, ops.exp(x)));
    const { own, bare } = evaluate(
      ({ x }) => ({
        own: gradients(ops.sum(log1pexp(x!)), [x!])[0]!,
        bare: gradients(ops.sum(plain(x!)), [x!])[0]!,
      }),
      { x: tensor([2], [0, 100]) },
    );
    close(numbers(own), [0.5, 1]);
    expect(numbers(bare)[1]).toBeNaN();
  });

  it("is differentiated again: a true rule gives true second and third derivatives", () => {
    const { first, second, third } = evaluate(
      ({ x }) => {
        const [first] = gradients(ops.sum(log1pexp(x!)), [x!]);
        const [second] = gradients(ops.sum(first!), [x!]);
        const [third] = gradients(ops.sum(second!), [x!]);
        return { first: first!, second: second!, third: third! };
      },
      { x: wave([7]) },
    );
    const s = numbers(wave([7])).map((v) => 1 / (1 + Math.exp(-v)));
    close(numbers(first), s);
    close(
      numbers(second),
      s.map((v) => v * (1 - v)),
    );
    close(
      numbers(third),
      s.map((v) => v * (1 - v) * (1 - 2 * v)),
    );
  });

  it("may hold another in its rule", () => {
    const slope = ops.customGradient(
      (x: Value) => ops.mul(ops.square(x), 3),
      ({ args: [x], grads: [g] }) => [ops.mul(ops.mul(x, g!), 60)],
    );
    const cube = ops.customGradient(
      (x: Value) => ops.powScalar(x, 3),
      ({ args: [x], grads: [g] }) => [ops.mul(slope(x), g!)],
    );
    const { first, second } = evaluate(
      ({ x }) => {
        const [first] = gradients(ops.sum(cube(x!)), [x!]);
        return { first: first!, second: gradients(ops.sum(first!), [x!])[0]! };
      },
      { x: tensor([2], [1, 2]) },
    );
    expect(numbers(first)).toEqual([3, 12]);
    // Ten times the truth, as the inner rule says.
    expect(numbers(second)).toEqual([60, 120]);
  });

  it("takes several arguments and results; a result without a gradient counts as zeros, an argument without one gets none", () => {
    const both = ops.customGradient(
      (a: Value, b: Value) => [ops.mul(a, b), ops.add(a, b)],
      ({ args: [, b], results: [product], grads: [g, h] }) => [ops.add(ops.mul(g!, b), ops.mul(h!, product!)), undefined],
    );
    const { da, db, dc } = evaluate(
      ({ a, b }) => {
        const [product] = both(a!, b!);
        const [, total] = both(a!, b!);
        const [da, db] = gradients(ops.sum(product!), [a!, b!]);
        return { da: da!, db: db!, dc: gradients(ops.sum(total!), [a!])[0]! };
      },
      { a: tensor([2], [2, 3]), b: tensor([2], [5, 7]) },
    );
    expect(numbers(da)).toEqual([5, 7]);
    expect(numbers(db)).toEqual([0, 0]);
    expect(numbers(dc)).toEqual([10, 21]);
  });

  it("keeps its rule in a program that is stored: grad of what was read, of any batch", () => {
    const at = (n: number): Program =>
      trace(({ inputs, params }) => ({ outputs: { loss: ops.sum(log1pexp(ops.mul(inputs["x"]!, params["w"]!))) } }), {
        inputs: { x: { shape: [n, 2] } },
        params: { w: { shape: [2] } },
      });
    const stored = JSON.parse(JSON.stringify(anyBatch(at)));
    const program = grad(atBatch(stored, 3), "loss");
    checkProgram(program);
    const [x, w] = [wave([3, 2]), tensor([2], [0.5, -1])];
    const { outputs } = interpret(program, { inputs: { x }, params: { w } });
    const expected = [0, 0];
    x.data.forEach((v, i) => {
      expected[i % 2]! += v / (1 + Math.exp(-v * w.data[i % 2]!));
    });
    close(numbers(outputs["grad:w"]), expected);
  });

  it("says what is wrong: a value that is no argument, the number of gradients, their shapes", () => {
    const x = { x: { shape: [2] }, w: { shape: [2] } };
    const tracing = (f: (p: Readonly<Record<string, Value>>) => Value) => () =>
      trace(({ inputs }) => ({ outputs: { y: f(inputs) } }), { inputs: x });
    const pass = ({ grads: [g] }: { readonly grads: readonly Value[] }) => [g];
    expect(tracing((p) => ops.customGradient((v: Value) => ops.mul(v, p["w"]!), pass)(p["x"]!))).toThrow(/not among its arguments/);
    expect(tracing((p) => ops.customGradient((_: Value) => p["w"]!, pass)(p["x"]!))).toThrow(InputError);
    expect(
      tracing((p) =>
        ops.customGradient(
          (v: Value) => v,
          () => [],
        )(p["x"]!),
      ),
    ).toThrow(/each of 1 arguments, got 0/);
    expect(
      tracing((p) =>
        ops.customGradient(
          (v: Value) => v,
          ({ grads: [g] }) => [ops.sum(g!)],
        )(p["x"]!),
      ),
    ).toThrow(ShapeError);
    expect(() =>
      ops.customGradient(
        () => [] as Value[],
        () => [],
      )(),
    ).toThrow(/at least one value/);
  });
});
