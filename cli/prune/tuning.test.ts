/** A fine-tuning that is stopped goes on, and ends with the bits of an unbroken one. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createRng } from "../../src/core/index.js";
import { writeSafetensors } from "../../src/formats/index.js";
import { createModel } from "../../src/models/index.js";
import { initParams } from "../../src/nn/index.js";
import { runCommandLine } from "../program.js";
import { testTerminal } from "../testing/terminal.js";
import type { PruneReport } from "./report.js";
import { checkpointPath, duration } from "./tuning.js";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "sparseland-tuning-"));
  const params = initParams(createModel("convnet").module, createRng(1));
  const tensors = Object.fromEntries(
    Object.entries(params).map(([path, { shape, data }]) => [path, { dtype: "f32" as const, shape: [...shape], data }]),
  );
  writeFileSync(join(folder, "net.safetensors"), writeSafetensors({ tensors, metadata: {} }));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const hasData = existsSync(join(process.env["SPARSELAND_DATA"] ?? "../shared/data", "fashion-mnist"));
const common = "net.safetensors --arch convnet --data fashion-mnist --limit 128 --calibrate 32 --finetune 3 --sparsity".split(" ");

/** @param breakAt dies when a line with these words is printed, as a killed process would */
const run = async (args: readonly string[], breakAt?: string) => {
  const terminal = testTerminal(folder, process.env);
  const err = (text: string) => {
    terminal.err(text);
    if (breakAt !== undefined && text.includes(breakAt)) throw new Error("killed");
  };
  const dying = { ...terminal, err };
  const code = await runCommandLine(["prune", ...common, ...args], dying).catch(() => -1);
  return { code, err: terminal.stderr(), out: terminal.stdout() };
};

describe("a fine-tuning", () => {
  it.skipIf(!hasData).each([[["0.8"]], [["0.8", "--gradual"]]])(
    "to sparsity %j that is stopped goes on and writes the bits of an unbroken one (skipped without the data folder)",
    async (args) => {
      const whole = `whole${args.length}`;
      const broken = `broken${args.length}`;
      const unbroken = await run([...args, "--out", whole, "--json"]);
      expect(unbroken.code).toBe(0);
      expect(unbroken.err).toMatch(/epoch 2 of 3: loss \d+\.\d{3}, accuracy .*, about \d+ s left/);
      expect((await run([...args, "--out", broken], "epoch 1 of 3")).code).not.toBe(0);
      expect(readdirSync(join(folder, broken))).toContain("checkpoint.safetensors");
      expect(readdirSync(join(folder, broken))).not.toContain("model.safetensors");

      const other = await run([...args, "--rate", "0.1", "--out", broken]);
      expect([other.code, other.err]).toEqual([2, expect.stringContaining("no checkpoint of this run")]);

      const resumed = await run([...args, "--out", broken, "--json"]);
      expect(resumed.code).toBe(0);
      expect(resumed.err).toContain("going on after epoch 1 of 3");
      const model = (at: string) => readFileSync(join(folder, at, "model.safetensors"));
      expect(model(broken).equals(model(whole))).toBe(true);
      const numbers = (text: string) =>
        (JSON.parse(text) as PruneReport).curve.map(({ epoch, trainLoss, testAccuracy }) => [epoch, trainLoss, testAccuracy]);
      expect(numbers(resumed.out)).toEqual(numbers(unbroken.out));
      expect(numbers(resumed.out)).toHaveLength(3);
      expect(readdirSync(join(folder, broken)).sort()).toEqual(["model.safetensors", "report.json", "report.txt"]);
    },
    120_000,
  );

  it.skipIf(!hasData)(
    "refuses a damaged checkpoint and says how to go on",
    async () => {
      const out = join(folder, "damaged");
      await run(["0.5", "--out", "damaged"], "epoch 1 of 3");
      writeFileSync(checkpointPath(out), readFileSync(checkpointPath(out)).subarray(0, 1000));
      const { code, err } = await run(["0.5", "--out", "damaged"]);
      expect([code, err]).toEqual([2, expect.stringContaining("delete it to begin anew")]);
    },
    120_000,
  );

  it("tells durations as people say them", () => {
    expect([12.3, 89, 200, 7500].map(duration)).toEqual(["13 s", "89 s", "3 min", "2 h 05 min"]);
  });
});
