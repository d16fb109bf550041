/** Pins the threads of a process tree by their names. */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { threadsOf } from "../../engine/pin.js";

const read = (file: string): string => {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
};

/** The process and all below it. */
function tree(root: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync("/proc")) {
    const parent = /^\d+$/.test(name) ? /\) \S (\d+)/.exec(read(`/proc/${name}/stat`)) : null;
    if (parent) parents.set(Number(name), Number(parent[1]));
  }
  const found = [root];
  for (let i = 0; i < found.length; i++) for (const [pid, parent] of parents) if (parent === found[i]) found.push(pid);
  return found;
}

/**
 * The oldest thread of that name goes to CPU 0, the next ones in turn to the others in use.
 * @returns a note when that was not possible
 */
export function pinThreads(root: number, name: string, threads: number): string | undefined {
  const found = tree(root).flatMap((pid) =>
    threadsOf(pid).filter((id) => read(`/proc/${pid}/task/${id}/comm`).startsWith(name.slice(0, 15))),
  );
  if (found.length === 0) return "not pinned: the workers were not found";
  const [first, ...others] = found.sort((a, b) => a - b);
  const set = (id: number, cpu: number): boolean => spawnSync("taskset", ["-cp", String(cpu), String(id)]).status === 0;
  const good = [set(first!, 0), ...others.map((id, i) => set(id, threads > 1 ? 1 + (i % (threads - 1)) : 0))].every(Boolean);
  return good ? undefined : "not pinned: taskset was refused";
}
