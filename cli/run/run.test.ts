/** The whole of `sparseland run` on a small part of the real data, killed and resumed. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { totalsOf, unpackNetwork } from "../network/file.js";
import { runCommandLine } from "../program.js";
import { testTerminal } from "../testing/terminal.js";
import { parseResults, type RunResults } from "./results.js";

const recipe = `name: tiny
seed: 3
data: { set: fashion-mnist, train: 512, test: 128 }
model: { family: mlp, options: { hidden: [64, 32] } }
train: { epochs: 3, batch: 64, schedule: { rate: 0.05 } }
entries:
  - { name: dense, method: dense }
  - { name: small, method: small-dense, density: 0.2 }
  - { method: gradual-magnitude, sparsity: 0.8, options: { begin: 10%, end: 70%, every: 2 } }
  - { method: set, sparsity: 0.9, options: { every: 3, until: 75% } }
  - { method: rigl, sparsity: 0.9, options: { every: 3, until: 75% } }
measure: { runs: 2 }
quick: { train: { epochs: 1 } }
`;

const main = join(dirname(dirname(fileURLToPath(import.meta.url))), "main.ts");
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "sparseland-whole-"));
  writeFileSync(join(folder, "tiny.yaml"), recipe);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const start = (...args: string[]): ChildProcess =>
  spawn(process.execPath, ["--import", "tsx", main, "run", join(folder, "tiny.yaml"), ...args], {
    stdio: ["ignore", "ignore", "pipe"],
    cwd: dirname(dirname(main)),
  });

/** Waits for the end of a process. */
function ended(child: ChildProcess): Promise<{ code: number | null; err: string }> {
  let err = "";
  child.stderr!.on("data", (chunk: Buffer) => (err += chunk.toString()));
  return new Promise((done) => child.once("exit", (code) => done({ code, err })));
}

/** Kills a process as soon as a condition holds. */
async function killWhen(child: ChildProcess, condition: () => boolean): Promise<boolean> {
  const end = ended(child);
  let killed = false;
  const timer = setInterval(() => {
    if (!killed && condition()) killed = child.kill("SIGKILL");
  }, 1);
  await end;
  clearInterval(timer);
  return killed;
}

/** What must not depend on the clock or on interruptions. */
const numbers = ({ entries }: RunResults) =>
  entries.map((entry) => {
    const { name, realisedSparsity, testAccuracy, params, nonZeros, bytesOnDisk, theoreticalFlops, reloadedEqual, curve } = entry;
    return {
      name,
      realisedSparsity,
      testAccuracy,
      params,
      nonZeros,
      bytesOnDisk,
      theoreticalFlops,
      reloadedEqual,
      curve: curve.map(({ seconds: _, ...point }) => point),
    };
  });

const read = (name: string) => parseResults(readFileSync(join(folder, name, "results.json"), "utf8"), name);

describe("sparseland run", () => {
  it("trains, saves, reloads, times and reports every network", async () => {
    const terminal = testTerminal(folder);
    const code = await runCommandLine(["run", "tiny.yaml", "--out", "whole", "--threads", "1", "--json"], terminal);
    expect([code, terminal.stderr().split("\n").at(-2)]).toEqual([0, "timing every network against the dense one"]);
    const results = JSON.parse(terminal.stdout()) as RunResults;
    expect(parseResults(terminal.stdout(), "stdout")).toEqual(read("whole"));
    expect(results.entries.map(({ id }) => id)).toEqual(["dense", "small", "gradual-magnitude-80", "set-90", "rigl-90"]);
    const [dense, small, ...sparse] = results.entries as [
      RunResults["entries"][number],
      RunResults["entries"][number],
      ...RunResults["entries"],
    ];
    expect([dense.params, dense.nonZeros, dense.speedupBatch1]).toEqual([
      784 * 64 + 64 + 64 * 32 + 32 + 32 * 10 + 10,
      dense.params,
      expect.any(Number),
    ]);
    // The small twin has at most the parameters that the network has non-zeros at density 0.2: 106 + 0.2 * 52544.
    const most = 106 + Math.round(0.2 * (784 * 64 + 64 * 32 + 320));
    expect(small.params).toBeLessThanOrEqual(most);
    expect(small.params).toBeGreaterThan(0.9 * most);
    for (const entry of results.entries) {
      expect(entry.testAccuracy).toBeGreaterThan(0.3);
      expect(entry.reloadedEqual).toBe(true);
      expect(entry.curve).toHaveLength(3);
      expect(entry.testAccuracy).toBeCloseTo(entry.curve.at(-1)!.testAccuracy, 6);
      const path = join(folder, "whole", "models", `${entry.id}.safetensors`);
      expect(statSync(path).size).toBe(entry.bytesOnDisk);
      expect(totalsOf(unpackNetwork(readFileSync(path), path))).toEqual({ params: entry.params, nonZeros: entry.nonZeros });
    }
    for (const entry of sparse) {
      expect(Math.abs(entry.realisedSparsity - entry.targetSparsity)).toBeLessThan(0.01);
      expect(entry.bytesOnDisk).toBeLessThan((entry.targetSparsity === 0.8 ? 0.35 : 0.25) * dense.bytesOnDisk);
      expect(entry.theoreticalFlops).toBeLessThan(0.25 * dense.theoreticalFlops);
      expect(entry.card).toMatchObject({ targetSparsity: entry.targetSparsity, seeds: [3] });
      // Each layer's time was taken inside the plans of the two networks.
      for (const { ms, denseMs } of entry.layers) expect(Math.min(ms!, denseMs!)).toBeGreaterThan(0);
      expect(entry.layers[0]!.reason).toMatch(/^alone .+ sparse, .+ dense: /);
    }
    expect(sparse.map(({ trainingKernels }) => trainingKernels)).toEqual(["simulated", "sparse", "sparse"]);
    expect(readdirSync(join(folder, "whole")).sort()).toEqual([
      "checkpoints",
      "models",
      "recipe.yaml",
      "report.html",
      "results.json",
      "run.json",
    ]);
    expect(readdirSync(join(folder, "whole", "checkpoints"))).toEqual([]);
  });

  it("killed with SIGKILL again and again, ends with the same numbers, for any number of threads", async () => {
    const out = join(folder, "killed");
    const has = (path: string) => existsSync(join(out, path));
    const points = [
      () => has("checkpoints/dense.bin"),
      () => has("models/dense.safetensors"),
      () => has("checkpoints/gradual-magnitude-80.bin"),
      () => has("models/set-90.safetensors"),
      () => has("checkpoints/rigl-90.bin"),
      // All are trained: this one dies while it measures.
      () => has("run.json") && Object.keys(JSON.parse(readFileSync(join(out, "run.json"), "utf8")).entries).length === 5,
    ];
    for (const [i, point] of points.entries())
      expect([i, await killWhen(start("--out", out, "--threads", "2"), point)]).toEqual([i, true]);
    expect(has("results.json")).toBe(false);
    const { code, err } = await ended(start("--out", out, "--threads", "2"));
    expect([code, err.includes("going on: ")]).toEqual([0, true]);
    expect(numbers(read("killed"))).toEqual(numbers(read("whole")));
    // Once more: nothing is left to train.
    const again = testTerminal(folder);
    expect(await runCommandLine(["run", "tiny.yaml", "--out", "killed", "--threads", "1"], again)).toBe(0);
    expect(again.stderr()).toContain("going on: 5 of 5 networks are trained");
    expect(again.stdout()).toContain("Report: ");
  }, 300_000);

  it("refuses a folder of another recipe, and a second run beside the first", async () => {
    const other = testTerminal(folder);
    expect(await runCommandLine(["run", "tiny.yaml", "--out", "whole", "--seed", "4"], other)).toBe(2);
    expect(other.stderr()).toContain("holds a run of another recipe");
    const quick = testTerminal(folder);
    expect(await runCommandLine(["run", "tiny.yaml", "--quick", "--out", "whole"], quick)).toBe(2);
    const first = start("--out", join(folder, "busy"));
    const end = ended(first);
    while (!existsSync(join(folder, "busy", "lock")) && first.exitCode === null) await new Promise((done) => setTimeout(done, 5));
    const second = testTerminal(folder);
    expect(await runCommandLine(["run", "tiny.yaml", "--out", "busy"], second)).toBe(2);
    expect(second.stderr()).toContain("another run is in this folder");
    first.kill("SIGKILL");
    await end;
  });

  it.each([
    ["missing.yaml", undefined, "no such recipe"],
    ["key.yaml", recipe.replace("epochs: 3", "epohcs: 3"), 'key.yaml:5:10: train.epohcs: unknown key; did you mean "epochs"?'],
    ["family.yaml", recipe.replace("family: mlp", "family: mpl"), 'did you mean "mlp"?'],
    ["option.yaml", recipe.replace("hidden: [64, 32]", "hiden: [64, 32]"), 'mlp has no option "hiden"'],
    ["end.yaml", recipe.replace("end: 70%", "end: 100%"), "gradual-magnitude.end: expected a step before the last one"],
    ["shape.yaml", recipe.replace("hidden: [64, 32]", "hidden: [64], inputShape: [3, 4]"), "mlp takes examples of [3,4]"],
    ["classes.yaml", recipe.replace("hidden: [64, 32]", "hidden: [64], classes: 7"), "at least the 10 classes"],
    ["huge.yaml", recipe.replace("hidden: [64, 32]", "hidden: [60000, 60000]"), "out of memory: the weights of mlp take 13."],
    ["batch.yaml", recipe.replace("batch: 64", "batch: 1024"), "train.batch: expected at most the 512 training examples, got 1024"],
    ["source.yaml", recipe.replace("train: 512", "train: 512, source: ./nowhere"), "./nowhere"],
    ["diverges.yaml", recipe.replace("rate: 0.05", "rate: 90, name: constant"), "lower the learning rate"],
  ])("%s is refused with exit code 2 and a clear line", async (name, text, message) => {
    if (text !== undefined) writeFileSync(join(folder, name), text);
    const terminal = testTerminal(folder);
    const code = await runCommandLine(["run", name, "--out", `bad-${name}`, "--threads", "1"], terminal);
    expect(terminal.stderr()).toContain(message);
    expect([code, terminal.stdout()]).toEqual([2, ""]);
    // Nothing is left behind, not even by one that is found out only while it trains.
    expect(existsSync(join(folder, `bad-${name}`))).toBe(false);
  });
});
