/** Live positions and values of a weight as lists, in single entries or in blocks of rows. */
import { sizeOf, type Tensor } from "../core/index.js";

/** Live positions of a sparse param as users give and get them: CSR over [shape[0] / block, rest]. */
export interface Live {
  readonly rowPtr: Int32Array;
  readonly columns: Int32Array;
  /** [entries * block], block rows of an entry side by side. */
  readonly values: Float32Array;
}

/** Ones where a weight lives, row-major. */
interface Bits {
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

/** The most neighbouring rows (4, 2 or 1) that share all their kept columns: such blocks have faster kernels and shorter index lists. */
export function blockRows({ shape, data }: Bits): 1 | 2 | 4 {
  const rows = shape[0]!;
  const columns = data.length / rows;
  const share = (size: number): boolean => {
    if (rows % size !== 0) return false;
    for (let r = 0; r < rows; r++) {
      const first = (r - (r % size)) * columns;
      for (let c = 0; c < columns; c++) if (data[r * columns + c] !== data[first + c]) return false;
    }
    return true;
  };
  return share(4) ? 4 : share(2) ? 2 : 1;
}

/** Lists of a matrix [rows * block, columns]: the columns of each row of blocks where `lives` says so. */
function lists(data: Float32Array, rows: number, columns: number, block: number, lives: (at: number) => boolean): Live {
  const rowPtr = new Int32Array(rows + 1);
  const list: number[] = [];
  const values: number[] = [];
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) {
      let any = false;
      for (let b = 0; b < block; b++) any ||= lives((r * block + b) * columns + c);
      if (!any) continue;
      list.push(c);
      for (let b = 0; b < block; b++) values.push(data[(r * block + b) * columns + c]!);
    }
    rowPtr[r + 1] = list.length;
  }
  return { rowPtr, columns: Int32Array.from(list), values: Float32Array.from(values) };
}

/** The non-zero positions of a dense tensor as live positions. */
export function liveOf(value: Tensor<"f32">, block: 1 | 2 | 4 = 1): Live {
  const { data, shape } = value;
  return lists(data, shape[0]! / block, sizeOf(shape.slice(1)), block, (at) => data[at] !== 0);
}

/** The positions that a mask keeps, with their values in a dense tensor of its shape; `block` divides what `blockRows` gives. */
export function liveUnder(mask: Bits, values: Float32Array, block: 1 | 2 | 4): Live {
  return lists(values, mask.shape[0]! / block, sizeOf(mask.shape.slice(1)), block, (at) => mask.data[at] === 1);
}
