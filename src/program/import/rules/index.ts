/** Every ONNX operator that can be imported, by name. */
import type { Rule } from "../node.js";
import { constantRules } from "./constants.js";
import { convRules } from "./conv.js";
import { elementwiseRules } from "./elementwise.js";
import { layoutRules } from "./layout.js";
import { matmulRules } from "./matmul.js";
import { normRules } from "./norm.js";
import { recurrentRules } from "./recurrent.js";
import { reduceRules } from "./reduce.js";
import { resizeRules } from "./resize.js";

export const rules: ReadonlyMap<string, Rule> = new Map(
  Object.entries({
    ...constantRules,
    ...convRules,
    ...elementwiseRules,
    ...layoutRules,
    ...matmulRules,
    ...normRules,
    ...recurrentRules,
    ...reduceRules,
    ...resizeRules,
  }),
);
