/** What a subcommand is: what it may assume of the command line, and what it must offer. */
import type { Command } from "commander";
import type { Terminal } from "./terminal.js";

/** Adds arguments, options and the action to a subcommand that already has its name, its summary and the common options. */
export type Register = (command: Command, terminal: Terminal) => void;

/** Options that every command has; a command's own options object extends this. */
export interface CommonOptions {
  /** One JSON document on standard output, progress on standard error. */
  readonly json?: true;
  readonly seed?: number;
  /** At least 1. Undefined: all cores. */
  readonly threads?: number;
  /** Where results go; each command says what. */
  readonly out?: string;
  /** Stack traces with errors. */
  readonly verbose?: true;
}

/** A subcommand before it is loaded. */
export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  load(): Promise<{ readonly register: Register }>;
}
