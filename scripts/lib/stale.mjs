// "Has anything changed since?", by content: a build step runs again only when its inputs differ or its output is gone.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { root } from "./shell.mjs";

const stamps = join(root, ".cache", "setup");

function* files(path, skip) {
  if (skip(relative(root, path).replaceAll("\\", "/"))) return;
  const entry = statSync(path, { throwIfNoEntry: false });
  if (!entry) return;
  if (entry.isDirectory()) for (const name of readdirSync(path).sort()) yield* files(join(path, name), skip);
  else if (entry.isFile()) yield path;
}

/** SHA-256 over the names and contents of files and folders (relative to the root). */
export function hashOf(inputs, skip = () => false) {
  const hash = createHash("sha256");
  for (const input of inputs) {
    for (const path of files(join(root, input), skip)) {
      const bytes = readFileSync(path);
      hash.update(`${relative(root, path).replaceAll("\\", "/")}\0${bytes.length}\0`).update(bytes);
    }
  }
  return hash.digest("hex");
}

/** Whether `step` was last done for other inputs, or never, or its outputs are gone. */
export function isStale(step, hash, outputs) {
  const stamp = join(stamps, step);
  return !existsSync(stamp) || readFileSync(stamp, "utf8") !== hash || outputs.some((output) => !existsSync(join(root, output)));
}

/** Remembers that `step` is done for `hash`. */
export function markDone(step, hash) {
  mkdirSync(stamps, { recursive: true });
  const temporary = join(stamps, `${step}.${process.pid}.tmp`);
  writeFileSync(temporary, hash);
  renameSync(temporary, join(stamps, step));
}
