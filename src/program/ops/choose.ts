/** max, min, pow and where. */
import { sameShape } from "../../core/index.js";
import type { OpDef, Value } from "../graph.js";
import { add, binary, binaryOp, constant, mul, sub, unbroadcast } from "./arithmetic.js";
import { equal, greater } from "./compare.js";
import { broadcastIndex, elementwiseType, floats, type Operand, requireDType } from "./support.js";
import { log } from "./unary.js";

/** 1 where a wins, one half at a tie. */
const share = (a: Value, b: Value): Value => add(greater(a, b), mul(equal(a, b), 0.5));

export const maxOp = binaryOp("max", Math.max, (g, a, b, _y, needs) => [
  needs[0] ? mul(g, share(a, b)) : undefined,
  needs[1] ? mul(g, share(b, a)) : undefined,
]);
export const minOp = binaryOp("min", Math.min, (g, a, b, _y, needs) => [
  needs[0] ? mul(g, share(b, a)) : undefined,
  needs[1] ? mul(g, share(a, b)) : undefined,
]);
export const powOp = binaryOp("pow", Math.pow, (g, a, b, y, needs) => [
  needs[0] ? mul(g, mul(b, pow(a, sub(b, 1)))) : undefined,
  needs[1] ? mul(g, mul(y, log(a))) : undefined,
]);

export const whereOp: OpDef = {
  name: "where",
  type(inputs) {
    for (let i = 0; i < 3; i++) requireDType("where", inputs, i, "f32");
    return [elementwiseType("where", inputs, ["cond", "x", "y"])];
  },
  reference(inputs, _, [type]) {
    const y = floats(type!.shape, inputs.slice(1));
    const [cond, a, b] = inputs.map((t) => {
      const index = sameShape(t.shape, y.shape) ? undefined : broadcastIndex(t.shape, y.shape);
      return (i: number) => t.data[index ? index[i]! : i]!;
    });
    for (let i = 0; i < y.data.length; i++) y.data[i] = cond!(i) !== 0 ? a!(i) : b!(i);
    return [y];
  },
  gradient: ({ inputs: [cond, x, y], grads: [g], needs }) => [
    undefined,
    needs[1] ? unbroadcast(where(cond!, g!, 0), x!.shape) : undefined,
    needs[2] ? unbroadcast(where(cond!, 0, g!), y!.shape) : undefined,
  ],
};

/** The greater of a and b; at a tie each gets half of the gradient. */
export const max = binary(maxOp);
/** The lesser of a and b; at a tie each gets half of the gradient. */
export const min = binary(minOp);
/** a to the power b, both values. The gradient for b needs a > 0. */
export const pow = binary(powOp);

/** x where cond is not 0, else y; all broadcast. @throws ShapeError */
export function where(cond: Value, x: Operand, y: Operand): Value {
  const value = (v: Operand) => (typeof v === "number" ? constant(cond.graph, [], v) : v);
  return cond.graph.emit(whereOp, [cond, value(x), value(y)], {})[0]!;
}
