/** Where a program multiplies activations by a param: what pruning looks at, layer by layer. */
import { sizeOf } from "../../core/index.js";
import type { ConvAttrs } from "../ops/conv2d.js";
import type { Program } from "../types.js";

/** One use of a weight. A weight that is used twice has two products. */
export interface Product {
  readonly path: string;
  /** Position in `program.operations`. */
  readonly operation: number;
  readonly kind: "linear" | "conv" | "grouped" | "depthwise";
  /** Value number of the activations: [M, in] or [N, C, H, W]. */
  readonly input: number;
  /** Value number of the result, before any bias. */
  readonly output: number;
  /** The weight is stored [in, out] instead of [out, in]. */
  readonly transposed: boolean;
  /** Outputs and inputs of the weight seen as a matrix [rows, columns]: columns of one group. */
  readonly rows: number;
  readonly columns: number;
  /** Groups of a convolution, else 1. */
  readonly groups: number;
  /** Multiplications per weight and example, at the program's batch size: output pixels, or 1. */
  readonly uses: number;
}

/** Every product of a param, in program order. A param that is only an operand of something else has none. */
export function productsOf(program: Program): Product[] {
  const paths = new Map(Object.entries(program.params).map(([path, p]) => [p.value, path]));
  const found: Product[] = [];
  program.operations.forEach(({ op, inputs, outputs, attrs }, operation) => {
    const path = paths.get(inputs[1] ?? -1);
    if (path === undefined || (op !== "conv2d" && op !== "matmul")) return;
    const { shape } = program.values[inputs[1]!]!;
    const out = program.values[outputs[0]!]!.shape;
    const place = { path, operation, input: inputs[0]!, output: outputs[0]! };
    if (op === "conv2d") {
      const { groups } = attrs as unknown as ConvAttrs;
      const kind = groups === 1 ? "conv" : shape[1] === 1 ? "depthwise" : "grouped";
      found.push({
        ...place,
        kind,
        transposed: false,
        rows: shape[0]!,
        columns: sizeOf(shape.slice(1)),
        groups,
        uses: out[2]! * out[3]!,
      });
      return;
    }
    if (shape.length !== 2 || attrs["transposeA"] === true) return;
    const transposed = attrs["transposeB"] !== true;
    const [rows, columns] = (transposed ? [shape[1], shape[0]] : shape) as [number, number];
    found.push({ ...place, kind: "linear", transposed, rows, columns, groups: 1, uses: 1 });
  });
  return found;
}
