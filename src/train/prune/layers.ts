/** The layers of a program as pruning sees them: which may be pruned, which stay dense and why, each weight as a matrix. */
import { InputError, OptionError, requireSparsity, type Tensor, type Tree, tensor } from "../../core/index.js";
import { type Product, type Program, productsOf } from "../../program/index.js";
import type { ParamInfo } from "../../sparsity/index.js";

/** A weight with all its uses. */
export interface PruneLayer {
  readonly path: string;
  /** In program order; more than one where the weight is shared. */
  readonly products: readonly Product[];
  readonly kind: Product["kind"];
  /** The weight as [rows, columns]: outputs by inputs (a convolution's columns are input channel, kernel row, kernel column). */
  readonly rows: number;
  readonly columns: number;
  /** Elements of one kernel (kh kw), 1 for a linear layer. */
  readonly kernel: number;
  /** Why it stays dense, or undefined when it is pruned. */
  readonly dense?: string;
  /** Its own sparsity, where a rule gives one. */
  readonly sparsity?: number;
}

/** Sparsity of the layers whose path matches: an exact path, or a pattern with `*`. 0 leaves them dense. */
export interface LayerRule {
  readonly match: string;
  /** In [0, 1). */
  readonly sparsity: number;
}

/** Which layers are pruned. */
export interface LayerChoice {
  /** Layers to leave dense, by path or pattern with `*`. */
  readonly exclude?: readonly string[];
  /** Later rules win. A rule also overrules the defaults. */
  readonly rules?: readonly LayerRule[];
  /** Kinds that stay dense by default; each default true. */
  readonly keepDense?: { readonly first?: boolean; readonly depthwise?: boolean; readonly last?: boolean };
}

const matches = (pattern: string, path: string): boolean =>
  new RegExp(
    `^${pattern
      .split("*")
      .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"))
      .join(".*")}$`,
  ).test(path);

/**
 * The layers of a program, with the field's defaults: the first convolution, depthwise convolutions and the last layers stay dense
 * (few weights, large loss: Gale et al. 2019, arXiv:1902.09574; Elsen et al. 2019, arXiv:1911.09723).
 *
 * @throws OptionError when a rule or an exclusion matches no layer; InputError when nothing is left to prune
 */
export function pruneLayers(program: Program, { exclude = [], rules = [], keepDense = {} }: LayerChoice = {}): PruneLayer[] {
  const { first = true, depthwise = true, last = true } = keepDense;
  const products = productsOf(program);
  const { before, after } = order(program, products);
  const byPath = new Map<string, Product[]>();
  for (const product of products) byPath.set(product.path, [...(byPath.get(product.path) ?? []), product]);
  const all = [...byPath.keys()];
  const need = (option: string, pattern: string) => {
    if (!all.some((path) => matches(pattern, path)))
      throw new OptionError(option, `a layer (${all.join(", ") || "there is none"})`, pattern);
  };
  for (const pattern of exclude) need("prune.exclude", pattern);
  rules.forEach(({ match, sparsity }, i) => {
    need(`prune.rules[${i}].match`, match);
    requireSparsity(`prune.rules[${i}].sparsity`, sparsity);
  });
  const layers = all.map((path): PruneLayer => {
    const uses = byPath.get(path)!;
    const { kind, rows, columns } = uses[0]!;
    const { shape } = program.values[program.params[path]!.value]!;
    const own = { path, products: uses, kind, rows, columns, kernel: kind === "linear" ? 1 : shape[2]! * shape[3]! };
    if (exclude.some((pattern) => matches(pattern, path))) return { ...own, dense: "excluded" };
    const rule = rules.findLast(({ match }) => matches(match, path));
    if (rule) return rule.sparsity === 0 ? { ...own, dense: "a rule gives it sparsity 0" } : { ...own, sparsity: rule.sparsity };
    if (depthwise && kind === "depthwise") return { ...own, dense: "depthwise convolutions stay dense by default" };
    if (first && kind !== "linear" && uses.some(({ operation }) => !before.has(operation)))
      return { ...own, dense: "the first convolution stays dense by default" };
    if (last && all.length > 1 && uses.some(({ operation }) => !after.has(operation)))
      return { ...own, dense: "the last layer stays dense by default" };
    return own;
  });
  if (layers.every(({ dense }) => dense !== undefined)) {
    throw new InputError(
      `prune: no layer is left to prune (${layers.map(({ path, dense }) => `${path}: ${dense}`).join("; ") || "the program has no weights"}); exclude fewer, or give a rule for one`,
    );
  }
  return layers;
}

/** Products that come after another one (`before` it lies another), and products that another one comes after. */
function order(program: Program, products: readonly Product[]): { before: Set<number>; after: Set<number> } {
  const weights = new Map(products.map((product) => [product.operation, product]));
  const from = new Map<number, Set<number>>();
  const before = new Set<number>();
  const after = new Set<number>();
  program.operations.forEach(({ inputs, outputs }, i) => {
    const above = new Set<number>();
    for (const id of inputs) for (const product of from.get(id) ?? []) above.add(product);
    if (weights.has(i)) {
      if (above.size > 0) before.add(i);
      for (const product of above) after.add(product);
      above.clear();
      above.add(i);
    }
    for (const id of outputs) from.set(id, above);
  });
  return { before, after };
}

/** What distributions may know of the layers that are pruned at the common sparsity. */
export const infosOf = (layers: readonly PruneLayer[], program: Program): Tree<ParamInfo> =>
  Object.fromEntries(
    layers.map(({ path, kind, rows, columns, dense, sparsity }): [string, ParamInfo] => {
      const shape = kind === "linear" ? [rows, columns] : program.values[program.params[path]!.value]!.shape;
      return [
        path,
        {
          shape,
          prunable: dense === undefined && sparsity === undefined,
          kind: kind === "linear" ? "linear" : kind === "depthwise" ? "depthwise" : "conv",
        },
      ];
    }),
  );

/** A param's data as the layer's matrix [rows, columns]. */
export function toMatrix<T extends Float32Array | Uint8Array>({ products, rows, columns }: PruneLayer, data: T): T {
  return products[0]!.transposed ? transposed(data, columns, rows) : data;
}

/** A layer's matrix as the param stores it. */
export function fromMatrix<T extends Float32Array | Uint8Array>({ products, rows, columns }: PruneLayer, data: T): T {
  return products[0]!.transposed ? transposed(data, rows, columns) : data;
}

function transposed<T extends Float32Array | Uint8Array>(data: T, rows: number, columns: number): T {
  const out = data.slice() as T;
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) out[c * rows + r] = data[r * columns + c]!;
  return out;
}

/** The layer's weight as a tensor [rows, columns]. @throws InputError when it is missing or not finite */
export function matrixOf(layer: PruneLayer, params: Tree<Tensor>): Tensor {
  const value = params[layer.path];
  if (!value) throw new InputError(`prune: no value for the param "${layer.path}"`);
  const bad = value.data.findIndex((w) => !Number.isFinite(w));
  if (bad >= 0)
    throw new InputError(`prune: ${layer.path} holds ${value.data[bad]} at position ${bad}; every weight must be finite`);
  return tensor([layer.rows, layer.columns], toMatrix(layer, value.data));
}
