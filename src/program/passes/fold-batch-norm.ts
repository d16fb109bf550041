/**
 * Folds batch normalisation with running statistics into the convolution or product before it:
 *
 *     gamma (w x + b - mean) / sqrt(variance + eps) + beta  =  (s w) x + (s (b - mean) + beta),   s = gamma / sqrt(variance + eps)
 *
 * The pattern of a sparse weight stays: each row is scaled. One operation and four params go for each fold.
 */
import { sizeOf, type Tensor, type Tree, tensor } from "../../core/index.js";
import type { Operation, Program, ValueType } from "../types.js";

interface Fold {
  readonly norm: number;
  readonly product: number;
  /** The addition of a bias between them. */
  readonly addition?: number;
  readonly weight: string;
  readonly bias?: string;
}

/** A folded program and the values of its params. */
export interface Folded {
  readonly program: Program;
  readonly params: Tree<Tensor>;
}

/**
 * @param program an inference program; normalisations that do not follow a product with a param weight stay
 * @param params  values of all params, dense
 */
export function foldBatchNorm(program: Program, params: Tree<Tensor>): Folded {
  const folds = findFolds(program);
  const values: ValueType[] = [...program.values];
  const next: Record<string, Tensor> = { ...params };
  const specs: Record<string, Program["params"][string]> = { ...program.params };
  const replaced = new Map<number, Operation[]>();
  const gone = new Set<number>();
  const add = (type: ValueType): number => values.push(type) - 1;
  const paths = new Map(Object.entries(program.params).map(([path, p]) => [p.value, path]));

  for (const fold of folds) {
    const norm = program.operations[fold.norm]!;
    const product = program.operations[fold.product]!;
    const [gamma, beta, mean, variance] = norm.inputs.slice(1).map((id) => params[paths.get(id)!]!) as [
      Tensor,
      Tensor,
      Tensor,
      Tensor,
    ];
    const eps = norm.attrs["eps"] as number;
    const weight = params[fold.weight]!;
    const bias = fold.bias === undefined ? undefined : params[fold.bias]!;
    const channels = gamma.data.length;
    const scaled = tensor(weight.shape, weight.data.slice());
    const shift = tensor([channels]);
    const row = sizeOf(weight.shape) / channels;
    for (let c = 0; c < channels; c++) {
      const s = gamma.data[c]! / Math.sqrt(variance.data[c]! + eps);
      for (let i = c * row; i < (c + 1) * row; i++) scaled.data[i] = weight.data[i]! * s;
      shift.data[c] = ((bias?.data[c] ?? 0) - mean.data[c]!) * s + beta.data[c]!;
    }
    next[fold.weight] = scaled;
    const biasPath = `${fold.weight}:bias`;
    next[biasPath] = shift;
    const biasValue = add({ shape: [channels], dtype: "f32" });
    specs[biasPath] = { value: biasValue, layout: { kind: "dense" } };
    const rank = values[norm.outputs[0]!]!.shape.length;
    const wide = [1, channels, ...new Array<number>(rank - 2).fill(1)];
    const shaped = add({ shape: wide, dtype: "f32" });
    gone.add(fold.norm);
    if (fold.addition !== undefined) gone.add(fold.addition);
    replaced.set(fold.norm, [
      { op: "reshape", inputs: [biasValue], outputs: [shaped], attrs: { shape: wide } },
      { op: "add", inputs: [product.outputs[0]!, shaped], outputs: [norm.outputs[0]!], attrs: {} },
    ]);
  }
  const edited = program.operations.flatMap((operation, i) => replaced.get(i) ?? (gone.has(i) ? [] : [operation]));
  const operations = dropUnused(edited, program);
  const used = new Set(operations.flatMap((o) => o.inputs));
  const kept = Object.keys(specs).filter((path) => used.has(specs[path]!.value));
  return {
    program: {
      ...program,
      values,
      operations,
      params: Object.fromEntries(kept.map((path) => [path, specs[path]!])),
    },
    params: Object.fromEntries(kept.map((path) => [path, next[path]!])),
  };
}

function dropUnused(operations: readonly Operation[], program: Program): Operation[] {
  const used = new Set([...Object.values(program.outputs), ...Object.values(program.updates)]);
  const kept: Operation[] = [];
  for (const operation of [...operations].reverse()) {
    if (!operation.outputs.some((id) => used.has(id))) continue;
    for (const id of operation.inputs) used.add(id);
    kept.push(operation);
  }
  return kept.reverse();
}

function findFolds(program: Program): Fold[] {
  const makers = new Map<number, number>();
  const uses = new Map<number, number>();
  program.operations.forEach((operation, i) => {
    for (const id of operation.outputs) makers.set(id, i);
    for (const id of operation.inputs) uses.set(id, (uses.get(id) ?? 0) + 1);
  });
  for (const id of Object.values(program.outputs)) uses.set(id, (uses.get(id) ?? 0) + 1);
  const paths = new Map(Object.entries(program.params).map(([path, p]) => [p.value, path]));
  const single = (id: number) => uses.get(id) === 1;
  const folds: Fold[] = [];
  program.operations.forEach((norm, i) => {
    if (norm.op !== "batchNormInference" || !norm.inputs.slice(1).every((id) => paths.has(id))) return;
    let from = norm.inputs[0]!;
    if (!single(from)) return;
    let addition: number | undefined;
    let bias: string | undefined;
    let maker = makers.get(from);
    if (maker !== undefined && program.operations[maker]!.op === "add") {
      const [a, b] = program.operations[maker]!.inputs as [number, number];
      bias = isPerChannel(program.values[b]!.shape, program.values[a]!.shape) ? biasPath(program, makers, paths, b) : undefined;
      if (bias === undefined || !single(a)) return;
      addition = maker;
      from = a;
      maker = makers.get(a);
    }
    if (maker === undefined) return;
    const product = program.operations[maker]!;
    const isProduct =
      product.op === "conv2d" || (product.op === "matmul" && product.attrs["transposeB"] === true && !product.attrs["transposeA"]);
    const weight = paths.get(product.inputs[1]!);
    if (!isProduct || weight === undefined || !single(product.inputs[1]!)) return;
    folds.push({
      norm: i,
      product: maker,
      weight,
      ...(addition === undefined ? {} : { addition }),
      ...(bias === undefined ? {} : { bias }),
    });
  });
  return folds;
}

/** Whether an addend has one value for each channel (dim 1) of what it is added to, and no other. */
function isPerChannel(shape: readonly number[], to: readonly number[]): boolean {
  const first = to.length - shape.length;
  return first <= 1 && first >= 0 && shape.every((n, i) => n === (first + i === 1 ? to[1] : 1));
}

/** The param behind an added bias, reshaped or not. */
function biasPath(program: Program, makers: Map<number, number>, paths: Map<number, string>, id: number): string | undefined {
  const direct = paths.get(id);
  if (direct !== undefined) return direct;
  const maker = makers.get(id);
  const operation = maker === undefined ? undefined : program.operations[maker]!;
  return operation?.op === "reshape" ? paths.get(operation.inputs[0]!) : undefined;
}
