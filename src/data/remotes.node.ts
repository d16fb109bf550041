/** Public addresses and checksums of the datasets that can be downloaded. */
import { gunzipSync } from "node:zlib";
import xz from "xz-decompress";
import { FormatError } from "../core/index.js";
import { readTar } from "../formats/index.js";
import type { Remote, RemoteFile } from "./download.node.js";

function byBaseName(files: ReadonlyMap<string, Uint8Array>): Map<string, Uint8Array> {
  return new Map([...files].map(([path, bytes]) => [path.slice(path.lastIndexOf("/") + 1), bytes]));
}

/** The files of a Debian package: an ar archive (deb(5)) whose member `data.tar.xz` holds them. */
export async function unpackDebian(deb: Uint8Array, limit = 100_000_000): Promise<Map<string, Uint8Array>> {
  const text = (from: number, length: number) => new TextDecoder("latin1").decode(deb.subarray(from, from + length));
  if (text(0, 8) !== "!<arch>\n") throw new FormatError("deb", "the file does not begin with !<arch>");
  for (let at = 8; at + 60 <= deb.length; ) {
    const name = text(at, 16).trim().replace(/\/$/, "");
    const sizeText = text(at + 48, 10).trim();
    const size = Number(sizeText);
    if (!/^\d+$/.test(sizeText) || text(at + 58, 2) !== "`\n" || at + 60 + size > deb.length)
      throw new FormatError("deb", `the member header at byte ${at} is broken`);
    if (name === "data.tar.xz") return byBaseName(readTar(await unxz(deb.subarray(at + 60, at + 60 + size), limit)));
    at += 60 + size + (size % 2);
  }
  throw new FormatError("deb", "no member data.tar.xz");
}

async function unxz(bytes: Uint8Array, limit: number): Promise<Uint8Array> {
  const packed = new Blob([bytes as Uint8Array<ArrayBuffer>]).stream();
  const chunks: Uint8Array[] = [];
  let size = 0;
  const reader = new xz.XzReadableStream(packed).getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    size += next.value.length;
    if (size > limit) throw new FormatError("xz", `decompresses to more than ${limit} bytes`);
    chunks.push(next.value.slice());
  }
  return Buffer.concat(chunks, size);
}

/** The original Fashion-MNIST files, gzipped as they are sent (release of 31 August 2017, the current one). */
const fashionMnistFiles: readonly RemoteFile[] = [
  {
    name: "train-images-idx3-ubyte.gz",
    sha256: "b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7",
    limit: 26_421_856,
  },
  { name: "train-labels-idx1-ubyte.gz", sha256: "0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056", limit: 29_491 },
  {
    name: "t10k-images-idx3-ubyte.gz",
    sha256: "cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa",
    limit: 4_422_079,
  },
  { name: "t10k-labels-idx1-ubyte.gz", sha256: "8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05", limit: 5_125 },
];

/** Fashion-MNIST: the authors' bucket, their repository, and Debian's package of the same files. */
export const fashionMnistRemote: Remote = {
  files: fashionMnistFiles,
  mirrors: [
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
  ],
  archives: [
    {
      url: "http://deb.debian.org/debian/pool/main/d/dataset-fashion-mnist/dataset-fashion-mnist_0.0~git20200523.55506a9-1_all.deb",
      sha256: "39e172fe32dd318ebb3e512220c3beea2fa47d7e20bab348fb4e0922d6beefc0",
      limit: 30_900_652,
      unpack: unpackDebian,
    },
  ],
};

/** CIFAR-10, binary version: one archive of six files. */
export const cifar10Remote: Remote = {
  files: [
    ["data_batch_1.bin", "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5"],
    ["data_batch_2.bin", "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed"],
    ["data_batch_3.bin", "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67"],
    ["data_batch_4.bin", "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48"],
    ["data_batch_5.bin", "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add"],
    ["test_batch.bin", "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b"],
  ].map(([name, sum]) => ({ name: name!, sha256: sum!, limit: 30_730_000 })),
  mirrors: [],
  archives: [
    {
      url: "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
      sha256: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
      limit: 170_052_171,
      unpack: async (bytes) => byBaseName(readTar(gunzipSync(bytes, { maxOutputLength: 200_000_000 }))),
    },
  ],
};
