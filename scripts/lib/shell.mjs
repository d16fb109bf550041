// Running other programs from the set-up scripts. Plain JavaScript, no packages: it must work before `npm ci`.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The checkout. */
export const root = fileURLToPath(new URL("../..", import.meta.url)).replace(/[\\/]$/, "");

/** Stops the script with one clear line. */
export class SetupError extends Error {}

/**
 * Runs a program and waits. Its output goes to standard error (`out: 1`: standard output), or is kept and shown only on failure when `quiet`.
 * @throws SetupError when it fails
 */
export function runProgram(name, command, args, { quiet = false, env = {}, out = 2 } = {}) {
  const done = spawnSync(command, args, {
    cwd: root,
    stdio: quiet ? ["ignore", "pipe", "pipe"] : ["ignore", out, 2],
    env: { ...process.env, ...env },
    maxBuffer: 1 << 28,
  });
  if (done.error) throw new SetupError(`${name}: could not start ${command}: ${done.error.message}`);
  if (done.status !== 0) {
    if (quiet) process.stderr.write(Buffer.concat([done.stdout ?? Buffer.alloc(0), done.stderr ?? Buffer.alloc(0)]));
    throw new SetupError(`${name} failed (${done.signal ? `signal ${done.signal}` : `exit code ${done.status}`})`);
  }
}

/** npm, as the one that started us where there is one. */
export function runNpm(name, args, options) {
  const path = process.env.npm_execpath;
  if (path && /npm-cli\.[cm]?js$/.test(path)) runProgram(name, process.execPath, [path, ...args], options);
  else runProgram(name, process.platform === "win32" ? "npm.cmd" : "npm", args, options);
}

/** A file inside an installed package, run with this Node. */
export function runPackage(name, file, args, options) {
  runProgram(name, process.execPath, [join(root, "node_modules", file), ...args], options);
}
