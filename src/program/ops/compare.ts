/** Comparisons (0 or 1) and reluGrad: elementwise, without slope of their own. */
import type { Value } from "../graph.js";
import { binary, binaryOp } from "./arithmetic.js";

const flat = () => [undefined, undefined];

export const greaterOp = binaryOp("greater", (a, b) => (a > b ? 1 : 0), flat, { anyDType: true });
export const greaterEqualOp = binaryOp("greaterEqual", (a, b) => (a >= b ? 1 : 0), flat, { anyDType: true });
export const equalOp = binaryOp("equal", (a, b) => (a === b ? 1 : 0), flat, { anyDType: true });
export const reluGradOp = binaryOp(
  "reluGrad",
  (dy, y) => (y > 0 ? dy : 0),
  (g, _dy, y) => [reluGrad(g, y), undefined],
);

/** 1 where a > b, else 0, as f32; gradient 0. */
export const greater = binary(greaterOp);
/** 1 where a >= b, else 0, as f32; gradient 0. */
export const greaterEqual = binary(greaterEqualOp);
/** 1 where a equals b, else 0, as f32; gradient 0. Operands of one dtype (i32 allowed). */
export const equal = binary(equalOp);
/** dy where y > 0, else 0: the gradient of relu, with y the output of relu. */
export const reluGrad: (dy: Value, y: Value) => Value = binary(reluGradOp);
