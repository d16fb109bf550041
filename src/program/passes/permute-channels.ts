/** Puts the units of a channel group in another order: no change of function, another neighbourhood for every filter. */
import { InputError, sizeOf, type Tensor, type Tree } from "../../core/index.js";
import type { ChannelGroup } from "./channel-groups.js";

/**
 * The params with the units of a group in the order `order`: the unit at place i is the one that was at `order[i]`. The program
 * stays as it is. Exact up to the order in which readers sum.
 *
 * @param order a permutation of 0 .. units - 1
 * @throws InputError when `order` is none, or a param is missing
 */
export function permuteChannels(
  params: Tree<Tensor>,
  { name, units, ordered }: ChannelGroup,
  order: ArrayLike<number>,
): Tree<Tensor> {
  if (ordered)
    throw new InputError(
      `permuteChannels: the program holds a constant for each channel of ${name}; these channels must keep their places`,
    );
  const seen = new Set(Array.from(order));
  if (order.length !== units.length || seen.size !== units.length || [...seen].some((u) => !(u >= 0 && u < units.length))) {
    throw new InputError(`permuteChannels: expected a permutation of the ${units.length} units of ${name}`);
  }
  const out: Record<string, Tensor> = { ...params };
  units[0]!.members.forEach(({ path, axis }, m) => {
    const value = out[path];
    if (!value) throw new InputError(`permuteChannels: no value for the param "${path}"`);
    const from = Int32Array.from({ length: value.shape[axis]! }, (_, i) => i);
    units.forEach(({ members }, place) => {
      const source = units[order[place]!]!.members[m]!.indices;
      members[m]!.indices.forEach((to, k) => {
        from[to] = source[k]!;
      });
    });
    const inner = sizeOf(value.shape.slice(axis + 1));
    const along = value.shape[axis]!;
    const data = new Float32Array(value.data.length);
    for (let i = 0; i < data.length; i += inner) {
      const at = Math.floor(i / inner);
      const source = (Math.floor(at / along) * along + from[at % along]!) * inner;
      data.set(value.data.subarray(source, source + inner), i);
    }
    out[path] = { ...value, data };
  });
  return out;
}
