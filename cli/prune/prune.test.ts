/** `sparseland prune` from file to file: what it writes runs, what it refuses it refuses clearly. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createRng } from "../../src/core/index.js";
import { writeSafetensors } from "../../src/formats/index.js";
import { createModel } from "../../src/models/index.js";
import { initParams } from "../../src/nn/index.js";
import { createSession, denseOf, readModel } from "../../src/runtime/index.js";
import { runCommandLine } from "../program.js";
import { testTerminal } from "../testing/terminal.js";
import { readPatternName } from "./options.js";
import type { PruneReport } from "./report.js";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "sparseland-prune-"));
  const model = createModel("convnet");
  const params = initParams(model.module, createRng(1));
  const tensors = Object.fromEntries(
    Object.entries(params).map(([path, { shape, data }]) => [`module.${path}`, { dtype: "f32" as const, shape: [...shape], data }]),
  );
  writeFileSync(
    join(folder, "convnet.safetensors"),
    writeSafetensors({ tensors, metadata: { normalise_mean: "0.25", normalise_std: "0.5" } }),
  );
  writeFileSync(join(folder, "broken.safetensors"), "nothing of the kind");
  writeFileSync(join(folder, "broken.onnx"), "nothing of the kind");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const run = async (...args: string[]) => {
  const terminal = testTerminal(folder, process.env);
  const code = await runCommandLine(["prune", ...args], terminal);
  return { code, out: terminal.stdout(), err: terminal.stderr() };
};
const report = (out: string) => JSON.parse(out) as PruneReport;
const weights = "convnet.safetensors";
const data = process.env["SPARSELAND_DATA"] ?? "../shared/data";
const hasData = existsSync(join(data, "fashion-mnist"));

describe("sparseland prune", () => {
  it.runIf(hasData)("quantises after pruning: int8 weights in blocks, accuracy and what stays f32 in the report", async () => {
    const options = [
      "--arch",
      "convnet",
      "--sparsity",
      "0.75",
      "--pattern",
      "block:4x4",
      "--data",
      "fashion-mnist",
      "--limit",
      "200",
    ];
    const { code, out } = await run(weights, ...options, "--calibrate", "64", "--quantise", "int8", "--out", "bytes", "--json");
    expect(code).toBe(0);
    const told = report(out);
    expect(told.stages.at(-1)!.stage).toBe("quantised (int8)");
    expect(told.accuracyOfFile).toBe(told.stages.at(-1)!.accuracy);
    expect(told.layers.map(({ kernel }) => kernel)).toEqual(["int8", "int8", "int8", "int8"]);
    expect(told.int8!.stays).toEqual([]);
    const file = readModel(readFileSync(join(folder, "bytes/model.safetensors")));
    const forms = Object.values(file.params).flatMap(({ kind, value }) =>
      kind === "int8" ? [value.sparse?.block?.join("x") ?? "dense"] : [],
    );
    expect(forms).toEqual(["dense", "4x4", "4x4", "dense"]);
    const floats = await run(weights, ...options, "--out", "floats", "--json");
    expect(told.bytes.pruned).toBeLessThan(0.5 * report(floats.out).bytes.pruned);
  });

  it("refuses to quantise without data, without folding, or to anything but int8", async () => {
    const options = [weights, "--arch", "convnet", "--sparsity", "0.5", "--out", "none"];
    for (const [more, words] of [
      [["--quantise", "int8"], "--data"],
      [["--quantise", "int4", "--data", "mnist"], "int8"],
      [["--quantise", "int8", "--data", "mnist", "--no-fold"], "--no-fold"],
    ] as const) {
      const { code, err } = await run(...options, ...more);
      expect(code).toBe(2);
      expect(err).toContain(words);
    }
  });

  it("writes a smaller model that runs, and an honest report", async () => {
    const { code, out, err } = await run(weights, "--arch", "convnet", "--sparsity", "0.9", "--out", "pruned", "--json");
    expect([code, err.includes("something broke")]).toEqual([0, false]);
    const told = report(out);
    expect(readdirSync(join(folder, "pruned")).sort()).toEqual(["model.safetensors", "report.json", "report.txt"]);
    expect(JSON.parse(readFileSync(join(folder, "pruned/report.json"), "utf8"))).toEqual(told);
    const file = readModel(readFileSync(join(folder, "pruned/model.safetensors")));
    for (const { path, kept, note, kernel, denseMs, sparseMs } of told.layers) {
      const param = file.params[path]!;
      expect(denseOf(param).data.reduce((n, w) => n + Number(w !== 0), 0)).toBe(kept);
      expect(param.kind).toBe(note === "magnitude" ? "sparse" : "dense");
      if (note === "magnitude") expect(kernel).toBe(sparseMs! <= denseMs! ? "sparse" : "dense");
    }
    expect(told.layers.map(({ path, sparsity }) => [path, Math.round(sparsity * 1000) / 1000])).toEqual([
      ["conv1.weight", 0],
      ["conv2.weight", 0.9],
      ["conv3.weight", 0.9],
      ["fc.weight", 0],
    ]);
    expect(told.bytes.pruned).toBe(readFileSync(join(folder, "pruned/model.safetensors")).length);
    expect(told.bytes.pruned / told.bytes.dense).toBeLessThan(0.3);
    expect(told.stages.map(({ stage, accuracy }) => [stage, accuracy])).toEqual([
      ["as given", null],
      ["pruned (magnitude)", null],
    ]);
    expect(err.indexOf("forecast for 90.0 % (unstructured) on this machine: ")).toBeLessThan(err.indexOf("as given"));
    expect(told.forecast.predictedMs).toBeLessThan(told.forecast.denseMs);
    expect(told.time.speedup).toBeCloseTo(told.time.denseMs / told.time.prunedMs, 9);
    const session = await createSession(file);
    expect(Object.values(session.run({ x: new Float32Array(784) }))[0]!.shape).toEqual([1, 10]);
    session.close();
  }, 30_000);

  it("takes the file that it wrote, in blocks, and cuts channels", async () => {
    expect((await run(weights, "--arch", "convnet", "--sparsity", "0.5", "--out", "kept", "--no-fold")).code).toBe(0);
    const block = report(
      (await run("kept/model.safetensors", "--sparsity", "0.75", "--pattern", "block:2x1", "--out", "block", "--json")).out,
    );
    const file = readModel(readFileSync(join(folder, "block/model.safetensors")));
    const value = file.params["conv3.weight"]!.value;
    expect("layout" in value && [value.layout, value.block]).toEqual(["block", [2, 1]]);
    expect(block.sparsity!.prunedLayers).toBeCloseTo(0.75, 3);
    const cut = report(
      (await run(weights, "--arch", "convnet", "--sparsity", "0.5", "--pattern", "channels", "--out", "cut", "--json")).out,
    );
    expect(cut.groups.map(({ group, units, kept }) => [group, units, kept])).toEqual([
      ["conv1.weight", 32, 16],
      ["conv2.weight", 64, 32],
      ["conv3.weight", 128, 64],
    ]);
    expect(readModel(readFileSync(join(folder, "cut/model.safetensors"))).params["conv2.weight"]!.value.shape).toEqual([
      32, 16, 3, 3,
    ]);
    expect(readFileSync(join(folder, "cut/channels.txt"), "utf8")).toContain("removes 1 position of bn1.weight, axis 0");
    expect(cut.params.after).toBeLessThan(0.3 * cut.params.before);
  }, 60_000);

  it("warns before any pruning where it will not pay", async () => {
    const { code, err } = await run(
      weights,
      "--arch",
      "convnet",
      "--sparsity",
      "0.01",
      "--layer",
      "conv*=0",
      "--also-prune",
      "last",
      "--out",
      "idle",
    );
    expect(code).toBe(0);
    expect(err).toMatch(/warning: 1\.0 % \(unstructured\) will not make this network faster on this device; .*\n(.*\n)*as given/);
  }, 60_000);

  it("--explain prints the channel groups and writes nothing", async () => {
    const { code, out } = await run(weights, "--arch", "convnet", "--explain");
    expect([code, existsSync(join(folder, "model.safetensors"))]).toEqual([0, false]);
    expect(out).toContain("group 1: 32 units of conv1.weight");
    expect(out).toMatch(/because conv2d reads its input channels by column of the weight \(operation \d+, conv2\.weight\)/);
    expect(out).toContain('held: fc.weight, axis 0: the output "logits" is promised to the caller');
  });

  it.skipIf(!hasData)(
    "re-estimates and fine-tunes on data (skipped without the data folder)",
    async () => {
      const common = [
        weights,
        "--arch",
        "convnet",
        "--sparsity",
        "0.8",
        "--data",
        "fashion-mnist",
        "--limit",
        "128",
        "--calibrate",
        "64",
        "--json",
      ];
      const tuned = report((await run(...common, "--finetune", "1", "--out", "tuned")).out);
      expect(tuned.stages.map(({ stage }) => stage)).toEqual([
        "as given",
        "pruned (magnitude)",
        "batch norm re-estimated (3 layers)",
        "fine-tuned (1 epochs)",
      ]);
      expect(tuned.accuracyOfFile).toBeCloseTo(tuned.stages.at(-1)!.accuracy!, 2);
      expect(readModel(readFileSync(join(folder, "tuned/model.safetensors"))).metadata).toMatchObject({
        normalise_mean: "0.25",
        normalise_std: "0.5",
      });
    },
    60_000,
  );

  it.skipIf(!hasData)(
    "--gradual reaches the sparsity while it trains (skipped without the data folder)",
    async () => {
      const args = [
        "--arch",
        "convnet",
        "--sparsity",
        "0.75",
        "--data",
        "fashion-mnist",
        "--limit",
        "384",
        "--finetune",
        "2",
        "--gradual",
      ];
      const told = report((await run(weights, ...args, "--out", "gradual", "--json")).out);
      expect(told.stages.map(({ stage }) => stage)).toEqual(["as given", "fine-tuned (2 epochs)"]);
      expect(told.layers.map(({ sparsity, note }) => [Math.round(1000 * sparsity) / 1000, note])).toEqual([
        [0, "the first convolution stays dense by default"],
        [0.75, "gradual magnitude"],
        [0.75, "gradual magnitude"],
        [0, "the last layer stays dense by default"],
      ]);
    },
    60_000,
  );

  it.each([
    [["missing.safetensors", "--sparsity", "0.5", "--out", "o"], "missing.safetensors: no such file"],
    [["broken.safetensors", "--sparsity", "0.5", "--out", "o"], "broken.safetensors: "],
    [["broken.onnx", "--sparsity", "0.5", "--out", "o"], "broken.onnx: "],
    [[weights, "--sparsity", "0.5", "--out", "o"], "load it with an architecture instead"],
    [
      [weights, "--arch", "resnet20", "--sparsity", "0.5", "--out", "o"],
      "conv1.weight is [32, 1, 3, 3], resnet20 needs [16, 3, 3, 3]",
    ],
    [[weights, "--arch", "mlp", "--sparsity", "0.5", "--out", "o"], 'has no tensor "fc1.weight", which mlp needs'],
    [[weights, "--arch", "nonet", "--sparsity", "0.5", "--out", "o"], 'unknown model "nonet"'],
    [[weights, "--arch", "convnet", "--out", "o"], "--sparsity: expected a number"],
    [[weights, "--arch", "convnet", "--sparsity", "0.5"], "--out: expected a folder"],
    [[weights, "--sparsity", "1", "--out", "o"], "Expected a number in [0, 1)"],
    [[weights, "--sparsity", "0.7", "--pattern", "2:4", "--out", "o"], "0.5, which the pattern 2:4 fixes"],
    [[weights, "--sparsity", "0.7", "--pattern", "spiral", "--out", "o"], "--pattern: expected unstructured"],
    [[weights, "--sparsity", "0.7", "--method", "wanda", "--out", "o"], "--data: this needs data"],
    [
      [weights, "--sparsity", "0.7", "--repair", "obs", "--pattern", "channels", "--out", "o"],
      "--repair: expected none or least-squares",
    ],
    [[weights, "--sparsity", "0.7", "--layer", "conv2", "--out", "o"], "--layer: expected a layer's path"],
    [[weights, "--arch", "convnet", "--sparsity", "0.7", "--exclude", "nobody", "--out", "o"], "prune.exclude: expected a layer"],
    [[weights, "--arch", "convnet", "--sparsity", "0.7", "--data", "imagenet", "--out", "o"], "--data: expected one of"],
  ])("%j is refused with exit code 2, and nothing is written", async (args, message) => {
    const { code, out, err } = await run(...args);
    expect(err).toContain(message);
    expect([code, out]).toEqual([2, ""]);
    expect(existsSync(join(folder, "o"))).toBe(false);
  });

  it("pattern names", () => {
    expect(readPatternName("2:4")).toEqual({ kind: "nm", keep: 2, of: 4 });
    expect(readPatternName("block:4x1")).toEqual({ kind: "block", rows: 4, cols: 1 });
    expect(readPatternName("kernels:8")).toEqual({ kind: "kernels", filters: 8 });
    for (const bad of ["4:2", "4:4", "block:0x1", "kernels:0", ""]) expect(() => readPatternName(bad)).toThrow("--pattern");
  });
});
