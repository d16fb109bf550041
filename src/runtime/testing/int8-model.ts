/** A small int8 model for tests: three convolutions, stored in the three forms that int8 weights have. */
import { createRng, type Tensor, type Tree, tensor } from "../../core/index.js";
import { anyBatch, type BatchProgram, conv2dInt8Op, dequantiseOp, quantiseOp, trace } from "../../program/index.js";

export const SHAPES: Tree<readonly number[]> = { a: [8, 4, 3, 3], b: [12, 8, 1, 1], c: [8, 12, 1, 1] };
const range = { scale: 0.05, zero: 60 };
const rounding = { xScale: 0.05, xZero: 60, yScale: 0.05, yZero: 60, lo: 0, hi: 127 };

/** Three convolutions: `a` in live blocks of 4x4, `b` with single zeros, `c` full. */
export function int8Model(): { program: BatchProgram; params: Tree<Tensor>; int8: Tree<string> } {
  const rng = createRng(1);
  const params: Record<string, Tensor> = {};
  for (const [path, shape] of Object.entries(SHAPES)) {
    const [o, c] = shape as [number, number];
    const taps = shape[2]! * shape[3]!;
    const scale = Float32Array.from({ length: o }, () => 0.005 + 0.01 * rng.uniform());
    const dead = new Set(Array.from({ length: 400 }, (_, i) => i).filter(() => rng.below(5) > 0));
    params[path] = tensor(
      shape,
      Array.from({ length: o * c * taps }, (_, i) => {
        const [row, channel, tap] = [Math.floor(i / (c * taps)), Math.floor(i / taps) % c, i % taps];
        const key = path === "a" ? ((row >> 2) * taps + tap) * (c >> 2) + (channel >> 2) : path === "b" ? i : -1;
        return dead.has(key) ? 0 : (rng.below(255) - 127) * scale[row]!;
      }),
    );
    params[`${path}:scale`] = tensor([o], scale);
    params[`${path}:bias`] = tensor(
      [o],
      Float32Array.from({ length: o }, () => rng.normal()),
    );
  }
  const program = anyBatch((n) =>
    trace(
      ({ params: p, inputs }) => {
        let [y] = inputs["x"]!.graph.emit(quantiseOp, [inputs["x"]!], range);
        for (const path of Object.keys(SHAPES)) {
          const padding = path === "a" ? [1, 1, 1, 1] : [0, 0, 0, 0];
          const operands = [y!, p[path]!, p[`${path}:scale`]!, p[`${path}:bias`]!];
          [y] = y!.graph.emit(conv2dInt8Op, operands, { stride: [1, 1], padding, dilation: [1, 1], groups: 1, ...rounding });
        }
        return { outputs: { y: y!.graph.emit(dequantiseOp, [y!], range)[0]! } };
      },
      {
        inputs: { x: { shape: [n, 4, 6, 7] } },
        params: Object.fromEntries(Object.entries(params).map(([path, { shape }]) => [path, { shape }])),
      },
    ),
  );
  return { program, params, int8: Object.fromEntries(Object.keys(SHAPES).map((path) => [path, `${path}:scale`])) };
}
