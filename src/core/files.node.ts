/** Files that are there whole or not at all. */
import { closeSync, fsyncSync, mkdirSync, openSync, readdirSync, renameSync, rmSync, writeSync } from "node:fs";
import { basename, dirname, join } from "node:path";

const mark = ".sparseland-tmp";

function syncFolder(folder: string): void {
  if (process.platform === "win32") return;
  const handle = openSync(folder, "r");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

function runs(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}

/** Removes what writers of this file left behind that run no more. */
function removeDead(path: string): void {
  const prefix = `.${basename(path)}.`;
  for (const name of readdirSync(dirname(path))) {
    if (!name.startsWith(prefix) || !name.endsWith(mark)) continue;
    const pid = Number(name.slice(prefix.length, -mark.length));
    if (Number.isInteger(pid) && pid > 0 && !runs(pid)) rmSync(join(dirname(path), name), { force: true });
  }
}

/**
 * Writes to a temporary name in the same folder, flushes it to the disk, renames it, flushes the folder. What killed writers of the same file left
 * is removed first.
 *
 * @param content the file, or its pieces one after another
 */
export function writeWhole(path: string, content: string | Uint8Array | readonly Uint8Array[]): void {
  mkdirSync(dirname(path), { recursive: true });
  removeDead(path);
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}${mark}`);
  const pieces = typeof content === "string" ? [Buffer.from(content)] : content instanceof Uint8Array ? [content] : content;
  try {
    const handle = openSync(temporary, "w");
    try {
      for (const bytes of pieces)
        for (let at = 0; at < bytes.length; ) at += writeSync(handle, bytes, at, Math.min(bytes.length - at, 1 << 26));
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
    renameSync(temporary, path);
    syncFolder(dirname(path));
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

/** Removes what killed writers left behind in a folder and its folders. */
export function removeLeftovers(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    if (entry.isFile() && entry.name.endsWith(mark)) rmSync(join(entry.parentPath, entry.name), { force: true });
  }
}
