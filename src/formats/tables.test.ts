import { describe, expect, it } from "vitest";
import { csvColumn, csvNumbers, readCsv } from "./csv.js";
import { readSvmlight } from "./svmlight.js";

describe("csv", () => {
  const text = 'name,"x, scaled",y\n"a ""b""",1.5,-2e3\n\nc,.25,7\r\n';

  it("reads quotes, empty lines and both line ends", () => {
    const table = readCsv(text.replace("\r\n", "\n"));
    expect(table).toEqual({
      header: ["name", "x, scaled", "y"],
      rows: [
        ['a "b"', "1.5", "-2e3"],
        ["c", ".25", "7"],
      ],
    });
    expect(csvNumbers(table, [csvColumn(table, "x, scaled"), csvColumn(table, 2)])).toEqual(Float32Array.of(1.5, -2000, 0.25, 7));
    expect(readCsv(new TextEncoder().encode("1;2"), { header: false, delimiter: ";" })).toEqual({
      header: null,
      rows: [["1", "2"]],
    });
  });

  it.each([
    ["a,b\n1", /row 2 has 1 fields, the first row 2/],
    ['a\n"1', /Quoted field unterminated/],
    ["a,a\n1,2", /column name "a" stands twice/],
    ["", /holds no row/],
  ])("refuses %j", (bad, message) => {
    expect(() => readCsv(bad)).toThrow(message);
  });

  it.each(["NaN", "Infinity", "0x10", "1e999", "", "1 2"])("refuses the field %j with its place", (field) => {
    expect(() => csvNumbers(readCsv(`a,b\n1,2\n3,"${field}"`), [0, 1])).toThrow(
      /row 2 of the data, column "b": expected a finite number/,
    );
  });

  it("fills missing fields on request and names unknown columns", () => {
    const table = readCsv("a,b\n1,\n,4");
    expect(csvNumbers(table, [0, 1], -1)).toEqual(Float32Array.of(1, -1, -1, 4));
    expect(() => csvColumn(table, "c")).toThrow(/csv column: expected one of a, b, got "c"/);
    expect(() => readCsv("a", { delimiter: "ab" })).toThrow(/csv.delimiter/);
  });
});

describe("svmlight", () => {
  it("reads labels, comments, qid and gaps", () => {
    expect(readSvmlight("# head\n+1 1:0.5 4:-2 # first\n-1 qid:3 2:1e2\n\n0\n")).toEqual({
      rows: 3,
      cols: 4,
      rowPtr: Int32Array.of(0, 2, 3, 3),
      columns: Int32Array.of(0, 3, 1),
      values: Float32Array.of(0.5, -2, 100),
      labels: Float64Array.of(1, -1, 0),
    });
    expect(readSvmlight("1 0:2", 0).columns).toEqual(Int32Array.of(0));
  });

  it.each([
    ["1 0:2", /line 1: index 0 in a file whose first index is 1/],
    ["1 1:1\n1 3:1 2:1", /line 2: index 2 does not rise/],
    ["1 1:nan", /line 1: expected index:value, got "1:nan"/],
    ["x 1:1", /line 1: expected a numeric label/],
    ["1 9999999999:1", /above 2147483646/],
    ["# nothing", /holds no example/],
  ])("refuses %j", (bad, message) => {
    expect(() => readSvmlight(bad)).toThrow(message);
  });
});
