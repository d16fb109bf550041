/** The example of the README runs as it stands there, and does what the text around it says. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { describe, expect, it, vi } from "vitest";
import { commands } from "../cli/registry.js";
import { methods } from "../src/methods/index.js";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const text = (name: string) => readFileSync(join(root, name), "utf8");

describe("README.md", () => {
  it("has an example of about 15 lines that trains a sparse network to better than chance and runs it", async () => {
    const code = /```ts\n([\s\S]*?)```/.exec(text("README.md"))![1]!;
    expect(code.split("\n").filter((line) => line.trim() !== "").length).toBeLessThanOrEqual(18);
    const source = (subpath: string) =>
      pathToFileURL(
        join(root, "src", subpath === "" ? "index.ts" : subpath === "/data/node" ? "data/index.node.ts" : `${subpath}/index.ts`),
      ).href;
    const folder = join(root, ".cache", "readme");
    mkdirSync(folder, { recursive: true });
    const file = join(folder, `example-${process.pid}.ts`);
    writeFileSync(
      file,
      code.replace(/from "sparseland([^"]*)"/g, (_, subpath: string) => `from ${JSON.stringify(source(subpath))}`) +
        "\nengine.close();\n",
    );
    const log = vi.spyOn(console, "log").mockImplementation(() => {});
    try {
      await import(pathToFileURL(file).href);
      const printed = log.mock.calls.map(([value]) => value as unknown);
      expect(printed).toHaveLength(8);
      const accuracies = printed.slice(0, 6) as number[];
      expect(accuracies[5]).toBeGreaterThan(0.5);
      const layers = printed[6] as { path: string; denseMs: number; sparseMs: number; choice: string }[];
      expect(layers.length).toBeGreaterThan(0);
      for (const { denseMs, sparseMs, choice } of layers) expect(choice).toBe(sparseMs <= denseMs ? "sparse" : "dense");
      expect((printed[7] as Float32Array).length).toBe(10);
      expect(Array.from(printed[7] as Float32Array).every(Number.isFinite)).toBe(true);
    } finally {
      log.mockRestore();
      rmSync(file, { force: true });
    }
  });
  it("names every command", () => {
    for (const { name } of commands) expect(text("README.md")).toContain(`\`${name}`);
  });
});

it("FEATURES.md names every method", () => {
  for (const name of Object.keys(methods)) expect(text("FEATURES.md")).toContain(`\`${name}\``);
});
