/** Runs jobs in Node, of this version or another. */
import { spawn, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { type Job, type Outcome, patience } from "../race.js";

const CHILD = fileURLToPath(new URL("./child.ts", import.meta.url));
const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

/** A Node of this major version: this process's own, or npm's package `node`. undefined where there is none. */
export function findNode(major: number): string | undefined {
  if (Number(process.versions.node.split(".")[0]) === major) return process.execPath;
  const { status, stdout } = spawnSync("npx", ["-y", "-p", `node@${major}`, "node", "-p", "process.execPath"], {
    encoding: "utf8",
  });
  return status === 0 ? stdout.trim() : undefined;
}

/** @throws Error with the process's last words when it ends without an outcome, or when it takes too long */
export async function runInNode(node: string, job: Job): Promise<Outcome> {
  const child = spawn(node, ["--import", "tsx", CHILD, JSON.stringify(job)], { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] });
  let [out, errors] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => {
    out += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    errors = (errors + chunk.toString()).slice(-4000);
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), patience(job));
  const code = await new Promise<number | null>((done, fail) => {
    child.on("error", fail);
    child.on("close", done);
  });
  clearTimeout(timer);
  const last = out.trim().split("\n").at(-1) ?? "";
  if (code !== 0 || !last.startsWith("{"))
    throw new Error(`the benchmark process ended with ${code}: ${errors.trim().split("\n").slice(-6).join("\n")}`);
  return JSON.parse(last) as Outcome;
}
