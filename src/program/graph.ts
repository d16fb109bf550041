/** A program under construction. Values are handles into it; operations append to it. */
import { type AnyTensor, InputError } from "../core/index.js";
import type { Attrs, Operation, ValueType } from "./types.js";

/** A value of a graph under construction: what traced functions compute with. */
export interface Value {
  readonly graph: Graph;
  readonly id: number;
  readonly type: ValueType;
  readonly shape: readonly number[];
}

/** What a gradient rule sees. `grads` has one entry per output, undefined where nothing flows back. */
export interface GradientContext<A extends Attrs = Attrs> {
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  readonly grads: readonly (Value | undefined)[];
  readonly attrs: A;
  /** Whether input i needs a gradient: rules skip the others. */
  readonly needs: readonly boolean[];
  /** Definitions of operations, for a rule that continues a program. */
  readonly operationNamed: (name: string) => OpDef;
}

/** An operation: type rule, definition, gradient. Every kernel is tested against `reference`. */
export interface OpDef<A extends Attrs = Attrs> {
  readonly name: string;
  /** Types of the outputs. @throws ShapeError naming the operation and the shapes */
  type(inputs: readonly ValueType[], attrs: A): ValueType[];
  /** The definition, on dense row-major tensors. Values with a pattern come and go as dense tensors, zero at dead positions. */
  reference(inputs: readonly AnyTensor[], attrs: A, outputs: readonly ValueType[]): AnyTensor[];
  /** Gradients of the inputs, written in operations. Absent: not differentiable. */
  gradient?(context: GradientContext<A>): (Value | undefined)[];
}

/** Builds a program: `emit` checks types as it appends. */
export class Graph {
  readonly values: ValueType[] = [];
  readonly operations: Operation[] = [];
  readonly producers: number[] = [];

  /** A fresh value that no operation makes: an input or a param. */
  source(type: ValueType): Value {
    this.values.push(type);
    this.producers.push(-1);
    return this.value(this.values.length - 1);
  }

  /** The handle of value number `id`. */
  value(id: number): Value {
    const type = this.values[id]!;
    return { graph: this, id, type, shape: type.shape };
  }

  /**
   * Appends an operation.
   * @throws ShapeError from its type rule; InputError when an operand belongs to another graph
   */
  emit<A extends Attrs>(def: OpDef<A>, inputs: readonly Value[], attrs: A): Value[] {
    for (const input of inputs) {
      if (input.graph !== this)
        throw new InputError(`${def.name}: an operand belongs to another trace; pass it as an input or a param`);
    }
    const types = def.type(
      inputs.map((v) => v.type),
      attrs,
    );
    const outputs = types.map((type) => {
      this.values.push(type);
      this.producers.push(this.operations.length);
      return this.values.length - 1;
    });
    this.operations.push({ op: def.name, inputs: inputs.map((v) => v.id), outputs, attrs });
    return outputs.map((id) => this.value(id));
  }
}
