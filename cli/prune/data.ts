/** Data for calibration, fine-tuning and accuracy, normalised as the model was trained. */
import { InputError, OptionError, type Tree } from "../../src/core/index.js";
import { type Dataset, type DatasetSplits, makeDataset, take } from "../../src/data/index.js";
import { type DatasetName, datasetNames, loadDataset } from "../../src/data/index.node.js";
import { dataFolder } from "../data-folder.js";
import type { Terminal } from "../terminal.js";
import type { PruneFlags } from "./options.js";

const listOf = (option: string, text: string): number[] => {
  const values = text.split(",").map(Number);
  if (values.some((v) => !Number.isFinite(v))) throw new OptionError(option, "numbers separated by commas, one per channel", text);
  return values;
};

/**
 * The data set of `--data`, or undefined. Mean and deviation come from the options, else from the model file's metadata
 * (`normalise_mean`, `normalise_std`), else they are the data set's own.
 * @throws InputError when it is missing or does not fit
 */
export async function readData(terminal: Terminal, flags: PruneFlags, metadata: Tree<string>): Promise<DatasetSplits | undefined> {
  if (flags.data === undefined) return undefined;
  if (!(datasetNames as readonly string[]).includes(flags.data))
    throw new OptionError("--data", `one of ${datasetNames.join(", ")}`, flags.data);
  const splits = await loadDataset(
    { name: flags.data as DatasetName },
    { env: { ...terminal.env, SPARSELAND_DATA: dataFolder(terminal) } },
  );
  const own = (key: "mean" | "std") =>
    flags[key] ??
    (metadata[`normalise_${key}`] === undefined
      ? undefined
      : listOf(`normalise_${key} of the model`, metadata[`normalise_${key}`]!));
  const [mean, std] = [own("mean"), own("std")];
  if ((mean === undefined) !== (std === undefined)) throw new InputError("--mean and --std belong together: give both or none");
  const finish = (set: Dataset): Dataset => {
    const normal = mean && std ? makeDataset({ ...set, normalisation: { scale: set.normalisation.scale, mean, std } }) : set;
    return flags.limit === undefined ? normal : take(normal, flags.limit);
  };
  return { train: finish(splits.train), test: finish(splits.test) };
}

/** What to store beside the model, so that the next command normalises in the same way. */
export const normalisationNotes = (data: DatasetSplits | undefined): Tree<string> =>
  data === undefined
    ? {}
    : { normalise_mean: data.test.normalisation.mean.join(","), normalise_std: data.test.normalisation.std.join(",") };
