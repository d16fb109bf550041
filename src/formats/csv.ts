/** Comma-separated tables, read by Papa Parse, with every row of the same width. */
import Papa from "papaparse";
import { FormatError, OptionError, show } from "../core/index.js";
import { plainNumber, toText } from "./text.js";

/** A table of text fields. */
export interface CsvTable {
  /** Column names; `null` without a header line. */
  readonly header: readonly string[] | null;
  /** Fields, each row as long as the first. */
  readonly rows: readonly (readonly string[])[];
}

/** How to read a csv file. */
export interface CsvOptions {
  /** The first line names the columns; default true. */
  readonly header?: boolean;
  /** One character; default ",". */
  readonly delimiter?: string;
}

const FORMAT = "csv";

/**
 * Reads a csv file (RFC 4180 quoting). Empty lines are skipped.
 * @throws FormatError when quotes do not match, a row has another number of fields than the first, or the file is empty
 * @throws OptionError when the delimiter is not one character
 */
export function readCsv(input: Uint8Array | string, options: CsvOptions = {}): CsvTable {
  const { header = true, delimiter = "," } = options;
  if (delimiter.length !== 1 || Papa.BAD_DELIMITERS.includes(delimiter) || delimiter === '"') {
    throw new OptionError("csv.delimiter", "one character that is no quote, line break or byte order mark", delimiter);
  }
  const text = toText(FORMAT, input);
  const { data, errors } = Papa.parse<string[]>(text, { delimiter, skipEmptyLines: true });
  const first = errors[0];
  if (first) throw new FormatError(FORMAT, `${first.message} (row ${(first.row ?? 0) + 1})`);
  const width = data[0]?.length ?? 0;
  const bad = data.findIndex((row) => row.length !== width);
  if (bad >= 0) throw new FormatError(FORMAT, `row ${bad + 1} has ${data[bad]!.length} fields, the first row ${width}`);
  if (data.length === 0) throw new FormatError(FORMAT, "the file holds no row");
  if (!header) return { header: null, rows: data };
  const names = data[0]!;
  const double = names.findIndex((name, i) => names.indexOf(name) !== i);
  if (double >= 0) throw new FormatError(FORMAT, `the column name ${show(names[double])} stands twice in the header`);
  return { header: names, rows: data.slice(1) };
}

/** The place of a column given by name or by number from 0. @throws OptionError when there is none such */
export function csvColumn(table: CsvTable, column: string | number): number {
  const width = table.header?.length ?? table.rows[0]?.length ?? 0;
  const at = typeof column === "number" ? column : (table.header?.indexOf(column) ?? -1);
  if (Number.isInteger(at) && at >= 0 && at < width) return at;
  const names = table.header ? `one of ${table.header.slice(0, 20).join(", ")}` : `a column number below ${width}`;
  throw new OptionError("csv column", names, column);
}

/**
 * Columns of a table as numbers, `[rows, columns.length]` row-major.
 * @param missing  the value of an empty field; without it an empty field is an error
 * @throws FormatError that names row and column of a field that is no finite number
 */
export function csvNumbers(table: CsvTable, columns: readonly number[], missing?: number): Float32Array {
  const out = new Float32Array(table.rows.length * columns.length);
  let at = 0;
  for (const [r, row] of table.rows.entries()) {
    for (const c of columns) {
      const field = row[c]!.trim();
      const value = field === "" && missing !== undefined ? missing : plainNumber(field);
      if (Number.isNaN(value)) {
        const column = table.header ? `column ${show(table.header[c])}` : `column ${c}`;
        throw new FormatError(FORMAT, `row ${r + 1} of the data, ${column}: expected a finite number, got ${show(row[c])}`);
      }
      out[at++] = value;
    }
  }
  return out;
}
