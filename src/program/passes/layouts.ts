/** Gives params of a program their storage. */
import { InputError, type Tree } from "../../core/index.js";
import { isSparse, type ParamLayout, type Program, type ValueType } from "../types.js";

/**
 * The same program with other param layouts. Only params that are used as they are (as a weight of a product or convolution) may
 * become sparse; the types of other values stay.
 * @throws InputError for a path that names no param
 */
export function withLayouts(program: Program, layouts: Tree<ParamLayout>): Program {
  const values: ValueType[] = [...program.values];
  const params: Record<string, Program["params"][string]> = { ...program.params };
  for (const [path, layout] of Object.entries(layouts)) {
    const param = params[path];
    if (!param)
      throw new InputError(`withLayouts: the program has no param "${path}"; params are ${Object.keys(params).join(", ")}`);
    const { shape, dtype } = values[param.value]!;
    values[param.value] = isSparse(layout) ? { shape, dtype, pattern: path } : { shape, dtype };
    params[path] = { ...param, layout };
  }
  return { ...program, values, params };
}
