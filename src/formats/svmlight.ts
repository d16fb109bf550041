/** svmlight / libsvm text files: `label index:value index:value # comment`, one example per line. */
import { FormatError, show } from "../core/index.js";
import { plainNumber, toText } from "./text.js";

/** Labelled sparse rows. */
export interface SvmlightRows {
  readonly rows: number;
  /** One more than the highest index, counted from 0. */
  readonly cols: number;
  readonly rowPtr: Int32Array;
  /** Columns from 0, increasing within a row. */
  readonly columns: Int32Array;
  readonly values: Float32Array;
  /** The label of each row, as written. */
  readonly labels: Float64Array;
}

const FORMAT = "svmlight";
const MAX_INDEX = 0x7ffffffe;

/**
 * Reads an svmlight file.
 * @param firstIndex  what the first feature is called in the file: 1 (the format's rule, default) or 0
 * @throws FormatError that names the line: labels and values must be finite numbers, indices increasing integers
 */
export function readSvmlight(input: Uint8Array | string, firstIndex: 0 | 1 = 1): SvmlightRows {
  const labels: number[] = [];
  const rowPtr = [0];
  const columns: number[] = [];
  const values: number[] = [];
  let cols = 0;
  for (const [number, line] of toText(FORMAT, input).split("\n").entries()) {
    const fail = (problem: string) => new FormatError(FORMAT, `line ${number + 1}: ${problem}`);
    const fields = line.replace(/#.*$/s, "").trim().split(/\s+/);
    if (fields[0] === "") continue;
    const label = plainNumber(fields[0]!);
    if (Number.isNaN(label)) throw fail(`expected a numeric label, got ${show(fields[0])}`);
    labels.push(label);
    let last = -1;
    for (const field of fields.slice(1)) {
      const colon = field.indexOf(":");
      const key = field.slice(0, Math.max(0, colon));
      const value = plainNumber(field.slice(colon + 1));
      if (key === "qid" && !Number.isNaN(value)) continue;
      if (!/^\d{1,10}$/.test(key) || Number.isNaN(value)) throw fail(`expected index:value, got ${show(field)}`);
      const column = Number(key) - firstIndex;
      if (column < 0) throw fail(`index 0 in a file whose first index is 1: read it with firstIndex 0`);
      if (column <= last) throw fail(`index ${key} does not rise above the one before it`);
      if (column > MAX_INDEX) throw fail(`index ${key} is above ${MAX_INDEX}`);
      columns.push(column);
      values.push(value);
      last = column;
    }
    cols = Math.max(cols, last + 1);
    rowPtr.push(columns.length);
  }
  if (labels.length === 0) throw new FormatError(FORMAT, "the file holds no example");
  return {
    rows: labels.length,
    cols,
    rowPtr: Int32Array.from(rowPtr),
    columns: Int32Array.from(columns),
    values: Float32Array.from(values),
    labels: Float64Array.from(labels),
  };
}
