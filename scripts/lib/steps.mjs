// The set-up steps, each done only when stale: packages, kernels, the browser's worker, TypeScript.
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root, runNpm, runPackage, SetupError } from "./shell.mjs";
import { hashOf, isStale, markDone } from "./stale.mjs";

const json = (path) => JSON.parse(readFileSync(join(root, path), "utf8"));

/** @throws SetupError when this Node is older than package.json's `engines` allows */
export function requireNode() {
  const least = /(\d+)\.(\d+)\.(\d+)/.exec(json("package.json").engines.node).slice(1).map(Number);
  const have = process.versions.node.split(".").map(Number);
  const at = least.findIndex((part, i) => part !== have[i]);
  if (at >= 0 && have[at] < least[at]) {
    throw new SetupError(
      `Node ${least.join(".")} or later is needed, this is ${process.versions.node} (${process.execPath}). Get one from https://nodejs.org.`,
    );
  }
}

/**
 * Whether every package of the lockfile is installed at its version (npm writes what it installed into node_modules), and is there:
 * an installation that was broken off may have written the list alone.
 */
function packagesFit() {
  const installed = join(root, "node_modules", ".package-lock.json");
  if (!existsSync(installed)) return false;
  const have = JSON.parse(readFileSync(installed, "utf8")).packages ?? {};
  return Object.entries(json("package-lock.json").packages).every(
    ([path, wanted]) =>
      path === "" ||
      wanted.optional ||
      wanted.peer ||
      wanted.link ||
      (have[path]?.version === wanted.version && existsSync(join(root, path, "package.json"))),
  );
}

function packages({ say, quiet }) {
  if (packagesFit()) return;
  say(
    existsSync(join(root, "node_modules"))
      ? "installing packages (node_modules does not match package-lock.json)"
      : "installing packages",
  );
  // ONNX Runtime, against which tests compare, would fetch GPU libraries that nobody here uses.
  runNpm("npm ci", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], { quiet, env: { ONNXRUNTIME_NODE_INSTALL: "skip" } });
}

function kernels({ say, quiet, force }) {
  const skip = (path) => path.startsWith("src/kernels/generated") || path.endsWith(".test.ts");
  const hash = hashOf(["src/kernels", "src/core", "scripts/build-kernels.ts", "node_modules/assemblyscript/package.json"], skip);
  if (!force && !isStale("kernels", hash, ["src/kernels/generated"])) return;
  say("building the WebAssembly kernels");
  runPackage("building kernels", "tsx/dist/cli.mjs", ["scripts/build-kernels.ts"], { quiet });
  markDone("kernels", hash);
}

/** The worker of the browser bundle: made from sources that import the kernels. */
function worker({ say, quiet, force }) {
  const skip = (path) => path.startsWith("src/runtime/generated") || path.endsWith(".test.ts");
  const inputs = ["core", "formats", "kernels", "program", "engine", "runtime"].map((folder) => `src/${folder}`);
  const hash = hashOf(
    [...inputs, "scripts/build-worker.ts", "scripts/lib/worker-script.ts", "scripts/lib/worker-slim.ts", "package-lock.json"],
    skip,
  );
  if (
    !force &&
    !isStale(
      "worker",
      hash,
      ["worker.ts", "worker-int8.ts"].map((name) => `src/runtime/generated/${name}`),
    )
  )
    return;
  say("building the browser's worker");
  runPackage("building the worker", "tsx/dist/cli.mjs", ["scripts/build-worker.ts"], { quiet });
  markDone("worker", hash);
}

function typescript({ say, quiet, force }) {
  const skip = (path) => /\.(test|bench)\.ts$/.test(path) || path.startsWith("papers/results");
  const hash = hashOf(
    ["src", "cli", "papers", "tsconfig.json", "tsconfig.build.json", "package.json", "node_modules/typescript/package.json"],
    skip,
  );
  if (!force && !isStale("typescript", hash, ["dist/cli/main.js"])) return;
  say("compiling TypeScript");
  const fresh = `dist.${process.pid}.tmp`;
  const old = `dist.${process.pid}.old`;
  try {
    runPackage("tsc", "typescript/bin/tsc", ["-p", "tsconfig.build.json", "--outDir", fresh], { quiet });
    if (existsSync(join(root, "dist"))) renameSync(join(root, "dist"), join(root, old));
    renameSync(join(root, fresh), join(root, "dist"));
  } finally {
    for (const folder of [fresh, old]) rmSync(join(root, folder), { recursive: true, force: true });
  }
  markDone("typescript", hash);
}

const alive = (pid) => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
};

/** One set-up at a time: a second one waits for the first. */
function locked(say, work) {
  const folder = join(root, ".cache");
  const lock = join(folder, "setup.lock");
  mkdirSync(folder, { recursive: true });
  for (let told = false; ; ) {
    try {
      writeFileSync(lock, String(process.pid), { flag: "wx" });
      break;
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
    }
    const entry = statSync(lock, { throwIfNoEntry: false });
    const owner = entry ? Number(readFileSync(lock, "utf8")) : 0;
    // An empty lock is one being written this moment, unless it is old.
    if (entry && (owner > 0 ? !alive(owner) : Date.now() - entry.mtimeMs > 5000)) rmSync(lock, { force: true });
    else {
      if (!told) say("waiting for another set-up in this folder");
      told = true;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
    }
  }
  try {
    work();
  } finally {
    rmSync(lock, { force: true });
  }
}

/** Everything that a fresh clone needs, nothing that is already done. */
export function setUp({ quiet = false, force = false } = {}) {
  const say = (text) => quiet || process.stderr.write(`sparseland: ${text}\n`);
  requireNode();
  locked(say, () => {
    packages({ say, quiet });
    kernels({ say, quiet, force });
    worker({ say, quiet, force });
    typescript({ say, quiet, force });
  });
}

/** Runs `work` and turns a SetupError into one line and exit code 1. */
export function orExit(work) {
  try {
    work();
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    process.stderr.write(`sparseland: ${error.message}\n`);
    process.exit(1);
  }
}
