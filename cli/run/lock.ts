/** One process at a time in a folder. A lock whose owner is gone (killed, machine restarted) is taken over. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { InputError } from "../../src/core/index.js";

interface Owner {
  readonly pid: number;
  readonly host: string;
  /** Start time of the process where the system tells it, so that a reused number is not mistaken for the owner. */
  readonly started: string;
}

/** Start of a process in clock ticks since boot, with the boot's identity; "" where the system does not tell. */
function startOf(pid: number): string {
  try {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return `${boot}:${stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]}`;
  } catch {
    return "";
  }
}

function isAlive({ pid, host, started }: Owner): boolean {
  if (host !== hostname()) return true;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return false;
  }
  return started === "" || startOf(pid) === started;
}

function readOwner(path: string): Owner | undefined {
  try {
    const owner = JSON.parse(readFileSync(path, "utf8")) as Partial<Owner>;
    if (typeof owner.pid === "number" && typeof owner.host === "string" && typeof owner.started === "string") return owner as Owner;
  } catch {
    // Half-written by a killed process, or gone: nobody holds it.
  }
  return undefined;
}

/**
 * Takes the folder's lock.
 *
 * @returns what gives it back
 * @throws InputError when another living process holds it
 */
export function lockFolder(folder: string): () => void {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, "lock");
  const mine: Owner = { pid: process.pid, host: hostname(), started: startOf(process.pid) };
  for (let attempt = 0; attempt < 3; attempt++) {
    try {
      writeFileSync(path, JSON.stringify(mine), { flag: "wx" });
      const release = () => {
        const owner = readOwner(path);
        if (owner?.pid === mine.pid && owner.started === mine.started) rmSync(path, { force: true });
      };
      process.once("exit", release);
      return () => {
        process.removeListener("exit", release);
        release();
      };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const owner = readOwner(path);
    if (owner && isAlive(owner)) {
      throw new InputError(
        `${folder}: another run is in this folder (process ${owner.pid} on ${owner.host}). Wait for it, or choose another folder with --out.`,
      );
    }
    rmSync(path, { force: true });
  }
  throw new InputError(`${path}: could not be taken; another run is starting in this folder`);
}
