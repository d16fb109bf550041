/** Laws under generated cases: sparse values mean masked dense ones; moving elements loses none; gradients are linear. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRng, sizeOf, tensor } from "../core/index.js";
import { gradients } from "./grad.js";
import type { Value } from "./graph.js";
import { interpret } from "./interpret.js";
import * as ops from "./ops/index.js";
import { uniform } from "./testing/cases.js";
import { evaluate, numbers, wave } from "./testing/evaluate.js";
import { trace } from "./trace.js";

/** An elementwise expression over one weight. */
type Expression =
  | { op: "w" }
  | { op: keyof typeof unary; of: Expression }
  | { op: keyof typeof binary; of: Expression; and: Expression };
const unary = {
  exp: (x: Value) => ops.exp(ops.tanh(x)),
  tanh: ops.tanh,
  cos: ops.cos,
  sigmoid: ops.sigmoid,
  relu: ops.relu,
  shift: (x: Value) => ops.add(x, 0.5),
  flip: (x: Value) => ops.sub(1, x),
};
const binary = { add: ops.add, mul: ops.mul, sub: ops.sub, max: ops.max };

const { expression } = fc.letrec<{ expression: Expression }>((tie) => ({
  expression: fc.oneof(
    { maxDepth: 4 },
    fc.constant<Expression>({ op: "w" }),
    fc.record({ op: fc.constantFrom(...(Object.keys(unary) as (keyof typeof unary)[])), of: tie("expression") }),
    fc.record({
      op: fc.constantFrom(...(Object.keys(binary) as (keyof typeof binary)[])),
      of: tie("expression"),
      and: tie("expression"),
    }),
  ),
}));

/** Builds the expression; `hold` is applied to every result. */
function build(e: Expression, w: Value, hold: (v: Value) => Value): Value {
  if (e.op === "w") return w;
  if ("and" in e) return hold(binary[e.op](build(e.of, w, hold), build(e.and, w, hold)));
  return hold(unary[e.op as keyof typeof unary](build(e.of, w, hold)));
}

it("an expression over a sparse weight equals the dense one that masks every step, with gradient and curvature", () => {
  fc.assert(
    fc.property(
      expression,
      fc.integer({ min: 0, max: 1e6 }),
      fc.uint8Array({ minLength: 6, maxLength: 6, max: 1 }),
      (e, seed, live) => {
        const rng = createRng(seed);
        const [w, x, d] = [uniform(rng, [2, 3], -1, 1), uniform(rng, [4, 3], -1, 1), uniform(rng, [2, 3], -1, 1)];
        const mask = tensor([2, 3], live);
        const run = (sparse: boolean) => {
          const program = trace(
            ({ params: p, inputs }) => {
              const hold = (v: Value) => (sparse ? v : ops.mul(v, inputs["mask"]!));
              const weight = sparse ? p["w"]! : hold(p["w"]!);
              const y = ops.matmul(inputs["x"]!, build(e, weight, hold), { transposeB: true });
              const loss = ops.sumSquares(y);
              const g = gradients(loss, [p["w"]!])[0]!;
              const h = gradients(ops.sum(ops.mul(g, p["d"]!)), [p["w"]!])[0]!;
              return { outputs: { loss, g, h } };
            },
            {
              inputs: { x: { shape: [4, 3] }, mask: { shape: [2, 3] } },
              params: {
                w: { shape: [2, 3], ...(sparse ? { layout: { kind: "csr", capacity: 6 } } : {}) },
                d: { shape: [2, 3], ...(sparse ? { pattern: "w" } : {}) },
              },
            },
          );
          return interpret(program, {
            inputs: { x, mask },
            params: { w, d },
            masks: { w: { shape: [2, 3], data: live } },
            double: true,
          }).outputs;
        };
        const [a, b] = [run(true), run(false)];
        for (const name of ["loss", "g", "h"]) {
          const [p, q] = [numbers(a[name]), numbers(b[name])];
          const scale = Math.max(1, ...q.map(Math.abs));
          for (let i = 0; i < p.length; i++) {
            expect(Math.abs(p[i]! - q[i]!) / scale, name).toBeLessThan(1e-5);
          }
        }
      },
    ),
    { numRuns: 60 },
  );
});

const shape = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 });

describe("moving elements", () => {
  it("transposing by a permutation and its inverse, and splitting and joining, change nothing", () => {
    fc.assert(
      fc.property(shape, fc.integer(), fc.nat(), (dims, seed, pick) => {
        const rng = createRng(seed);
        const perm = [...rng.permutation(dims.length)];
        const axis = pick % dims.length;
        const cut = rng.below(dims[axis]! + 1);
        const x = wave(dims, 1);
        const out = evaluate(
          (p) => ({
            back: ops.transpose(
              ops.transpose(p["x"]!, perm),
              perm.map((_, i) => perm.indexOf(i)),
            ),
            joined: ops.concat([ops.sliceAxis(p["x"]!, axis, 0, cut), ops.sliceAxis(p["x"]!, axis, cut, dims[axis]!)], axis),
            padded: ops.slice(
              ops.pad(
                p["x"]!,
                dims.map(() => 1),
                dims.map(() => 2),
              ),
              dims.map(() => 1),
              dims.map((n) => n + 1),
            ),
          }),
          { x },
        );
        for (const y of Object.values(out)) expect([y.shape, numbers(y)]).toEqual([dims, numbers(x)]);
      }),
      { numRuns: 60 },
    );
  });

  it("sums over all axes in any order of steps agree", () => {
    fc.assert(
      fc.property(shape, (dims) => {
        const out = evaluate(
          ({ x }) => ({
            once: ops.sum(x!),
            each: dims.reduce((v) => ops.sum(v, 0), x!),
            mean: ops.mul(ops.mean(x!), sizeOf(dims)),
          }),
          { x: wave(dims, 2) },
        );
        expect(numbers(out["each"])[0]).toBeCloseTo(numbers(out["once"])[0]!, 4);
        expect(numbers(out["mean"])[0]).toBeCloseTo(numbers(out["once"])[0]!, 4);
      }),
      { numRuns: 40 },
    );
  });
});

it("gradients are linear in the seed", () => {
  fc.assert(
    fc.property(expression, fc.double({ min: -2, max: 2, noNaN: true }), (e, factor) => {
      const out = evaluate(
        ({ w, s }) => {
          const y = build(e, w!, (v) => v);
          return { one: gradients(y, [w!], s!)[0]!, scaled: gradients(y, [w!], ops.mul(s!, factor))[0]! };
        },
        { w: wave([2, 3], 1), s: wave([2, 3], 2) },
      );
      const [one, scaled] = [numbers(out["one"]), numbers(out["scaled"])];
      const scale = Math.max(1, ...one.map(Math.abs));
      for (let i = 0; i < one.length; i++) expect(Math.abs(scaled[i]! - factor * one[i]!) / scale).toBeLessThan(1e-4);
    }),
    { numRuns: 60 },
  );
});
