/** How every command prints its result. */
import type { CommonOptions } from "./command.js";
import type { Terminal } from "./terminal.js";

/** Prints a result: the document with `--json`, else the text. */
export function printResult(terminal: Terminal, options: CommonOptions, document: unknown, text: () => string): void {
  if (options.json) terminal.out(`${JSON.stringify(document, null, 2)}\n`);
  else {
    const lines = text();
    terminal.out(lines.endsWith("\n") ? lines : `${lines}\n`);
  }
}
