// The whole test: lint and format, types, the packed tarball as a user gets it, then unit and structure tests (their summary comes last).
//
//   node scripts/test.mjs [name of a step...]
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runNpm, runPackage, SetupError } from "./lib/shell.mjs";
import { orExit } from "./lib/steps.mjs";

const steps = {
  lint: () => runPackage("biome", "@biomejs/biome/bin/biome", ["check", "."]),
  types: () => runPackage("tsc", "typescript/bin/tsc", ["--noEmit", "-p", "tsconfig.json"]),
  package: () => {
    const folder = mkdtempSync(join(tmpdir(), "sparseland-pack-"));
    try {
      runNpm("npm pack", ["pack", "--silent", "--pack-destination", folder], { quiet: true });
      const tarball = join(
        folder,
        readdirSync(folder).find((name) => name.endsWith(".tgz")),
      );
      runPackage("publint", "publint/src/cli.js", ["run", tarball, "--strict", "--pack=false"]);
      runPackage("attw", "@arethetypeswrong/cli/dist/index.js", [tarball, "--profile", "esm-only", "--format", "ascii"], {
        quiet: true,
      });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
  unit: () => runPackage("vitest", "vitest/vitest.mjs", ["run"], { out: 1 }),
};

orExit(() => {
  const chosen = process.argv.slice(2);
  const unknown = chosen.find((name) => !(name in steps));
  if (unknown) throw new SetupError(`unknown step ${unknown}; there are ${Object.keys(steps).join(", ")}`);
  const failed = [];
  for (const [name, step] of Object.entries(steps)) {
    if (chosen.length > 0 && !chosen.includes(name)) continue;
    const start = performance.now();
    process.stderr.write(`\nsparseland: ${name}\n`);
    try {
      step();
      process.stderr.write(`sparseland: ${name} passed in ${((performance.now() - start) / 1000).toFixed(1)} s\n`);
    } catch (error) {
      if (!(error instanceof SetupError)) throw error;
      process.stderr.write(`sparseland: ${error.message}\n`);
      failed.push(name);
    }
  }
  if (failed.length > 0) throw new SetupError(`failed: ${failed.join(", ")}`);
});
