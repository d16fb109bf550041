/** Progress on standard error: bars that redraw on a terminal, plain lines elsewhere. */
import cliProgress from "cli-progress";
import type { Terminal } from "./terminal.js";

/** One bar. */
export interface Bar {
  /** `done` in [0, total]; `words` stand behind the bar. */
  update(done: number, words?: string): void;
  /** Takes the bar away. */
  stop(): void;
}

/** Several bars, and lines that stay above them. */
export interface Progress {
  bar(name: string, total: number): Bar;
  /** A line that stays. */
  log(line: string): void;
  /** Removes all bars. */
  stop(): void;
}

const silentBar: Bar = { update: () => {}, stop: () => {} };

/** Progress for this terminal. Without a terminal only the lines are printed: a log file stays readable. */
export function createProgress(terminal: Terminal): Progress {
  if (!terminal.interactive) return { bar: () => silentBar, log: (line) => terminal.err(`${line}\n`), stop: () => {} };
  const bars = new cliProgress.MultiBar(
    {
      format: "{name} {bar} {percentage} % | {words}",
      barsize: Math.max(10, Math.min(30, terminal.columns - 60)),
      hideCursor: true,
      clearOnComplete: true,
      stopOnComplete: false,
      forceRedraw: true,
      stream: process.stderr,
      fps: 8,
    },
    cliProgress.Presets.shades_classic,
  );
  return {
    bar(name, total) {
      const bar = bars.create(Math.max(1, total), 0, { name: name.padEnd(24).slice(0, 32), words: "" });
      return {
        update: (done, words) =>
          bar.update(
            Math.min(done, Math.max(1, total)),
            words === undefined ? {} : { words: words.slice(0, Math.max(10, terminal.columns - 75)) },
          ),
        stop: () => void bars.remove(bar),
      };
    },
    log: (line) => bars.log(`${line}\n`),
    stop: () => bars.stop(),
  };
}
