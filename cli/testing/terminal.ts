/** A terminal for tests: collects what is printed. */
import type { Terminal } from "../terminal.js";

/** A terminal whose output can be read. */
export interface TestTerminal extends Terminal {
  stdout(): string;
  stderr(): string;
}

/** A terminal that stands in `folder`. */
export function testTerminal(folder: string, env: Readonly<Record<string, string | undefined>> = {}): TestTerminal {
  let out = "";
  let err = "";
  return {
    out: (text) => void (out += text),
    err: (text) => void (err += text),
    interactive: false,
    columns: 100,
    folder,
    env,
    now: () => performance.now(),
    stdout: () => out,
    stderr: () => err,
  };
}
