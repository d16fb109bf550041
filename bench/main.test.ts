/** The benchmark's command line, and that rows say what they compare. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { startPeer } from "./engine/peer.js";
import { describe as line, suiteNames } from "./main.js";
import { compare, median, type Row, wanted } from "./row.js";

const root = fileURLToPath(new URL("..", import.meta.url));
const bench = (...args: string[]) =>
  spawnSync(process.execPath, ["--import", "tsx", "bench/main.ts", ...args], { cwd: root, encoding: "utf8", timeout: 60_000 });

describe("rows", () => {
  it("take the least and the middle of both sides", () => {
    const row = compare("work", 1, [4, 2, 3], "peer", [8, 10, 16], "a note");
    expect(row).toEqual({
      name: "work",
      threads: 1,
      sparselandMs: 2,
      peer: "peer",
      peerMs: 8,
      ratio: 0.25,
      median: { sparselandMs: 3, peerMs: 10, ratio: 0.3 },
      note: "a note",
    });
    expect(median([5, 1, 9, 7])).toBe(5);
  });

  it("of an absent peer have no ratio, and name it", () => {
    const row = compare("work", 2, [4], "torch absent: no module", undefined);
    expect([row.peerMs, row.ratio, row.median!.ratio]).toEqual([null, null, null]);
    expect(line(row)).toContain("torch absent: no module");
  });

  it("are chosen by a part of their name", () => {
    const say = () => undefined;
    expect([wanted({ say }, "x"), wanted({ say, only: "GEMM" }, "GEMM 512^3"), wanted({ say, only: "GEMM" }, "SpMM")]).toEqual([
      true,
      true,
      false,
    ]);
  });
});

describe("peers", () => {
  it("answer a time a line", async () => {
    const script =
      "console.log('fake 1.0'); process.stdin.on('data', (d) => String(d).trim().split('\\n').forEach((w) => console.log(w.length * 1.5)))";
    const { peer } = await startPeer([process.execPath, "-e", script], {}, 1);
    expect(peer!.name).toBe("fake 1.0");
    expect(await peer!.time("four")).toBe(6);
    expect(await peer!.time("sixsix")).toBe(9);
    peer!.close();
  });

  it("that are not there say why", async () => {
    expect((await startPeer(["/no/such/program"], {}, 1)).absent).toMatch(/ENOENT/);
    expect((await startPeer([process.execPath, "-e", "throw new Error('no such module')"], {}, 1)).absent).toMatch(/./);
  });
});

describe("the command line", () => {
  it("finds suites as folders", () => {
    expect(suiteNames()).toEqual(expect.arrayContaining(["engine", "kernels"]));
    for (const name of suiteNames()) expect(existsSync(`${root}/bench/${name}/index.ts`)).toBe(true);
  });

  it.each([
    [["--suite", "nothing"], /--suite: expected one of .*engine.*got nothing/],
    [["--rounds", "0"], /--rounds: expected an integer/],
    [["--wrong"], /--wrong/],
  ])("%j is refused with exit code 2", (args, message) => {
    const { status, stderr, stdout } = bench(...args);
    expect(status).toBe(2);
    expect(stderr).toMatch(message);
    expect(stdout).toBe("");
  });

  it("prints one JSON document: machine and rows", () => {
    const { status, stdout } = bench("--suite", "engine", "--only", "GEMM 512", "--rounds", "1", "--json");
    expect(status).toBe(0);
    const { machine, rows } = JSON.parse(stdout) as { machine: { node: string }; rows: (Row & { suite: string })[] };
    expect(machine.node).toBe(process.versions.node);
    expect(rows.map(({ suite, name, threads }) => [suite, name, threads])).toEqual([
      ["engine", "GEMM 512^3", 1],
      ["engine", "GEMM 512^3", 2],
    ]);
    for (const { sparselandMs, peerMs, ratio } of rows) {
      expect(sparselandMs).toBeGreaterThan(0);
      expect(ratio).toBeCloseTo(sparselandMs / peerMs!, 9);
    }
  });
});
