#!/usr/bin/env node
/** The executable `sparseland`. */
import { runCommandLine } from "./program.js";
import { processTerminal } from "./terminal.js";

const terminal = processTerminal();
process.on("SIGINT", () => {
  terminal.err("\nsparseland: stopped; the same command goes on from here\n");
  process.exit(130);
});
process.exitCode = await runCommandLine(process.argv.slice(2), terminal);
