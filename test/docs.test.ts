/** docs/library.md: every example runs as it stands and prints what its comments say; every subpath of the package has its place. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { afterAll, describe, expect, it, vi } from "vitest";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const page = readFileSync(join(root, "docs", "library.md"), "utf8");
const blocks = [...page.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code]) => code!);
const folder = join(root, ".cache", `docs-${process.pid}`);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The source file of a subpath such as `/data/node`. */
function source(subpath: string): string {
  const [, name = "", part] = subpath.split("/");
  return pathToFileURL(join(root, "src", name, part ? `index.${part}.ts` : "index.ts")).href;
}
const shown = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value));

describe("docs/library.md", () => {
  it.each(blocks.map((code, i) => [/"(sparseland[^"]*)";\n\n/.exec(code)?.[1] ?? "", code, i] as const))(
    "runs the example with %s",
    async (_, code, i) => {
      mkdirSync(folder, { recursive: true });
      const file = join(folder, `example-${i}.ts`);
      writeFileSync(
        file,
        code.replace(/from "sparseland([^"]*)"/g, (_, subpath: string) => `from ${JSON.stringify(source(subpath))}`),
      );
      const log = vi.spyOn(console, "log").mockImplementation(() => {});
      try {
        await import(pathToFileURL(file).href);
        const printed = log.mock.calls.map(([value]) => shown(value));
        const promised = [...code.matchAll(/^console\.log\(.*\); \/\/ (.*)$/gm)].map(([, text]) => text!);
        expect(promised.length).toBeGreaterThan(0);
        expect(printed).toEqual(promised);
      } finally {
        log.mockRestore();
      }
    },
  );

  it("has an example of every subpath", () => {
    const { exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { exports: Record<string, unknown> };
    const used = new Set(blocks.flatMap((code) => [...code.matchAll(/from "(sparseland[^"]*)"/g)].map(([, path]) => path!)));
    const headed = [...page.matchAll(/`(sparseland[^`]*)`/g)].map(([, path]) => path!);
    for (const subpath of Object.keys(exports).filter((path) => !path.includes(".json") && path !== ".")) {
      const name = subpath.replace(".", "sparseland");
      // What needs files of its own has its own page.
      if (name !== "sparseland/retrieval/node") expect([...used], name).toContain(name);
      expect([...headed, "sparseland/retrieval/node"], name).toContain(name);
    }
  });
});
