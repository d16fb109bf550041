/** What a layer is: the params it owns and a function of their values. No classes, no hidden state. */
import { InputError, mapTree, type Rng, type Tensor, type Tree, tensor } from "../core/index.js";
import type { ParamLayout, ParamSpec, Value } from "../program/index.js";

/** What a param is for: weights are multiplied, statistics are carried along and never differentiated. */
export type ParamKind = "weight" | "bias" | "norm" | "statistic";
/** Where a param sits: methods and meters choose by it. */
export type ParamRole = "linear" | "conv" | "depthwise" | "embedding" | "recurrent" | "norm";

/** One param of a module. */
export interface ParamDef {
  /** [out, in], [out, in/groups, kh, kw], [channels], ... */
  readonly shape: readonly number[];
  readonly kind: ParamKind;
  readonly role: ParamRole;
  /** Whether pruning methods may make it sparse by default. */
  readonly prunable: boolean;
  /**
   * First values. With a mask, those made for a param of this live pattern (fan-in counts live inputs only).
   * @param mask 1 for live, 0 for dead, one per element
   */
  init(rng: Rng, mask?: Uint8Array): Float32Array;
}

/** What a forward pass knows beside its params. */
export interface Context {
  /** Training: batch statistics, dropout. */
  readonly training: boolean;
  /** i32 [2], a new one for every step; needed by dropout in training. */
  readonly key?: Value | undefined;
  /** Gives a param (a statistic) its value for the next step. */
  update(path: string, value: Value): void;
  /** Takes `count` positions of the key's stream and returns the first. */
  reserve(count: number): number;
}

/** A layer or a network of layers. */
export interface Module {
  readonly params: Tree<ParamDef>;
  /** @param p values by this module's own paths */
  apply(p: Tree<Value>, x: Value, context: Context): Value;
}

/** A context and the updates that a pass leaves in it. */
export function createContext({ training, key }: { training: boolean; key?: Value }): Context & { readonly updates: Tree<Value> } {
  const updates: Record<string, Value> = {};
  let at = 0;
  return {
    training,
    key,
    updates,
    update(path, value) {
      updates[path] = value;
    },
    reserve(count) {
      const from = at;
      at += count;
      return from;
    },
  };
}

/** The part of a tree below a prefix, without the prefix. */
export function within<T>(tree: Tree<T>, prefix: string): Tree<T> {
  const from = `${prefix}.`;
  const out: Record<string, T> = {};
  for (const path of Object.keys(tree)) if (path.startsWith(from)) out[path.slice(from.length)] = tree[path]!;
  return out;
}

/** A tree with a prefix before every path. */
export function prefixed<T>(tree: Tree<T>, prefix: string): Tree<T> {
  const out: Record<string, T> = {};
  for (const path of Object.keys(tree)) out[`${prefix}.${path}`] = tree[path]!;
  return out;
}

/** A context whose updates carry a prefix. */
const below = (context: Context, prefix: string): Context => ({
  ...context,
  update: (path, value) => context.update(`${prefix}.${path}`, value),
});

/** Params of named children, by path: child name, dot, the child's own path. */
export const paramsOf = (children: Readonly<Record<string, Module>>): Tree<ParamDef> =>
  Object.assign({}, ...Object.entries(children).map(([name, child]) => prefixed(child.params, name)));

/** Applies a named child to x with the parent's values. */
export const applyChild = (
  children: Readonly<Record<string, Module>>,
  name: string,
  p: Tree<Value>,
  x: Value,
  context: Context,
): Value => {
  const child = children[name];
  if (!child) throw new InputError(`no child module "${name}"; children are ${Object.keys(children).join(", ")}`);
  return child.apply(within(p, name), x, below(context, name));
};

/**
 * A module of named children with its own forward rule.
 *
 *     compose({ a: linear(4, 8), b: linear(8, 2) }, (run, x) => run("b", relu(run("a", x))))
 */
export function compose(
  children: Readonly<Record<string, Module>>,
  forward: (run: (child: string, x: Value) => Value, x: Value, context: Context) => Value,
): Module {
  return {
    params: paramsOf(children),
    apply: (p, x, context) => forward((name, value) => applyChild(children, name, p, value, context), x, context),
  };
}

/** Modules one after another, in the order of the record. */
export const sequential = (children: Readonly<Record<string, Module>>): Module =>
  compose(children, (run, x) => Object.keys(children).reduce((value, name) => run(name, value), x));

/** A module without params. */
export const lambda = (f: (x: Value, context: Context) => Value): Module => ({
  params: {},
  apply: (_, x, context) => f(x, context),
});

/** First values of all params: each from its own stream, named by its path, so adding a layer changes no other. */
export const initParams = (module: Module, rng: Rng, masks: Tree<{ readonly data: Uint8Array }> = {}): Tree<Tensor> =>
  mapTree(module.params, (def, path) => tensor(def.shape, def.init(rng.split(path), masks[path]?.data)));

/** What a tracer needs to declare a module's params; sparse ones by path in `layouts`. */
export const paramSpecs = (module: Module, layouts: Tree<ParamLayout> = {}): Tree<ParamSpec> =>
  mapTree(module.params, (def, path) => ({ shape: def.shape, ...(layouts[path] ? { layout: layouts[path] } : {}) }));

/** Paths that an optimiser trains: all but statistics. */
export const trainable = (module: Module): string[] =>
  Object.keys(module.params).filter((path) => module.params[path]!.kind !== "statistic");
