/** Checks that a program is what it claims to be: for programs that come from files or were edited by a pass. */
import { InputError, sameShape } from "../../core/index.js";
import { operationNamed } from "../ops/index.js";
import type { Program, ValueType } from "../types.js";

const describe = ({ shape, dtype, pattern }: ValueType): string =>
  `${dtype} [${shape.join(", ")}]${pattern === undefined ? "" : ` on the pattern of "${pattern}"`}`;

const sameType = (a: ValueType, b: ValueType): boolean =>
  sameShape(a.shape, b.shape) && a.dtype === b.dtype && a.pattern === b.pattern;

/**
 * @throws InputError that names the operation: unknown, out of order, or with results of other types than its rule gives
 */
export function checkProgram(program: Program): void {
  const { values, operations, inputs, params, outputs, updates } = program;
  const made = new Uint8Array(values.length);
  const need = (id: number, where: string): ValueType => {
    const type = values[id];
    if (!Number.isInteger(id) || !type)
      throw new InputError(`program: ${where} is value ${id}, of which there are ${values.length}`);
    return type;
  };
  for (const [id, type] of values.entries()) {
    const sizes = type?.shape;
    if (!Array.isArray(sizes) || sizes.some((d) => !Number.isSafeInteger(d) || d < 0))
      throw new InputError(`program: value ${id} has the shape ${JSON.stringify(sizes)}`);
  }
  for (const [name, id] of Object.entries(inputs)) {
    need(id, `input "${name}"`);
    made[id] = 1;
  }
  for (const [path, { value }] of Object.entries(params)) {
    need(value, `param "${path}"`);
    made[value] = 1;
  }
  operations.forEach(({ op, inputs: from, outputs: to, attrs }, i) => {
    const place = `operation ${i} (${op})`;
    const types = from.map((id) => {
      const type = need(id, `an operand of ${place}`);
      if (!made[id]) throw new InputError(`program: ${place} uses value ${id} before it is made`);
      return type;
    });
    const results = operationNamed(op).type(types, attrs);
    if (results.length !== to.length)
      throw new InputError(`program: ${place} has ${to.length} results, its rule gives ${results.length}`);
    results.forEach((type, k) => {
      const id = to[k]!;
      const claimed = need(id, `a result of ${place}`);
      if (made[id]) throw new InputError(`program: value ${id} is made twice, again by ${place}`);
      if (!sameType(type, claimed))
        throw new InputError(`program: ${place} gives ${describe(type)}, the program says ${describe(claimed)}`);
      made[id] = 1;
    });
  });
  for (const [name, id] of [...Object.entries(outputs), ...Object.entries(updates)]) {
    need(id, `"${name}"`);
    if (!made[id]) throw new InputError(`program: "${name}" is value ${id}, which nothing makes`);
  }
}
