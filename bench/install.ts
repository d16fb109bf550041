/** The peers' packages, installed when they are first needed: bench/package.json pins them, and nothing of Sparseland depends on them. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const BENCH = fileURLToPath(new URL(".", import.meta.url));
const NEEDED = [
  "@litertjs/core",
  "@tensorflow/tfjs-tflite",
  "@tensorflow/tfjs-backend-wasm",
  "onnxruntime-web",
  "onnxruntime-node",
  "@jax-js/jax",
];

/** @throws Error when npm fails */
export function installPeers(say: (text: string) => void): void {
  if (NEEDED.every((name) => existsSync(path.join(BENCH, "node_modules", name, "package.json")))) return;
  say("installing the engines to compare with into bench/node_modules (about 600 MB)");
  // bench/.npmrc says how: without scripts (onnxruntime-node's would fetch GPU libraries), by npm's older rule for peers.
  const { status, stderr } = spawnSync("npm", ["ci", "--no-audit", "--no-fund"], { cwd: BENCH, encoding: "utf8" });
  if (status !== 0) throw new Error(`npm ci in ${BENCH} failed: ${stderr.trim().split("\n").slice(-4).join("\n")}`);
}
