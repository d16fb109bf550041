/** Gives every thread a CPU of its own: unpinned, a kernel may put two spinning threads on one. */
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";

function taskset(args: readonly string[]): string | undefined {
  const { status, stdout } = spawnSync("taskset", [...args], { encoding: "utf8" });
  return status === 0 ? stdout : undefined;
}

/** The CPUs that this process might use when it started, or undefined where taskset is missing. */
const CPUS = allowedCpus();

function allowedCpus(): number[] | undefined {
  const said = taskset(["-cp", String(process.pid)]);
  const list = said?.split(":").at(-1)?.trim();
  if (!list) return undefined;
  return list.split(",").flatMap((range) => {
    const [from, to = from] = range.split("-").map(Number) as [number, number | undefined];
    return Array.from({ length: to! - from + 1 }, (_, i) => from + i);
  });
}

/** Thread ids of a process, its main thread first. */
export const threadsOf = (pid: number | "self"): number[] => {
  try {
    return readdirSync(`/proc/${pid}/task`)
      .map(Number)
      .sort((a, b) => a - b);
  } catch {
    return [];
  }
};

/** Pins one thread. @returns whether it worked */
const pin = (thread: number, cpus: readonly number[]): boolean => taskset(["-cp", cpus.join(","), String(thread)]) !== undefined;

/**
 * Pins a process that computes with `threads` threads: its main thread to the first CPU, all others to the remaining ones (the helpers of
 * a runtime sleep). With one thread everything goes to the first CPU.
 * @param workers threads that compute beside the main one, one CPU each; where they are not known, all but the main thread share the rest
 * @returns a note for the row when pinning was not possible
 */
export function pinProcess(pid: number, threads: number, workers: readonly number[] = []): string | undefined {
  const cpus = CPUS;
  if (!cpus) return "not pinned: taskset is missing";
  if (cpus.length < threads) return `not pinned: ${cpus.length} CPUs for ${threads} threads`;
  const [first, ...rest] = cpus.slice(0, threads) as [number, ...number[]];
  const others = rest.length ? rest : [first];
  const main = pid;
  let good = pin(main, [first]);
  const spare = threadsOf(pid).filter((thread) => thread !== main && !workers.includes(thread));
  workers.forEach((thread, i) => {
    good = pin(thread, [others[i % others.length]!]) && good;
  });
  // A helper may end between the listing and the pinning: its failure says nothing.
  for (const thread of spare) pin(thread, others);
  return good ? undefined : "not pinned: taskset was refused";
}
