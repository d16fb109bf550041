/**
 * A run folder: `recipe.yaml`, `run.json` (the ledger), `results.json`, `report.html`, `models/`, `checkpoints/`.
 *
 * The ledger names the recipe by its content and holds each finished entry's result. An entry under way has a checkpoint per
 * epoch. Every file is replaced whole, and a checkpoint goes only after its entry is in the ledger, so a kill at any moment
 * loses at most one epoch and never a number.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { removeLeftovers, writeWhole } from "../../src/core/files.node.js";
import { InputError } from "../../src/core/index.js";
import { lockFolder } from "./lock.js";

/** What `run.json` holds: the results of finished entries by id. */
export interface Ledger<E> {
  readonly format: 1;
  readonly identity: string;
  readonly quick: boolean;
  readonly entries: Readonly<Record<string, E>>;
}

/** A folder that is locked for this run. */
export interface RunFolder<E> {
  readonly path: string;
  /** Results of finished entries by id. */
  readonly finished: ReadonlyMap<string, E>;
  /** Whether an earlier process already worked here. */
  readonly resumed: boolean;
  /** The last checkpoint of an unfinished entry. */
  checkpoint(id: string): Uint8Array | undefined;
  saveCheckpoint(id: string, bytes: Uint8Array): void;
  /** Writes `models/<id>.<extension>` and returns its path. */
  saveModel(id: string, extension: string, bytes: Uint8Array): string;
  /** Records an entry's result, then drops its checkpoint. */
  finish(id: string, result: E): void;
  /** Writes a file of the folder itself. */
  write(name: string, content: string | Uint8Array): void;
  /** After a failure: takes back what this process wrote, if nothing is finished or saved yet. */
  abandon(): void;
  /** Gives the lock back. */
  close(): void;
}

/** What decides whether a folder may be continued. */
export interface RunIdentity {
  /** Everything that the numbers depend on, as plain JSON. */
  readonly content: unknown;
  readonly quick: boolean;
  /** The recipe as YAML, kept for people. */
  readonly recipe: string;
}

/**
 * Reads the ledger of a run folder.
 * @param path for messages
 * @throws InputError when it is not JSON, or not what a run writes
 */
export function parseLedger<E>(source: string, path: string): Ledger<E> {
  const isObject = (value: unknown): boolean => typeof value === "object" && value !== null && !Array.isArray(value);
  try {
    const ledger = JSON.parse(source) as Ledger<E>;
    const { format, identity, quick, entries } = ledger;
    if (format === 1 && typeof identity === "string" && typeof quick === "boolean" && isObject(entries)) return ledger;
  } catch {
    // Named below.
  }
  throw new InputError(`${path}: not a run ledger of this version. Use --force to start over, or --out for another folder.`);
}

/**
 * Opens a run folder: a new one, or one to continue.
 *
 * @param force start over when the folder belongs to another recipe
 * @throws InputError when another run is in it, or when it belongs to another recipe and `force` is not given. A finished or
 *         broken-off *quick* run gives way to a full one without asking.
 */
export function openRunFolder<E>(path: string, identity: RunIdentity, force = false): RunFolder<E> {
  const hash = createHash("sha256").update(JSON.stringify(identity.content)).digest("hex");
  const existed = existsSync(path);
  const release = lockFolder(path);
  try {
    return open(path, hash, identity, force, { release, existed });
  } catch (error) {
    release();
    throw error;
  }
}

function open<E>(
  path: string,
  hash: string,
  { quick, recipe }: RunIdentity,
  force: boolean,
  { release, existed }: { release: () => void; existed: boolean },
): RunFolder<E> {
  const ledgerPath = join(path, "run.json");
  removeLeftovers(path);
  let ledger = !force && existsSync(ledgerPath) ? parseLedger<E>(readFileSync(ledgerPath, "utf8"), ledgerPath) : undefined;
  if (ledger && ledger.identity !== hash && ledger.quick && !quick) ledger = undefined;
  if (ledger && ledger.identity !== hash) {
    throw new InputError(
      `${path}: holds a run of another recipe, seed, version or data set (${Object.keys(ledger.entries).length} entries finished). ` +
        "Use --out for another folder, or --force to start over in this one.",
    );
  }
  const resumed = ledger !== undefined;
  if (!ledger) {
    // The old ledger goes first: a kill in between leaves an empty folder, never old results under a new recipe.
    for (const name of ["run.json", "results.json", "report.html", "checkpoints", "models"])
      rmSync(join(path, name), { recursive: true, force: true });
    writeWhole(join(path, "recipe.yaml"), recipe);
    ledger = { format: 1, identity: hash, quick, entries: {} };
    writeWhole(ledgerPath, JSON.stringify(ledger, null, 1));
  }
  const finished = new Map<string, E>(Object.entries(ledger.entries));
  const base = { format: 1, identity: hash, quick } as const;
  const checkpointPath = (id: string) => join(path, "checkpoints", `${id}.bin`);
  mkdirSync(path, { recursive: true });
  return {
    path,
    finished,
    resumed,
    checkpoint: (id) => (existsSync(checkpointPath(id)) ? new Uint8Array(readFileSync(checkpointPath(id))) : undefined),
    saveCheckpoint: (id, bytes) => writeWhole(checkpointPath(id), bytes),
    saveModel(id, extension, bytes) {
      const model = join(path, "models", `${id}.${extension}`);
      writeWhole(model, bytes);
      return model;
    },
    finish(id, result) {
      finished.set(id, result);
      writeWhole(ledgerPath, JSON.stringify({ ...base, entries: Object.fromEntries(finished) }, null, 1));
      rmSync(checkpointPath(id), { force: true });
    },
    write: (name, content) => writeWhole(join(path, name), content),
    abandon() {
      if (resumed || finished.size > 0 || existsSync(join(path, "checkpoints"))) return;
      for (const name of ["run.json", "recipe.yaml"]) rmSync(join(path, name), { force: true });
      release();
      if (!existed && readdirSync(path).length === 0) rmdirSync(path);
    },
    close: release,
  };
}
