/** Collects the nodes of an ONNX graph while operations are translated. */
import { InputError } from "../../core/index.js";
import type { OnnxAttribute, OnnxNode, OnnxTensor } from "../../formats/index.js";
import type { Operation, Program, ValueType } from "../types.js";

/** A number that may grow with the batch: at + by * batch. */
export interface Size {
  readonly at: number;
  readonly by: number;
}

const text = new TextEncoder();
const little = (data: Float32Array | BigInt64Array | Int32Array): Uint8Array =>
  new Uint8Array(data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength));

/** A stored tensor of floats. */
export const floatTensor = (name: string, dims: readonly number[], values: ArrayLike<number>): OnnxTensor => ({
  name,
  dims,
  dataType: 1,
  rawData: little(Float32Array.from(values)),
});
/** A stored tensor of 64-bit integers. */
export const longTensor = (name: string, dims: readonly number[], values: readonly number[]): OnnxTensor => ({
  name,
  dims,
  dataType: 7,
  rawData: little(BigInt64Array.from(values, (v) => BigInt(v))),
});
/** A stored tensor of 32-bit integers. */
export const intTensorOf = (name: string, dims: readonly number[], values: readonly number[]): OnnxTensor => ({
  name,
  dims,
  dataType: 6,
  rawData: little(Int32Array.from(values)),
});

/** An attribute: numbers become ints, `{ f }` a float, strings strings. */
export function attribute(name: string, value: number | string | readonly number[] | { readonly f: number }): OnnxAttribute {
  if (typeof value === "number") return { name, type: 2, i: value };
  if (typeof value === "string") return { name, type: 3, s: text.encode(value) };
  if ("f" in value) return { name, type: 1, f: Math.fround(value.f) };
  return { name, type: 7, ints: value };
}

type Attributes = Readonly<Record<string, number | string | readonly number[] | { readonly f: number }>>;

/** A graph being written. Values of the program have names; so do the helpers between them. */
export class GraphWriter {
  readonly nodes: OnnxNode[] = [];
  readonly initializers: OnnxTensor[] = [];
  /** Stored lists of integers by name. */
  readonly lists = new Map<string, readonly number[]>();
  private readonly names = new Map<number, string>();
  private readonly taken = new Set<string>();
  private batchName: string | undefined;

  /**
   * @param program the program at one batch size
   * @param next    the same program at another batch size; equal for a fixed batch
   */
  constructor(
    readonly program: Program,
    private readonly next: Program,
    private readonly sizes: readonly [number, number],
  ) {}

  /** Claims a name as it is, or with a number behind it when it is taken. */
  claim(wanted: string): string {
    let name = wanted || "value";
    for (let i = 1; this.taken.has(name); i++) name = `${wanted}_${i}`;
    this.taken.add(name);
    return name;
  }

  /** Gives a value of the program its name. */
  bind(id: number, name: string): void {
    this.names.set(id, name);
  }

  name(id: number): string {
    let name = this.names.get(id);
    if (name === undefined) {
      name = this.claim(`v${id}`);
      this.names.set(id, name);
    }
    return name;
  }

  type(id: number): ValueType {
    return this.program.values[id]!;
  }

  /** Appends a node and returns the name of its result. */
  node(opType: string, inputs: readonly string[], attributes: Attributes = {}, output?: string): string {
    const y = output ?? this.claim(`${inputs[0] || opType}_${opType.toLowerCase()}`);
    this.add(opType, inputs, [y], attributes);
    return y;
  }

  /** Appends a node with the given results. */
  add(opType: string, inputs: readonly string[], outputs: readonly string[], attributes: Attributes = {}): void {
    this.nodes.push({
      name: `n${this.nodes.length}`,
      opType,
      inputs,
      outputs,
      attributes: Object.entries(attributes).map(([k, v]) => attribute(k, v)),
    });
  }

  /** A stored list of integers. */
  longs(values: readonly number[], scalar = false): string {
    const name = this.claim(`shape_${values.join("_").slice(0, 40)}`);
    this.initializers.push(longTensor(name, scalar ? [] : [values.length], values));
    this.lists.set(name, values);
    return name;
  }

  /** A stored float. */
  float(value: number): string {
    const name = this.claim("number");
    this.initializers.push(floatTensor(name, [], [value]));
    return name;
  }

  /** The numbers of an attribute or shape, each with its growth. */
  growth(a: readonly number[], b: readonly number[]): Size[] {
    const [m, n] = this.sizes;
    return a.map((x, i) => {
      const by = m === n ? 0 : (b[i]! - x) / (n - m);
      return { at: x - by * m, by };
    });
  }

  /** A list attribute of an operation, with growth. */
  list(index: number, key: string): Size[] {
    return this.growth(
      this.program.operations[index]!.attrs[key] as readonly number[],
      this.next.operations[index]!.attrs[key] as readonly number[],
    );
  }

  /** The shape of a value, with growth. */
  shape(id: number): Size[] {
    return this.growth(this.program.values[id]!.shape, this.next.values[id]!.shape);
  }

  /** A list of integers for a shape operand: stored when nothing grows, else computed from the batch of the first input. */
  sizesOf(sizes: readonly Size[]): string {
    if (sizes.every(({ by }) => by === 0)) return this.longs(sizes.map(({ at }) => at));
    const parts = sizes.map(({ at, by }) => {
      if (by === 0) return this.longs([at]);
      const grown = by === 1 ? this.batch() : this.node("Mul", [this.batch(), this.longs([by])]);
      return at === 0 ? grown : this.node("Add", [grown, this.longs([at])]);
    });
    return parts.length === 1 ? parts[0]! : this.node("Concat", parts, { axis: 0 });
  }

  /** The batch as a list of one integer. */
  private batch(): string {
    if (this.batchName === undefined) {
      const found = Object.entries(this.program.inputs).find(([, id]) => this.shape(id)[0]?.by === 1);
      if (!found)
        throw new InputError(
          "exportOnnx: sizes grow with the batch, but no input has the batch as its first dim; export at one batch size, atBatch(program, n)",
        );
      const dims = this.node("Shape", [this.name(found[1])]);
      this.batchName = this.node("Slice", [dims, this.longs([0]), this.longs([1])]);
    }
    return this.batchName;
  }

  /** Numbers of an attribute of which none may grow. @throws InputError */
  still(index: number, key: string): readonly number[] {
    const sizes = this.list(index, key);
    if (sizes.some(({ by }) => by !== 0))
      throw new InputError(
        `exportOnnx: operation ${index} (${this.operation(index).op}): its ${key} grow with the batch, which ONNX has no attribute for; export at one batch size, atBatch(program, n)`,
      );
    return sizes.map(({ at }) => at);
  }

  operation(index: number): Operation {
    return this.program.operations[index]!;
  }
}
