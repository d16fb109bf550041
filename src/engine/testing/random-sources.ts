/** Params and inputs of a random program, which come to be as its operations ask for them. */
import { type AnyTensor, type Rng, sizeOf } from "../../core/index.js";
import type { Graph, Mask, ParamSpec, Value } from "../../program/index.js";
import { type Kind, testWeight } from "./sparse.js";

/** What is known of a program while it is drawn. */
export class Sources {
  readonly specs: Record<string, ParamSpec> = {};
  readonly params: Record<string, AnyTensor> = {};
  readonly inputs: Record<string, AnyTensor> = {};
  readonly masks: Record<string, Mask> = {};
  /** Values of params and inputs in the graph. */
  readonly held: Record<string, Value> = {};
  readonly given: Record<string, Value> = {};

  constructor(
    readonly graph: Graph,
    readonly rng: Rng,
  ) {}

  /** The path of the next param. */
  next(): string {
    return `p${Object.keys(this.specs).length}`;
  }

  weight(shape: readonly number[], kind: Kind): Value {
    const path = this.next();
    const rng = this.rng.split(path);
    const scale = shape.length > 1 ? 1 / Math.sqrt(sizeOf(shape.slice(1))) : 0.5;
    const density = 0.1 + 0.5 * rng.uniform();
    const { spec, value, mask } = testWeight(shape, kind, rng, { density, scale });
    if (mask) this.masks[path] = mask;
    return this.param(path, spec, value, mask ? path : undefined);
  }

  param(path: string, spec: ParamSpec, value: AnyTensor, pattern?: string): Value {
    this.specs[path] = spec;
    this.params[path] = value;
    this.held[path] = this.graph.source({ shape: spec.shape, dtype: "f32", ...(pattern === undefined ? {} : { pattern }) });
    return this.held[path]!;
  }

  input(name: string, value: AnyTensor): Value {
    this.inputs[name] = value;
    this.given[name] = this.graph.source({ shape: value.shape, dtype: value.dtype });
    return this.given[name]!;
  }
}
