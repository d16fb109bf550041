/** Fills a graph from held arrays and values: constants become params, small numbers, or constant operations as they are used. */
import { InputError, sizeOf, type Tensor, tensor } from "../../core/index.js";
import { Graph, type Value } from "../graph.js";
import type { Mask } from "../interpret.js";
import { constant } from "../ops/index.js";
import { type Constant, type Held, permuted } from "./held.js";

/** A param of the program under construction. */
export interface BuiltParam {
  readonly value: Value;
  readonly tensor: Tensor;
  readonly mask?: Mask;
}

/** How a weight is laid out for the operation that uses it: a part taken, axes permuted, then the shape replaced. */
export interface WeightForm {
  /** Elements from..to of the flat data, of shape `shape`. */
  readonly part?: { readonly name: string; readonly from: number; readonly to: number };
  readonly perm?: readonly number[];
  readonly shape?: readonly number[];
}

/** Param data made once and shared by the traces of several batch sizes. */
export type WeightCache = Map<string, { tensor: Tensor; mask?: Mask }>;

const BIG = 3.4028234663852886e38;

/** Bounds on what an import may make. */
export interface Limits {
  /** Elements of one value. */
  readonly elements: number;
  /** Elements that constant folding computes, all together. */
  readonly folded: number;
  readonly operations: number;
  /** Elements that sparse tensors have when expanded, all together. */
  readonly sparse: number;
}

export const LIMITS: Limits = { elements: 2 ** 31, folded: 2 ** 25, operations: 500_000, sparse: 2 ** 28 };

/** A graph, its params, and how held things enter it. With `folding`, constants enter as sources to be computed at once. */
export class Builder {
  readonly graph = new Graph();
  readonly params = new Map<string, BuiltParam>();
  /** When folding: the constants that entered, in order. */
  readonly sources: { value: Value; constant: Constant }[] = [];
  private readonly made = new Map<Constant, Value>();
  private readonly forms = new Map<string, string>();

  constructor(
    readonly folding: boolean,
    private readonly cache: WeightCache,
  ) {}

  /** The value of a held thing, f32 whatever its kind. */
  value(held: Held): Value {
    if (!("constant" in held)) return held.value;
    const { constant: known } = held;
    const before = this.made.get(known);
    if (before) return before;
    const made = this.enter(known);
    this.made.set(known, made);
    return made;
  }

  private enter(known: Constant): Value {
    if (this.folding) {
      const value = this.graph.source({ shape: known.shape, dtype: "f32" });
      this.sources.push({ value, constant: known });
      return value;
    }
    const size = sizeOf(known.shape);
    if (known.kind === "float" && known.fixed && size > 1) return this.param(known, {});
    if (size > 65536 && !known.fixed) {
      throw new InputError(
        `"${known.name}" [${known.shape.join(", ")}] is computed from the shape of an input and has ${size} elements, at most 65536 are kept`,
      );
    }
    if (size > 65536) return this.param(known, {});
    // Programs are JSON, which knows no infinity: the greatest float32 stands for it.
    const finite = Array.from(known.data, (v) => Math.min(Math.max(v, -BIG), BIG));
    const first = finite[0] ?? 0;
    return constant(this.graph, known.shape, finite.every((v) => Object.is(v, first)) ? first : finite);
  }

  /** A weight, laid out as its operation wants it. A value that is no constant is for the caller to permute. */
  weight(known: Constant, form: WeightForm): Value {
    if (this.folding || !known.fixed) {
      const { perm, part } = form;
      const taken = part ? known.data.subarray(part.from, part.to) : known.data;
      const data = perm ? permuted(taken, known.shape, perm) : taken;
      const shape = form.shape ?? (perm ? perm.map((p) => known.shape[p]!) : known.shape);
      return this.value({ constant: { ...known, data, shape } });
    }
    return this.param(known, form);
  }

  private param(known: Constant, form: WeightForm): Value {
    const { perm, shape, part } = form;
    const base = part ? `${known.name}.${part.name}` : known.name;
    const key = JSON.stringify([known.name, form]);
    const to = shape ?? (perm ? perm.map((p) => known.shape[p]!) : known.shape);
    // The same weight in another form is another param.
    let path = base;
    for (let n = 1; this.params.has(path); n++) {
      if (this.forms.get(path) === key) return this.params.get(path)!.value;
      path = `${base}:${n}`;
    }
    let data = this.cache.get(key);
    if (!data) {
      const move = <T extends Float32Array | Float64Array | Uint8Array>(from: T): T => {
        const taken = (part ? from.subarray(part.from, part.to) : from) as T;
        return perm ? permuted(taken, known.shape, perm) : taken;
      };
      data = { tensor: tensor(to, move(known.data)), ...(known.mask ? { mask: { shape: to, data: move(known.mask) } } : {}) };
      this.cache.set(key, data);
    }
    const value = this.graph.source({ shape: to, dtype: "f32" });
    this.params.set(path, { value, ...data });
    this.forms.set(path, key);
    return value;
  }
}
