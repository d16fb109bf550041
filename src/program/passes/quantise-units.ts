/** What of an inference program has an int8 form: products with their bias, addition and activation, means and max pooling. */
import type { Attrs, Operation, Program } from "../types.js";

/** Operations that become one int8 operation, or that stay f32 for a reason. */
export interface Int8Unit {
  readonly kind: "conv" | "depthwise" | "linear" | "mean" | "maxPool";
  /** Positions in `program.operations`: the product first. */
  readonly operations: readonly number[];
  /** Value numbers. */
  readonly input: number;
  readonly output: number;
  /** Path of the weight. */
  readonly weight?: string;
  /** Path of the bias, and its value number. */
  readonly bias?: string;
  /** The value added after the bias. */
  readonly residual?: number;
  /** Bounds of the activation function, in real numbers. */
  readonly lo: number;
  readonly hi: number;
  /** Why it has no int8 form. */
  readonly stays?: string;
}

/** What the search needs to know of a program. */
interface Index {
  readonly program: Program;
  readonly makers: ReadonlyMap<number, number>;
  readonly users: ReadonlyMap<number, readonly number[]>;
  readonly paths: ReadonlyMap<number, string>;
  readonly taken: Set<number>;
}

const shapeOf = ({ program }: Index, value: number): readonly number[] => program.values[value]!.shape;

/** The one operation that uses a value which is no output. */
function onlyUser(index: Index, value: number): number | undefined {
  const users = index.users.get(value) ?? [];
  if (users.length !== 1 || Object.values(index.program.outputs).includes(value)) return undefined;
  return index.taken.has(users[0]!) ? undefined : users[0];
}

/** The param behind an added value, reshaped or not: one number per channel. */
function channelParam(index: Index, value: number, channels: number, rank: number): string | undefined {
  const maker = index.makers.get(value);
  const made = maker === undefined ? undefined : index.program.operations[maker]!;
  const source = made?.op === "reshape" ? made.inputs[0]! : value;
  const path = index.paths.get(source);
  const { shape } = index.program.values[source]!;
  const size = shape.reduce((a, b) => a * b, 1);
  const wide = shapeOf(index, value);
  const onChannels = wide.length === 1 ? rank === 2 : wide.length === 4 && wide[1] === channels;
  return path !== undefined && size === channels && onChannels ? path : undefined;
}

interface Tail {
  readonly operations: number[];
  output: number;
  bias?: string;
  residual?: number;
  lo: number;
  hi: number;
}

/** Takes along the bias, the addition and the activation that follow. */
function follow(index: Index, first: number, output: number, channels: number): Tail {
  const tail: Tail = { operations: [first], output, lo: Number.NEGATIVE_INFINITY, hi: Number.POSITIVE_INFINITY };
  for (;;) {
    const next = onlyUser(index, tail.output);
    const operation = next === undefined ? undefined : index.program.operations[next]!;
    if (next === undefined || !operation || !take(index, tail, operation, channels)) return tail;
    tail.operations.push(next);
    tail.output = operation.outputs[0]!;
    // Nothing may come between an activation and what follows it.
    if (operation.op !== "add") return tail;
  }
}

function take(index: Index, tail: Tail, operation: Operation, channels: number): boolean {
  const { op, inputs, attrs } = operation;
  if (op === "relu") tail.lo = 0;
  else if (op === "clamp") {
    tail.lo = attrs["a"] as number;
    tail.hi = attrs["b"] as number;
  } else if (op === "add") {
    const other = inputs[0] === tail.output ? inputs[1]! : inputs[0]!;
    const bias = channelParam(index, other, channels, shapeOf(index, tail.output).length);
    if (bias !== undefined && tail.bias === undefined && tail.residual === undefined) tail.bias = bias;
    else if (
      bias === undefined &&
      tail.residual === undefined &&
      other !== tail.output &&
      shapeOf(index, other).join() === shapeOf(index, tail.output).join()
    )
      tail.residual = other;
    else return false;
  } else return false;
  return true;
}

/** Why a convolution has no int8 form, if so. */
function refusal(index: Index, attrs: Attrs, x: number, w: readonly number[], output: number): string | undefined {
  const [, c, h, width] = shapeOf(index, x) as [number, number, number, number];
  const [, , oh, ow] = shapeOf(index, output) as [number, number, number, number];
  const { groups, stride, padding, dilation } = attrs as unknown as Record<"stride" | "padding" | "dilation", readonly number[]> & {
    groups: number;
  };
  if (width < 4 || ow < 4) return `rows of ${Math.min(width, ow)} pixels; int8 kernels take rows of at least 4`;
  if (groups === 1) return undefined;
  if (groups !== c || w[0] !== c) return `${groups} groups; int8 has kernels for 1 group and for depthwise convolutions`;
  const s = stride[0]!;
  const fits = w[2] === 3 && w[3] === 3 && dilation.every((d) => d === 1) && stride[1] === s && s <= 2;
  // TensorFlow's "same" padding of even planes has none before.
  const before = padding[0] === 1 && padding[1] === 1;
  const none = s === 2 && padding[0] === 0 && padding[1] === 0 && h % 2 === 0 && width % 2 === 0;
  if (!fits || !(before || none) || oh !== Math.ceil(h / s) || ow !== Math.ceil(width / s))
    return `depthwise ${w[2]}x${w[3]}, stride ${stride.join("x")}, padding ${padding.join(" ")}; int8 has a kernel for 3x3, padding 1, stride 1 or 2`;
  return undefined;
}

/** Every product, mean and max pooling of a program, in the order of their last operation. */
export function int8Units(program: Program): Int8Unit[] {
  const makers = new Map<number, number>();
  const users = new Map<number, number[]>();
  program.operations.forEach(({ inputs, outputs }, i) => {
    for (const id of outputs) makers.set(id, i);
    for (const id of new Set(inputs)) users.set(id, [...(users.get(id) ?? []), i]);
  });
  const paths = new Map(Object.entries(program.params).map(([path, p]) => [p.value, path]));
  const index: Index = { program, makers, users, paths, taken: new Set() };
  const units: Int8Unit[] = [];
  const bounds = { lo: Number.NEGATIVE_INFINITY, hi: Number.POSITIVE_INFINITY };
  program.operations.forEach(({ op, inputs, outputs, attrs }, i) => {
    const [x, w] = inputs as [number, number | undefined];
    const weight = w === undefined ? undefined : paths.get(w);
    const shape = program.values[x]?.shape ?? [];
    const plain = { operations: [i], input: x, output: outputs[0]!, ...bounds };
    const stride = attrs["stride"] as readonly number[] | undefined;
    if ((op === "conv2d" || op === "matmul") && weight !== undefined) {
      if (users.get(w!)!.length > 1) {
        units.push({ ...plain, kind: op === "matmul" ? "linear" : "conv", weight, stays: "its weight is used more than once" });
        return;
      }
      const form = program.values[w!]!.shape;
      const tiny = op === "conv2d" && shape[2] === 1 && shape[3] === 1 && form[2] === 1 && form[3] === 1 && attrs["groups"] === 1;
      const tail = follow(index, i, outputs[0]!, op === "conv2d" ? form[0]! : shapeOf(index, outputs[0]!).at(-1)!);
      const common = { ...tail, input: x, weight };
      if (op === "conv2d" && !tiny) {
        const stays = refusal(index, attrs, x, form, outputs[0]!);
        const kind = attrs["groups"] === 1 ? "conv" : "depthwise";
        // Depthwise kernels take no residual: the addition stays an operation of its own.
        const unit = kind === "depthwise" && tail.residual !== undefined ? withoutResidual(index, tail, i) : tail;
        for (const k of unit.operations) index.taken.add(k);
        units.push({ ...common, ...unit, kind, ...(stays === undefined ? {} : { stays }) });
        return;
      }
      const straight =
        tiny || (form.length === 2 && attrs["transposeB"] === true && attrs["transposeA"] !== true && shape.length === 2);
      // The classifier's result is f32: only a bias joins it.
      const unit = biasOnly(index, tail, i, outputs[0]!);
      for (const k of unit.operations) index.taken.add(k);
      units.push({
        ...unit,
        input: x,
        weight,
        kind: "linear",
        ...(straight ? {} : { stays: "int8 has a kernel for [N, K] times the transpose of [O, K]" }),
      });
    } else if (op === "mean" && shape.length === 4 && (attrs["axes"] as readonly number[]).join() === "2,3") {
      units.push({ ...plain, kind: "mean" });
    } else if (
      op === "avgPool2d" &&
      shape.length === 4 &&
      (attrs["kernel"] as readonly number[]).join() === shape.slice(2).join() &&
      shapeOf(index, outputs[0]!).slice(2).join() === "1,1" &&
      (attrs["padding"] as readonly number[]).every((p) => p === 0)
    ) {
      units.push({ ...plain, kind: "mean" });
    } else if (op === "maxPool2d" && shape.length === 4 && stride) {
      const narrow = shape[3]! < 4 || shapeOf(index, outputs[0]!)[3]! < 4;
      units.push({ ...plain, kind: "maxPool", ...(narrow ? { stays: "int8 kernels take rows of at least 4 pixels" } : {}) });
    }
  });
  return units.sort((a, b) => Math.max(...a.operations) - Math.max(...b.operations));
}

/** A tail cut before its addition. */
function withoutResidual(index: Index, tail: Tail, first: number): Tail {
  const output = index.program.operations[first]!.outputs[0]!;
  return biasOnly(index, tail, first, output);
}

/** A tail of the product and at most its bias. */
function biasOnly({ program }: Index, tail: Tail, first: number, output: number): Tail {
  const cut: Tail = { operations: [first], output, lo: Number.NEGATIVE_INFINITY, hi: Number.POSITIVE_INFINITY };
  if (tail.bias === undefined) return cut;
  const second = tail.operations[1]!;
  // The bias came first, or it joined after a residual and stays apart.
  if (
    program.operations[second]!.op !== "add" ||
    (tail.residual !== undefined && program.operations[second]!.inputs.includes(tail.residual))
  )
    return cut;
  return { ...cut, operations: [first, second], output: program.operations[second]!.outputs[0]!, bias: tail.bias };
}
