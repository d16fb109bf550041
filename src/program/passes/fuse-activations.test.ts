import { describe, expect, it } from "vitest";
import { createRng, tensor } from "../../core/index.js";
import type { Value } from "../graph.js";
import { interpret } from "../interpret.js";
import * as ops from "../ops/index.js";
import { trace } from "../trace.js";
import { checkProgram } from "./check.js";
import { fuseActivations } from "./fuse-activations.js";

const rng = createRng(3);
const x = tensor(
  [41],
  Array.from({ length: 41 }, () => 5 * rng.normal()),
);
const programOf = (f: (x: Value) => Readonly<Record<string, Value>>) =>
  trace(({ inputs }) => ({ outputs: f(inputs["x"]!) }), { inputs: { x: { shape: x.shape } } });

/** The operations that are left, after a check that they compute what the program computed. */
function left(f: (x: Value) => Value | Readonly<Record<string, Value>>): string {
  const program = programOf((v) => {
    const y = f(v);
    return "graph" in y ? { y: y as Value } : y;
  });
  const fused = fuseActivations(program);
  checkProgram(fused);
  const before = interpret(program, { inputs: { x } }).outputs;
  const after = interpret(fused, { inputs: { x } }).outputs;
  for (const name in before)
    before[name]!.data.forEach((v, i) => {
      expect(Math.abs(after[name]!.data[i]! - v)).toBeLessThan(2e-6 * (1 + Math.abs(v)));
    });
  return fused.operations.map(({ op }) => op).join(" ");
}

/** As a file of single precision says it. */
const SIXTH = Math.fround(1 / 6);
const relu6 = (v: Value): Value => ops.clamp(v, 0, 6);
const shifted = (v: Value): Value => ops.affine(v, 1, 3);

describe("activations written in several operations become one", () => {
  it.each<[string, string, (x: Value) => Value]>([
    ["x relu6(x + 3) / 6", "hardSwish", (v) => ops.affine(ops.mul(v, relu6(shifted(v))), SIXTH, 0)],
    ["x (relu6(x + 3) / 6)", "hardSwish", (v) => ops.mul(v, ops.affine(relu6(shifted(v)), SIXTH, 0))],
    ["relu6(x + 3) x / 6", "hardSwish", (v) => ops.affine(ops.mul(relu6(shifted(v)), v), SIXTH, 0)],
    ["x clamp(x / 6 + 1/2, 0, 1)", "hardSwish", (v) => ops.mul(v, ops.clamp(ops.affine(v, SIXTH, 0.5), 0, 1))],
    ["x hardSigmoid(x)", "hardSwish", (v) => ops.mul(ops.hardSigmoid(v, 0.2, 0.5), v)],
    ["clamp(0.2 x + 0.5, 0, 1)", "hardSigmoid", (v) => ops.clamp(ops.affine(v, 0.2, 0.5), 0, 1)],
    ["relu6(x + 3) / 6", "hardSigmoid", (v) => ops.affine(relu6(shifted(v)), SIXTH, 0)],
    ["x sigmoid(x)", "silu", (v) => ops.mul(v, ops.sigmoid(v))],
    ["two after each other", "hardSwish silu", (v) => {
      const y = ops.affine(ops.mul(v, relu6(shifted(v))), SIXTH, 0);
      return ops.mul(ops.sigmoid(y), y);
    }],
  ])("%s -> %s", (_, expected, f) => expect(left(f)).toBe(expected)); // biome-ignore format: a table

  it.each<[string, (x: Value) => Value | Readonly<Record<string, Value>>]>([
    ["another factor", (v) => ops.affine(ops.mul(v, relu6(shifted(v))), 0.2, 0)],
    ["a shift after the product", (v) => ops.affine(ops.mul(v, relu6(shifted(v))), SIXTH, 1)],
    ["a range that starts below zero", (v) => ops.mul(v, ops.clamp(ops.affine(v, SIXTH, 0.5), -1, 1))],
    ["a product with something else", (v) => ops.mul(ops.abs(v), ops.sigmoid(v))],
    ["a square of the gate", (v) => ops.square(ops.mul(ops.relu(v), ops.sigmoid(v)))],
    ["a gate that is an output", (v) => {
      const gate = ops.sigmoid(v);
      return { gate, y: ops.mul(v, gate) };
    }],
    ["a sum that is used twice", (v) => {
      const sum = shifted(v);
      return ops.mul(ops.affine(ops.mul(v, relu6(sum)), SIXTH, 0), sum);
    }],
  ])("%s stays", (_, f) => {
    const program = programOf((v) => {
      const y = f(v);
      return "graph" in y ? { y: y as Value } : y;
    });
    expect(left(f)).toBe(program.operations.map(({ op }) => op).join(" "));
  }); // biome-ignore format: a table

  it("a gate with a second user stays, and a hard sigmoid that is an output is still one operation", () => {
    expect(left((v) => ({ gate: ops.clamp(ops.affine(v, 0.2, 0.5), 0, 1), y: ops.relu(v) }))).toBe("hardSigmoid relu");
  });
});
