/** What the rule of an operator sees of its node: operands as values, numbers or known arrays, and checked attributes. */
import { FormatError, InputError, sizeOf } from "../../core/index.js";
import { decodeOnnxTensor, type ElementType, type OnnxAttribute, type OnnxNode } from "../../formats/index.js";
import type { Graph, Value } from "../graph.js";
import { cast, constant, type Operand } from "../ops/index.js";
import type { Builder, WeightForm } from "./builder.js";
import { type Constant, constantOf, type Held, type Kind, kindOf, shapeOf } from "./held.js";

/** What a rule gives: values take the kind of the first operand unless they say otherwise. */
export type Result = Value | Held;
/** Translates one node. */
export type Rule = (n: NodeView) => Result | readonly Result[];

/** One node of an imported graph with its operands. */
export class NodeView {
  readonly graph: Graph;
  private readonly attributes: ReadonlyMap<string, OnnxAttribute>;

  constructor(
    readonly node: OnnxNode,
    /** Version of the node's operator set. */
    readonly opset: number,
    private readonly operands: readonly (Held | undefined)[],
    private readonly builder: Builder,
    /** Whether an output is used by anybody. */
    readonly isUsed: (output: number) => boolean,
  ) {
    this.graph = builder.graph;
    this.attributes = new Map(node.attributes.map((a) => [a.name, a]));
  }

  /** Number of operands. */
  get count(): number {
    return this.operands.length;
  }

  /** Whether operand i is given. */
  has(i: number): boolean {
    return this.operands[i] !== undefined;
  }

  /** @throws InputError when operand i is missing */
  held(i: number): Held {
    const held = this.operands[i];
    if (!held) throw new InputError(`operand ${i} is missing`);
    return held;
  }

  kind(i: number): Kind {
    return kindOf(this.held(i));
  }

  shape(i: number): readonly number[] {
    return shapeOf(this.held(i));
  }

  /** Operand i as an f32 value. */
  value(i: number): Value {
    return cast(this.builder.value(this.held(i)), "f32");
  }

  /** Operand i as i32 indices. */
  indices(i: number): Value {
    const known = this.known(i);
    if (known && !this.builder.folding) return constant(this.graph, known.shape, Array.from(known.data), undefined, "i32");
    return cast(this.builder.value(this.held(i)), "i32");
  }

  /** Operand i as a number when it is one known number of a rank that no broadcast can raise beyond `rank`, else as a value. */
  operand(i: number, rank: number): Operand {
    const known = this.known(i);
    if (known && known.data.length === 1 && known.shape.length <= rank && !this.builder.folding) return known.data[0]!;
    return this.value(i);
  }

  /** Operand i when its numbers are known at import. */
  known(i: number): Constant | undefined {
    const held = this.operands[i];
    return held && "constant" in held ? held.constant : undefined;
  }

  /** The element type in which operand i is stored, when it is. */
  range(i: number): ElementType | undefined {
    return this.known(i)?.stored;
  }

  /** @throws InputError when the numbers of operand i are not known at import */
  numbers(i: number, what: string): number[] {
    const known = this.known(i);
    if (!known) {
      this.held(i);
      throw new InputError(`${what} (operand ${i}) is computed from input data; expected numbers that are known at import`);
    }
    if (known.data.length > 65536)
      throw new InputError(`${what} (operand ${i}) has ${known.data.length} numbers, expected a short list`);
    return Array.from(known.data);
  }

  /** @throws InputError when they are not known integers */
  integers(i: number, what: string): number[] {
    return requireIntegers(what, this.numbers(i, what));
  }

  /** A weight: when it is known, a param laid out as asked, else undefined. */
  weight(i: number, form: WeightForm = {}): Value | undefined {
    const known = this.known(i);
    return known && known.kind === "float" ? this.builder.weight(known, form) : undefined;
  }

  /** A result of a stated kind. */
  of(value: Value, kind: Kind): Held {
    return { value, kind };
  }

  private attribute(name: string): OnnxAttribute | undefined {
    const found = this.attributes.get(name);
    if (found?.refAttrName)
      throw new InputError(`the attribute "${name}" refers to a function's attribute, which is not supported`);
    return found;
  }

  hasAttribute(name: string): boolean {
    return this.attributes.has(name);
  }

  /** An integer attribute. */
  int(name: string, byDefault: number): number {
    const found = this.attribute(name);
    if (!found) return byDefault;
    // Proto3 writes no zero.
    const value = found.i ?? 0;
    if (!Number.isSafeInteger(value)) throw new FormatError("onnx", `the attribute "${name}" is ${value}, expected an integer`);
    return value;
  }

  float(name: string, byDefault: number): number {
    const found = this.attribute(name);
    return found ? (found.f ?? 0) : byDefault;
  }

  text(name: string, byDefault: string): string {
    const found = this.attribute(name);
    return found ? new TextDecoder().decode(found.s ?? new Uint8Array()) : byDefault;
  }

  texts(name: string): string[] | undefined {
    return this.attribute(name)?.strings?.map((s) => new TextDecoder().decode(s));
  }

  ints(name: string): number[] | undefined {
    const found = this.attribute(name);
    return found && requireIntegers(`the attribute "${name}"`, Array.from(found.ints ?? []));
  }

  floats(name: string): number[] | undefined {
    const found = this.attribute(name);
    return found && Array.from(found.floats ?? []);
  }

  tensor(name: string): Constant | undefined {
    const t = this.attribute(name)?.t;
    return t && constantOf(decodeOnnxTensor(t), this.node.outputs[0] ?? "");
  }

  /** A non-negative axis. */
  axis(axis: number, rank: number): number {
    const at = axis < 0 ? axis + rank : axis;
    if (!Number.isInteger(at) || at < 0 || at >= Math.max(rank, 1))
      throw new InputError(`expected an axis in [${-rank}, ${rank - 1}], got ${axis}`);
    return at;
  }

  /** Axes given as an attribute (older operator sets) or as an operand; undefined when neither is. */
  axesFrom(i: number, attribute = "axes"): number[] | undefined {
    return this.has(i) ? this.integers(i, attribute) : this.ints(attribute);
  }
}

/** @throws InputError unless all are integers; numbers at the rim of 64 bits count as such */
export function requireIntegers(what: string, values: number[]): number[] {
  for (const v of values) if (!Number.isInteger(v)) throw new InputError(`${what}: expected integers, got ${v}`);
  return values;
}

/** Refuses what the translation does not cover. */
export function refuse(reason: string): never {
  throw new InputError(`${reason}; this is not supported`);
}

/** The number of elements of a checked shape. @throws InputError for a dim that is no non-negative integer */
export function checkedShape(what: string, shape: readonly number[], limit: number): readonly number[] {
  if (shape.some((d) => !Number.isSafeInteger(d) || d < 0))
    throw new InputError(`${what} [${shape.join(", ")}]: expected non-negative integers`);
  if (shape.length > 32) throw new InputError(`${what} has ${shape.length} dims, at most 32 are supported`);
  if (!(sizeOf(shape) <= limit))
    throw new InputError(`${what} [${shape.join(", ")}] has ${sizeOf(shape)} elements, more than the limit of ${limit}`);
  return shape;
}
