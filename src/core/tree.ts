/** A flat map from parameter path (`"block0.fc1.weight"`) to a leaf. Masks, gradients and optimiser slots share the keys. */
export type Tree<T> = Readonly<Record<string, T>>;

/** Applies `f` to every leaf; the result has the same keys in the same order. */
export function mapTree<T, U>(tree: Tree<T>, f: (leaf: T, path: string) => U): Tree<U> {
  const out: Record<string, U> = {};
  for (const path of Object.keys(tree)) out[path] = f(tree[path]!, path);
  return out;
}

/** The leaves whose path or value passes `keep`. */
export function filterTree<T>(tree: Tree<T>, keep: (leaf: T, path: string) => boolean): Tree<T> {
  const out: Record<string, T> = {};
  for (const path of Object.keys(tree)) if (keep(tree[path]!, path)) out[path] = tree[path]!;
  return out;
}
