/** What the rule of a TFLite operator sees: operands in channels-last or planar form, and checked options. */
import { InputError } from "../../core/index.js";
import type { TfliteOperator, TfliteTensor } from "../../formats/index.js";
import type { Value } from "../graph.js";
import * as op from "../ops/index.js";
import type { Builder, WeightForm } from "./builder.js";
import { type Constant, permuted } from "./held.js";

/** A value; `planar` says that it holds a channels-last tensor as [N, C, H, W]. */
export interface TfliteHeld {
  readonly value: Value;
  readonly planar: boolean;
}

/** Translates one operator. */
export type TfliteRule = (n: TfliteView) => TfliteHeld | readonly TfliteHeld[];

const TO_PLANAR = [0, 3, 1, 2];
const TO_LAST = [0, 2, 3, 1];

/** One operator with its operands. */
export class TfliteView {
  readonly graph;

  constructor(
    readonly operator: TfliteOperator,
    private readonly tensors: readonly TfliteTensor[],
    private readonly constants: readonly (Constant | undefined)[],
    private readonly env: ReadonlyMap<number, TfliteHeld>,
    private readonly builder: Builder,
  ) {
    this.graph = builder.graph;
  }

  get count(): number {
    return this.operator.inputs.length;
  }

  private id(i: number): number {
    const id = this.operator.inputs[i] ?? -1;
    if (id < 0) throw new InputError(`operand ${i} is missing`);
    return id;
  }

  has(i: number): boolean {
    return (this.operator.inputs[i] ?? -1) >= 0;
  }

  known(i: number): Constant | undefined {
    return this.constants[this.id(i)];
  }

  private made(i: number): TfliteHeld {
    const id = this.id(i);
    const held = this.env.get(id);
    if (!held)
      throw new InputError(
        `reads tensor ${id} ("${(this.tensors[id]?.name ?? "").slice(0, 80)}"), which no earlier operator makes`,
      );
    return held;
  }

  isPlanar(i: number): boolean {
    return !this.known(i) && this.made(i).planar;
  }

  /** Shape in the file's order of axes, with the batch of this trace. */
  shape(i: number): readonly number[] {
    const known = this.known(i);
    if (known) return known.shape;
    const { value, planar } = this.made(i);
    return planar ? TO_LAST.map((p) => value.shape[p]!) : value.shape;
  }

  /** The operand in the file's order of axes. */
  last(i: number): Value {
    const known = this.known(i);
    if (known) return this.builder.value({ constant: known });
    const { value, planar } = this.made(i);
    return planar ? fromPlanar(value) : value;
  }

  /** The operand as [N, C, H, W]. @throws InputError unless its rank is 4 */
  plane(i: number): Value {
    if (this.shape(i).length !== 4) throw new InputError(`expected an operand of rank 4, got [${this.shape(i).join(", ")}]`);
    const known = this.known(i);
    if (known) return this.builder.weight(known, { perm: TO_PLANAR });
    const { value, planar } = this.made(i);
    return planar ? value : op.transpose(value, TO_PLANAR);
  }

  /** A known operand to broadcast beside planes. */
  besidePlane(i: number): op.Operand {
    const known = this.known(i);
    if (!known) return this.plane(i);
    if (known.data.length === 1) return known.data[0]!;
    const wide = [...new Array<number>(4 - known.shape.length).fill(1), ...known.shape];
    const [n, h, w, c] = wide as [number, number, number, number];
    const shape = [n, c, h, w];
    // Moving the channels of a vector moves no number.
    if (known.data.length === c) return this.builder.weight(known, { shape });
    const data = permuted(known.data, wide, TO_PLANAR);
    return this.builder.weight(
      { ...known, shape, data, ...(known.mask ? { mask: permuted(known.mask, wide, TO_PLANAR) } : {}) },
      {},
    );
  }

  /** A weight laid out for its operation; computed weights are refused. */
  weight(i: number, form: WeightForm = {}): Value {
    const known = this.known(i);
    if (known?.kind !== "float") throw new InputError(`operand ${i} is expected to be a stored weight`);
    return this.builder.weight(known, form);
  }

  /** @throws InputError when the integers are not stored in the file */
  integers(i: number, what: string): number[] {
    const known = this.known(i);
    if (!known) throw new InputError(`${what} (operand ${i}) is computed, expected stored numbers`);
    if (known.data.length > 65536)
      throw new InputError(`${what} (operand ${i}) has ${known.data.length} numbers, expected a short list`);
    return Array.from(known.data);
  }

  number(option: string, byDefault = 0): number {
    const found = this.operator.options[option];
    return typeof found === "number" ? found : byDefault;
  }

  word(option: string, byDefault: string): string {
    const found = this.operator.options[option];
    return typeof found === "string" ? found : byDefault;
  }

  list(option: string): readonly number[] | undefined {
    const found = this.operator.options[option];
    return Array.isArray(found) ? (found as readonly number[]) : undefined;
  }

  axis(axis: number, rank: number): number {
    const at = axis < 0 ? axis + rank : axis;
    if (!Number.isInteger(at) || at < 0 || at >= rank)
      throw new InputError(`expected an axis in [${-rank}, ${rank - 1}], got ${axis}`);
    return at;
  }
}

/** [N, C, H, W] to channels last; planes of one pixel only change their shape. */
export function fromPlanar(x: Value): Value {
  const [n, c, h, w] = x.shape as [number, number, number, number];
  return h === 1 && w === 1 ? op.reshape(x, [n, 1, 1, c]) : op.transpose(x, TO_LAST);
}
