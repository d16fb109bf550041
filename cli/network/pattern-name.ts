/** The pattern of a weight's zeros, found from where its values lie. */
import type { FileParam } from "../../src/runtime/index.js";

const ratios = [
  [1, 2],
  [1, 4],
  [2, 4],
  [2, 8],
  [4, 8],
] as const;

/** `dense`, `dense int8`, `block:4x4 int8`, `block:2x1`, `kernels:8` (whole kernels of that many neighbouring filters), `2:4`, `unstructured`. */
export function patternName(param: FileParam): string {
  if (param.kind === "dense") return "dense";
  if (param.kind === "int8") {
    const { sparse } = param.value;
    return sparse ? `${sparse.block ? `block:${sparse.block.join("x")}` : "unstructured"} int8` : "dense int8";
  }
  const { value } = param;
  const { layout, block, nm, rowPtr, columns, shape } = value;
  const kernel = shape.length === 4 ? shape[2]! * shape[3]! : 1;
  const wide = columns.length * (block ? block[0] * block[1] : 1);
  if (layout === "block" && block && (kernel === 1 || block[1] !== 1)) return `block:${block[0]}x${block[1]}`;
  const rows = rowPtr.length - 1;
  const row = (r: number) => columns.subarray(rowPtr[r]!, rowPtr[r + 1]!);
  const high = block?.[0] ?? 1;
  if (kernel > 1 && isWholeKernels(rows, row, kernel)) {
    const share = [16, 8, 4, 2, 1].find((g) => g % high === 0 && sameInGroups(rows, row, g / high)) ?? high;
    return `kernels:${share}`;
  }
  if (layout === "block" && block) return `block:${block[0]}x${block[1]}`;
  if (nm) return `${nm.keep}:${nm.of}`;
  const size = shape.reduce((a, b) => a * b, 1);
  const found = ratios.find(([keep, of]) => wide * of === size * keep && isNm(rows, row, keep, of));
  return found ? `${found[0]}:${found[1]}` : "unstructured";
}

type Row = (r: number) => ArrayLike<number>;

function isWholeKernels(rows: number, row: Row, kernel: number): boolean {
  for (let r = 0; r < rows; r++) {
    const own = row(r);
    if (own.length % kernel !== 0) return false;
    for (let i = 0; i < own.length; i += kernel)
      if (own[i]! % kernel !== 0 || own[i + kernel - 1] !== own[i]! + kernel - 1) return false;
  }
  return true;
}

function sameInGroups(rows: number, row: Row, group: number): boolean {
  if (rows % group !== 0) return false;
  for (let r = 0; r < rows; r++) {
    const [own, first] = [row(r), row(r - (r % group))];
    if (own.length !== first.length) return false;
    for (let i = 0; i < own.length; i++) if (own[i] !== first[i]) return false;
  }
  return true;
}

function isNm(rows: number, row: Row, keep: number, of: number): boolean {
  for (let r = 0; r < rows; r++) {
    const counts = new Map<number, number>();
    for (const column of Array.from(row(r))) {
      const group = Math.floor(column / of);
      const n = (counts.get(group) ?? 0) + 1;
      if (n > keep) return false;
      counts.set(group, n);
    }
  }
  return true;
}
