import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { readCifar } from "./cifar.js";
import { fromHex } from "./fixtures/hex.js";
import { crc32, gunzip, gzip } from "./gzip.js";
import { readIdx, writeIdx } from "./idx.js";
import { readTar } from "./tar.js";
import { readZip } from "./zip.js";

describe("idx", () => {
  it("reads the layout of MNIST by hand-written bytes", () => {
    const bytes = fromHex("00000803000000020000000100000003" + "010203fdfeff");
    expect(readIdx(bytes)).toEqual({ dtype: "u8", shape: [2, 1, 3], data: Uint8Array.of(1, 2, 3, 253, 254, 255) });
    expect(writeIdx(readIdx(bytes))).toEqual(bytes);
    expect(readIdx(gzip(bytes))).toEqual(readIdx(bytes));
    expect(readIdx(gzipSync(bytes))).toEqual(readIdx(bytes));
  });

  it("reads big-endian wide elements", () => {
    const bytes = fromHex("00000c0100000002" + "0000000100000100");
    expect(readIdx(bytes)).toEqual({ dtype: "i32", shape: [2], data: Int32Array.of(1, 256) });
    expect(writeIdx(readIdx(bytes))).toEqual(bytes);
    const floats = { dtype: "f64" as const, shape: [1, 2], data: Float64Array.of(0.1, -3) };
    expect(readIdx(writeIdx(floats))).toEqual(floats);
  });

  it.each([
    ["00000803", /3 dimensions end at byte 16/],
    ["00000a0100000001ff", /magic 0 0 10 1/],
    ["00000801000000020a", /1 bytes of data, but u8 \[2\] takes 2/],
    ["00000801000000010a0b", /2 bytes of data, but u8 \[1\] takes 1/],
    ["00000804ffffffffffffffffffffffffffffffff00", /more than 2\^53 elements/],
  ])("refuses %s", (hex, message) => {
    expect(() => readIdx(fromHex(hex))).toThrow(message);
  });
});

describe("cifar", () => {
  const record = (label: number[], fill: number) => [...label, ...new Array(3072).fill(fill)];

  it("reads records of both variants", () => {
    const ten = readCifar(Uint8Array.from([...record([7], 1), ...record([0], 2)]));
    expect(ten.count).toBe(2);
    expect(ten.labels).toEqual(Uint8Array.of(7, 0));
    expect([ten.images[0], ten.images[3071], ten.images[3072], ten.images.length]).toEqual([1, 1, 2, 6144]);
    expect(readCifar(gzip(Uint8Array.from(record([19, 99], 3))), 100).labels).toEqual(Uint8Array.of(99));
  });

  it("names the record whose label is out of range", () => {
    expect(() => readCifar(Uint8Array.from([...record([7], 1), ...record([10], 2)]))).toThrow(
      /record 1 \(byte 3073\) has the label 10, expected below 10/,
    );
    expect(() => readCifar(Uint8Array.from(record([20, 5], 0)), 100)).toThrow(/coarse label 20/);
    expect(() => readCifar(new Uint8Array(3072))).toThrow(/no whole number of records/);
  });
});

describe("gzip and zip bounds", () => {
  it("computes the CRC-32 of the check string", () => {
    expect(crc32(new TextEncoder().encode("123456789"))).toBe(0xcbf43926);
  });

  it("stops a bomb at the limit and before any allocation it could not fill", () => {
    const bomb = gzipSync(new Uint8Array(50_000_000));
    expect(() => gunzip(bomb, 1_000_000)).toThrow(/above the limit of 1000000/);
    const lying = Uint8Array.from(gzip(Uint8Array.of(1, 2, 3)));
    new DataView(lying.buffer).setUint32(lying.length - 4, 0x7fffffff, true);
    expect(() => gunzip(lying)).toThrow(/cannot hold the 2147483647 claimed/);
    const low = Uint8Array.from(bomb);
    new DataView(low.buffer).setUint32(low.length - 4, 100, true);
    expect(() => gunzip(low)).toThrow(/more than the 100 bytes claimed/);
  });

  it("refuses a damaged stored file by its checksum", () => {
    const hex = "504b03040a000000000000000000" + "00000000" + "01000000" + "01000000" + "01000000" + "6141";
    const local = fromHex(hex);
    expect(local.length).toBe(32);
    const directory =
      "504b01020a000a00000000000000000000000000" +
      "0100000001000000" +
      "01000000" +
      "0000" +
      "00000000" +
      "00000000" +
      "00000000" +
      "61";
    const end = "504b050600000000010001002f00000020000000" + "0000";
    expect(() => readZip(fromHex(hex + directory + end))).toThrow(/checksum does not match/);
  });
});

describe("tar", () => {
  /*
   * printf hello > a.txt; printf x > b; tar --format=ustar --owner=0 --group=0 --mtime=@0 -b1 -cf t.tar a.txt b; gzip -9n t.tar; xxd -p t.tar.gz
   */
  const GOLDEN =
    "1f8b08000000000002034bd42ba92861a02d300002331313300d04e834109822b181e28686e6e6860c0a060c7400a5c525894540eb8bf2f3f18603217974cf0d1190919a9393cf300a462a48a2831d84f3bf217afe37343518cdfff40015a35960148c8251300a46240000ac215be9000c0000";

  it("reads what GNU tar wrote", () => {
    const files = readTar(gunzip(fromHex(GOLDEN)));
    expect([...files].map(([name, data]) => [name, new TextDecoder().decode(data)])).toEqual([
      ["a.txt", "hello"],
      ["b", "x"],
    ]);
  });
});
