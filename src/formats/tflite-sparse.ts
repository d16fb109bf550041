/** Sparse tensors of TFLite: a tree of levels, each dense or compressed, over the dims and then over block dims (TACO). */
import { FormatError, sizeOf } from "../core/index.js";
import { type Elements, type NamedArray, requireDensity } from "./array.js";
import type { FlatTable } from "./flatbuffer.js";

const FORMAT = "tflite";

type Level = { readonly dense: number } | { readonly segments: readonly number[]; readonly indices: readonly number[] };

/** An index vector is stored as int32, uint16 or uint8. */
function indexList(t: FlatTable, typeField: number): number[] {
  const held = t.table(typeField + 1);
  const list = held && [undefined, held.int32s(0), held.uint16s(0), held.uint8s(0)][t.int8(typeField)];
  return list ?? [];
}

/**
 * Expands stored values to the dense tensor and the mask of what was stored.
 *
 *     traversal order: permutation of dims, then of blocked dims; block map: which dim each block splits
 *
 * @param values the stored values, in the order of the traversal
 * @throws FormatError when levels and shape do not fit, or indices lie outside
 */
export function expandTfliteSparse(
  what: string,
  values: NamedArray,
  shape: readonly number[],
  t: FlatTable,
): { data: NamedArray; mask: Uint8Array } {
  const fail = (problem: string): never => {
    throw new FormatError(FORMAT, `${what}: its sparse index ${problem}`);
  };
  const order = t.int32s(0) ?? [];
  const blockMap = t.int32s(1) ?? [];
  const rank = shape.length;
  const depth = rank + blockMap.length;
  if (
    rank > 8 ||
    blockMap.length > rank ||
    order.length !== depth ||
    [...order].sort((a, b) => a - b).some((d, i) => d !== i) ||
    new Set(blockMap).size !== blockMap.length ||
    blockMap.some((d) => d < 0 || d >= rank)
  ) {
    fail(
      `has the order [${order.slice(0, 16).join(", ")}] and the blocks [${blockMap.slice(0, 16).join(", ")}], which do not fit [${shape.join(", ")}]`,
    );
  }
  const levels = t
    .tables(2)
    .map((d): Level => (d.int8(0) === 0 ? { dense: d.int32(1) } : { segments: indexList(d, 2), indices: indexList(d, 4) }));
  if (levels.length !== depth) fail(`has ${levels.length} levels, expected ${depth}`);
  // Sizes of the traversed dims: a block level is dense and holds the block's size.
  const block = new Array<number>(rank).fill(1);
  order.forEach((d, level) => {
    if (d < rank) return;
    const held = levels[level]!;
    const size = "dense" in held ? held.dense : fail("has a compressed block");
    const dim = blockMap[d - rank]!;
    if (size < 1 || shape[dim]! % size !== 0) fail(`has blocks of ${size} in a dim of ${shape[dim]}`);
    block[dim] = block[dim]! * size;
  });
  const size = sizeOf(shape);
  requireDensity(FORMAT, what, size, values.data.length);
  const out = new (values.data.constructor as new (n: number) => Elements)(size);
  const mask = new Uint8Array(size);
  const strides = shape.map((_, i) => sizeOf(shape.slice(i + 1)));
  const at = new Array<number>(depth).fill(0);
  let next = 0;
  const put = (): void => {
    let flat = 0;
    for (let d = 0; d < rank; d++) {
      let c = at[d]!;
      blockMap.forEach((dim, b) => {
        if (dim === d) c = c * block[d]! + at[rank + b]!;
      });
      if (c >= shape[d]!) fail(`reaches ${c} in a dim of ${shape[d]}`);
      flat += c * strides[d]!;
    }
    if (next >= values.data.length) fail(`covers more positions than the ${values.data.length} stored values`);
    (out as Float32Array)[flat] = (values.data as Float32Array)[next++]!;
    mask[flat] = 1;
  };
  const walk = (level: number, parent: number): void => {
    if (level === depth) {
      put();
      return;
    }
    const held = levels[level]!;
    const dim = order[level]!;
    const room = dim < rank ? shape[dim]! / block[dim]! : ((held as { dense: number }).dense ?? 0);
    if ("dense" in held) {
      if (held.dense !== room) fail(`has a level of ${held.dense} in a dim of ${room}`);
      for (let i = 0; i < held.dense; i++) {
        at[dim] = i;
        walk(level + 1, parent * held.dense + i);
      }
      return;
    }
    const [from, to] = [held.segments[parent], held.segments[parent + 1]];
    if (from === undefined || to === undefined || from > to || to > held.indices.length || from < 0)
      fail(`has the segment ${from} to ${to} of ${held.indices.length}`);
    for (let k = from!; k < to!; k++) {
      const i = held.indices[k]!;
      if (i < 0 || i >= room || (k > from! && i <= held.indices[k - 1]!)) fail(`has the index ${i} in a dim of ${room}`);
      at[dim] = i;
      walk(level + 1, k);
    }
  };
  if (size > 0) walk(0, 0);
  if (next !== values.data.length) fail(`covers ${next} of ${values.data.length} stored values`);
  return { data: { dtype: values.dtype, shape, data: out } as NamedArray, mask };
}
