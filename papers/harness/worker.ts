/** The process that measures jobs: one message per job, progress and one answer back. Ends with its parent. */
import { InputError } from "../../src/core/index.js";
import { loadPaperFile } from "./discover.js";
import type { Paper } from "./types.js";

/** What the worker is asked to do. */
export interface JobMessage {
  readonly file: string;
  readonly config: unknown;
  readonly threads: number;
  readonly dataFolder: string;
}

/** What the worker says. */
export type WorkerMessage =
  | { readonly type: "progress"; readonly fraction: number; readonly words: string | undefined }
  | { readonly type: "result"; readonly result: unknown }
  | { readonly type: "error"; readonly message: string; readonly stack: string | undefined; readonly input: boolean };

const papers = new Map<string, Promise<Paper>>();

async function answer({ file, config, threads, dataFolder }: JobMessage, say: (message: WorkerMessage) => void): Promise<void> {
  try {
    let paper = papers.get(file);
    if (!paper) papers.set(file, (paper = loadPaperFile(file)));
    const result = await (await paper).measure(config, {
      threads,
      dataFolder,
      now: () => performance.now(),
      progress: (fraction, words) => say({ type: "progress", fraction, words }),
    });
    say({ type: "result", result });
  } catch (error) {
    const { message, stack } = error instanceof Error ? error : new Error(String(error));
    say({ type: "error", message, stack, input: error instanceof InputError });
  }
}

if (process.send) {
  const send = process.send.bind(process);
  process.on("message", (message: JobMessage) => void answer(message, (reply) => send(reply)));
  process.on("disconnect", () => process.exit(0));
  // Ctrl-C reaches the whole group; the parent decides what ends.
  process.on("SIGINT", () => {});
}
