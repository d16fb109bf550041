/** What a command may use of the world: where it prints, where it stands. Tests pass their own. */
export interface Terminal {
  /** Standard output: results, and with `--json` exactly one JSON document. */
  out(text: string): void;
  /** Standard error: progress, warnings, errors. */
  err(text: string): void;
  /** Whether standard error is a terminal that can redraw lines. */
  readonly interactive: boolean;
  /** Width of the terminal in characters. */
  readonly columns: number;
  /** The folder that relative paths start from. */
  readonly folder: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Milliseconds from a monotonic clock. */
  now(): number;
}

/** A check or a claim failed: exit code 1. Everything was in order with the input. */
export class CheckFailed extends Error {
  override name = "CheckFailed";
}

/** The terminal of this process. */
export function processTerminal(): Terminal {
  return {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    interactive: process.stderr.isTTY === true && process.env["TERM"] !== "dumb",
    columns: process.stderr.columns ?? 100,
    folder: process.cwd(),
    env: process.env,
    now: () => performance.now(),
  };
}
