/** A folder of pictures as data for any picture classifier: brought to the model's size, labels from folders or from labels.csv. */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, extname, join } from "node:path";
import { createRng, InputError } from "../../src/core/index.js";
import { type Dataset, type DatasetSplits, makeDataset, type Normalisation, resizePicture } from "../../src/data/index.js";
import { decodeImage } from "../../src/data/index.node.js";
import { readCsv } from "../../src/formats/index.js";

/** What the model takes and gives. */
export interface PictureTask {
  /** [channels, height, width]; 1 or 3 channels. */
  readonly shape: readonly number[];
  readonly classes: number;
  readonly normalisation: Normalisation;
  /** Added to every label: 1 for models whose output 0 is the background. */
  readonly offset: number;
  /** Most pictures of each part. */
  readonly limit: number | undefined;
}

interface Labelled {
  readonly file: string;
  readonly label: number;
}

const isPicture = (name: string): boolean => /^\.(png|jpe?g)$/i.test(extname(name));
const mostBytes = 2 ** 31;

/**
 * Reads `folder/train` with `folder/test` (or `val`), else one folder whose pictures are split: every second one calibrates and trains,
 * the others measure. A folder holds a folder per class, or `labels.csv` (a header line; then file name, class number) with the pictures
 * beside it or in `images/`. The order is shuffled, always in the same way, so that a limit takes from all classes.
 *
 * @throws InputError naming the folder, file or line, and what was expected
 */
export function readPictures(folder: string, task: PictureTask): DatasetSplits {
  const [channels] = task.shape;
  if (task.shape.length !== 3 || (channels !== 1 && channels !== 3))
    throw new InputError(
      `${folder}: pictures serve models that take [1 or 3, height, width], this one takes [${task.shape.join(", ")}]`,
    );
  const held = ["test", "val"].map((name) => join(folder, name)).find((path) => isFolder(path));
  if (held && isFolder(join(folder, "train")))
    return { train: load(listed(join(folder, "train")), folder, task), test: load(listed(held), folder, task) };
  const all = listed(folder);
  if (all.length < 2) throw new InputError(`${folder}: expected at least two pictures, got ${all.length}`);
  return {
    train: load(
      all.filter((_, i) => i % 2 === 0),
      folder,
      task,
    ),
    test: load(
      all.filter((_, i) => i % 2 === 1),
      folder,
      task,
    ),
  };
}

const isFolder = (path: string): boolean => existsSync(path) && statSync(path).isDirectory();

/** Pictures with labels, shuffled. */
function listed(folder: string): Labelled[] {
  const list = existsSync(join(folder, "labels.csv")) ? fromTable(folder) : fromFolders(folder);
  return Array.from(createRng(0).permutation(list.length), (i) => list[i]!);
}

function tableRows(path: string): readonly (readonly string[])[] {
  try {
    return readCsv(new Uint8Array(readFileSync(path))).rows;
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    throw new InputError(
      `${path}: ${error.message}; expected a line of names, then a line "picture.jpg,class number" for each picture`,
    );
  }
}

function fromTable(folder: string): Labelled[] {
  const path = join(folder, "labels.csv");
  const rows = tableRows(path);
  return rows.map((row, i) => {
    const [name = "", label = ""] = row;
    const file = [join(folder, name), join(folder, "images", name)].find((place) => existsSync(place));
    if (name !== basename(name) || !file)
      throw new InputError(`${path}: line ${i + 2}: no picture ${JSON.stringify(name)} in the folder or in images/`);
    if (!/^\d{1,9}$/.test(label))
      throw new InputError(`${path}: line ${i + 2}: expected a class number as the second value, got ${JSON.stringify(label)}`);
    return { file, label: Number(label) };
  });
}

function fromFolders(folder: string): Labelled[] {
  const classes = readdirSync(folder)
    .filter((name) => isFolder(join(folder, name)))
    .sort();
  const list = classes.flatMap((name, label) =>
    readdirSync(join(folder, name))
      .filter(isPicture)
      .sort()
      .map((file) => ({ file: join(folder, name, file), label })),
  );
  if (list.length === 0)
    throw new InputError(`${folder}: expected a folder of pictures (.png, .jpg) per class, or labels.csv with the pictures`);
  return list;
}

function load(list: readonly Labelled[], folder: string, task: PictureTask): Dataset {
  const { classes, normalisation, offset, limit = list.length } = task;
  const [channels, height, width] = task.shape as readonly [1 | 3, number, number];
  const taken = list.slice(0, limit);
  const size = channels * height * width;
  if (taken.length * size > mostBytes)
    throw new InputError(`${folder}: ${taken.length} pictures of [${task.shape.join(", ")}] fill the memory; use --limit`);
  const inputs = new Uint8Array(taken.length * size);
  const labels = Int32Array.from(taken, ({ label }) => label + offset);
  taken.forEach(({ file, label }, i) => {
    if (label + offset >= classes)
      throw new InputError(
        `${file}: class ${label}${offset ? ` + ${offset}` : ""}, but the model tells ${classes} classes apart (0 to ${classes - 1})`,
      );
    try {
      inputs.set(resizePicture(decodeImage(new Uint8Array(readFileSync(file))), { channels, height, width }), i * size);
    } catch (error) {
      throw error instanceof InputError ? new InputError(`${file}: ${error.message}`) : error;
    }
  });
  return makeDataset({
    name: basename(folder),
    shape: task.shape,
    classes,
    inputs,
    labels,
    normalisation,
    source: folder,
  });
}
