/** Tables as datasets: csv, svmlight and npz. */
import { InputError, OptionError, show } from "../core/index.js";
import { type CsvOptions, csvColumn, csvNumbers, type NamedArray, readCsv, readNpz, readSvmlight } from "../formats/index.js";
import { type Dataset, identity, makeDataset, measureNormalisation } from "./dataset.js";

/** How a table becomes a dataset. */
export interface TableOptions {
  /** For messages and reports. */
  readonly name: string;
  /** Zero mean and unit variance over the whole table (one mean and deviation); default false: values as they are. */
  readonly standardise?: boolean;
}

/** Classes 0, 1, ... for distinct labels: numbers in increasing order when all are numbers, else text in code unit order. */
function classesOf(labels: readonly string[]): { classNames: string[]; classOf: Map<string, number> } {
  const distinct = [...new Set(labels)];
  const numeric = distinct.every((label) => label.trim() !== "" && Number.isFinite(Number(label)));
  const classNames = numeric ? distinct.sort((a, b) => Number(a) - Number(b)) : distinct.sort();
  return { classNames, classOf: new Map(classNames.map((name, i) => [name, i])) };
}

function tableDataset(
  options: TableOptions,
  kind: string,
  features: number,
  inputs: Float32Array,
  labels: readonly string[],
): Dataset {
  const { classNames, classOf } = classesOf(labels);
  const dataset = makeDataset({
    name: options.name,
    shape: [features],
    classes: classNames.length,
    classNames,
    inputs,
    labels: Int32Array.from(labels, (label) => classOf.get(label)!),
    normalisation: identity,
    source: kind,
  });
  return options.standardise ? { ...dataset, normalisation: measureNormalisation(dataset) } : dataset;
}

/**
 * A csv file as a dataset: one column is the class, the others (or `features`) are numbers.
 * @param options.label    name or number of the label column
 * @param options.features names or numbers of the feature columns; default all others, in order
 * @param options.missing  value of an empty field; without it an empty field is an error
 * @throws InputError when a column is unknown or a feature is no finite number
 */
export function csvDataset(
  input: Uint8Array | string,
  options: TableOptions & CsvOptions & { label: string | number; features?: readonly (string | number)[]; missing?: number },
): Dataset {
  const table = readCsv(input, options);
  const width = table.header?.length ?? table.rows[0]!.length;
  const label = csvColumn(table, options.label);
  const columns =
    options.features?.map((column) => csvColumn(table, column)) ??
    Array.from({ length: width }, (_, i) => i).filter((i) => i !== label);
  if (columns.length === 0) throw new OptionError(`${options.name}: features`, "at least one column besides the label", columns);
  if (columns.includes(label))
    throw new OptionError(`${options.name}: features`, "columns without the label column", options.label);
  const labels = table.rows.map((row) => row[label]!);
  return tableDataset(options, "csv", columns.length, csvNumbers(table, columns, options.missing), labels);
}

/**
 * An svmlight file as a dense dataset.
 * @param options.features   number of features; default the highest index in the file. Give it so that train and test agree.
 * @param options.firstIndex 1 (default) or 0
 * @param options.limit      largest number of dense values; default 2^28 (1 GiB)
 * @throws InputError when an index passes `features`, or the dense table would pass `limit`
 */
export function svmlightDataset(
  input: Uint8Array | string,
  options: TableOptions & { features?: number; firstIndex?: 0 | 1; limit?: number },
): Dataset {
  const { rows, cols, rowPtr, columns, values, labels } = readSvmlight(input, options.firstIndex);
  const { features = cols, limit = 2 ** 28 } = options;
  if (features < cols)
    throw new OptionError(`${options.name}: features`, `at least ${cols}, the highest index in the file`, features);
  if (rows * features > limit) {
    throw new InputError(
      `${options.name}: ${rows} x ${features} dense values are above the limit of ${limit}; raise options.limit or select features`,
    );
  }
  const inputs = new Float32Array(rows * features);
  for (let row = 0; row < rows; row++) {
    for (let at = rowPtr[row]!; at < rowPtr[row + 1]!; at++) inputs[row * features + columns[at]!] = values[at]!;
  }
  return tableDataset(options, "svmlight", features, inputs, Array.from(labels, String));
}

/**
 * An npz file as a dataset: `inputs` [count, ...shape] of u8, f16, f32 or f64, and `labels` [count] of any integer type.
 * @param options.inputs name of the array of inputs; default "x"
 * @param options.labels name of the array of labels; default "y"
 * @param options.classes number of classes; default the highest label plus one
 * @throws InputError when an array is missing, of another type or length, or holds values out of range
 */
export function npzDataset(
  bytes: Uint8Array,
  options: TableOptions & { inputs?: string; labels?: string; classes?: number },
): Dataset {
  const arrays = readNpz(bytes);
  const find = (key: string): NamedArray => {
    const array = arrays[key];
    if (array === undefined) throw new OptionError(`${options.name}: array`, `one of ${Object.keys(arrays).join(", ")}`, key);
    return array;
  };
  const x = find(options.inputs ?? "x");
  const y = find(options.labels ?? "y");
  if (!["u8", "f16", "f32", "f64"].includes(x.dtype) || x.shape.length === 0) {
    throw new InputError(
      `${options.name}: inputs are ${x.dtype} [${x.shape.join(", ")}], expected u8, f16, f32 or f64 with one row per example`,
    );
  }
  if (/^f|^bf|bool/.test(y.dtype) || y.shape.length !== 1 || y.shape[0] !== x.shape[0]) {
    throw new InputError(`${options.name}: labels are ${y.dtype} [${y.shape.join(", ")}], expected integers [${x.shape[0]}]`);
  }
  const labels = Int32Array.from(y.data as Int32Array, (value: number | bigint) => {
    const label = Number(value);
    if (!(label >= 0 && label < 2 ** 31)) throw new InputError(`${options.name}: label ${show(String(value))}, expected 0 or more`);
    return label;
  });
  let highest = 0;
  for (const label of labels) highest = Math.max(highest, label);
  const dataset = makeDataset({
    name: options.name,
    shape: x.shape.length === 1 ? [1] : x.shape.slice(1),
    classes: options.classes ?? highest + 1,
    inputs: x.dtype === "u8" ? (x.data as Uint8Array) : Float32Array.from(x.data as Float32Array),
    labels,
    normalisation: identity,
    source: "npz",
  });
  return options.standardise ? { ...dataset, normalisation: measureNormalisation(dataset) } : dataset;
}
