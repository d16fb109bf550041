import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { writeWhole } from "./files.node.js";

it("writes pieces whole, removes what dead writers of the same file left, and nothing else", () => {
  const folder = mkdtempSync(join(tmpdir(), "sparseland-files-"));
  try {
    const dead = spawnSync(process.execPath, ["-e", ""]).pid;
    const kept = [`.a.bin.${process.ppid}.sparseland-tmp`, `.b.bin.${dead}.sparseland-tmp`, ".a.bin.x.sparseland-tmp"];
    for (const name of [...kept, `.a.bin.${dead}.sparseland-tmp`]) writeFileSync(join(folder, name), "half");
    writeWhole(join(folder, "a.bin"), [new Uint8Array([1, 2]), new Uint8Array(0), new Uint8Array([3])]);
    expect([...readFileSync(join(folder, "a.bin"))]).toEqual([1, 2, 3]);
    expect(readdirSync(folder).sort()).toEqual([...kept, "a.bin"].sort());
  } finally {
    rmSync(folder, { recursive: true });
  }
});
