/** Other engines in processes of their own: a line with a name goes in, a line with the milliseconds of one run comes out. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { createInterface, type Interface } from "node:readline";
import { pinProcess } from "./pin.js";

/** A peer that answers. */
export interface Peer {
  readonly name: string;
  /** Milliseconds of one run of the named work. */
  time(work: string): Promise<number>;
  close(): void;
}

/** A peer, or why there is none. */
export type Found = { readonly peer: Peer; readonly absent?: undefined } | { readonly peer?: undefined; readonly absent: string };

/** Milliseconds within which a peer must say its name or answer. */
const PATIENCE = 120_000;

class Lines {
  readonly #waiting: { resolve: (line: string) => void; reject: (error: Error) => void }[] = [];
  readonly #lines: Interface;
  #dead: string | undefined;

  constructor(readonly child: ChildProcessWithoutNullStreams) {
    let errors = "";
    child.stderr.on("data", (chunk: Buffer) => {
      errors = (errors + chunk.toString()).slice(-2000);
    });
    this.#lines = createInterface({ input: child.stdout });
    this.#lines.on("line", (line) => this.#waiting.shift()?.resolve(line));
    const die = (reason: string) => {
      this.#dead ??= reason;
      for (const { reject } of this.#waiting.splice(0)) reject(new Error(this.#dead));
    };
    child.on("error", (error) => die(error.message));
    child.on("close", () => die(errors.trim().split("\n").at(-1) || "it ended"));
    child.stdin.on("error", () => undefined);
  }

  next(): Promise<string> {
    return new Promise((resolve, reject) => {
      if (this.#dead !== undefined) return reject(new Error(this.#dead));
      const timer = setTimeout(() => reject(new Error(`no answer within ${PATIENCE / 1000} s`)), PATIENCE);
      this.#waiting.push({
        resolve: (line) => {
          clearTimeout(timer);
          resolve(line);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      });
    });
  }
}

/**
 * Starts a peer. Its first line is its name and version.
 * @param threads that it computes with; it is pinned like the engine
 */
export async function startPeer(
  command: readonly string[],
  env: Readonly<Record<string, string>>,
  threads: number,
): Promise<Found> {
  const [program, ...args] = command as [string, ...string[]];
  const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: "pipe" });
  const lines = new Lines(child);
  try {
    const name = await lines.next();
    pinProcess(child.pid!, threads);
    const peer: Peer = {
      name,
      async time(work) {
        const answer = lines.next();
        child.stdin.write(`${work}\n`);
        const ms = Number(await answer);
        // Threads are born with the first work: pin again until they are all known.
        pinProcess(child.pid!, threads);
        if (!Number.isFinite(ms)) throw new Error(`${name} did not answer "${work}" with a time`);
        return ms;
      },
      close: () => child.kill(),
    };
    return { peer };
  } catch (error) {
    child.kill();
    return { absent: (error as Error).message };
  }
}
