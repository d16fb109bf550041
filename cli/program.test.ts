import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { InputError, OptionError } from "../src/core/index.js";
import type { CommandEntry, CommonOptions, Register } from "./command.js";
import { registerFor } from "./commands/reproduce.js";
import { printResult } from "./print.js";
import { exitBadInput, exitFailed, exitOk, runCommandLine } from "./program.js";
import { commands } from "./registry.js";
import { CheckFailed } from "./terminal.js";
import { testTerminal } from "./testing/terminal.js";

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), "sparseland-cli-"))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const entry = (name: string, register: Register): CommandEntry => ({
  name,
  summary: `does ${name}`,
  load: async () => ({ register }),
});

async function run(args: readonly string[], all?: readonly CommandEntry[]) {
  const terminal = testTerminal(folder);
  const code = await runCommandLine(args, terminal, all);
  return { code, out: terminal.stdout(), err: terminal.stderr() };
}

const throwing = (error: unknown) => [
  entry("fail", (command) => {
    command.action(() => {
      throw error;
    });
  }),
];

describe("the command line", () => {
  it("loads only the command that is asked for", async () => {
    const loaded: string[] = [];
    const all = ["one", "two"].map((name) => ({
      ...entry(name, () => {}),
      load: async () => (loaded.push(name), { register: (c: Parameters<Register>[0]) => void c.action(() => {}) }),
    }));
    expect((await run(["two"], all)).code).toBe(exitOk);
    expect(loaded).toEqual(["two"]);
    const help = await run(["--help"], all);
    expect(help.code).toBe(exitOk);
    expect(help.out).toContain("does one");
    expect(loaded).toEqual(["two"]);
  });

  it("prints the version of package.json", async () => {
    const { version } = JSON.parse(readFileSync(join(dirname(fileURLToPath(import.meta.url)), "..", "package.json"), "utf8")) as {
      version: string;
    };
    expect(await run(["--version"])).toEqual({ code: exitOk, out: `${version}\n`, err: "" });
  });

  it("gives every command the common options, checked", async () => {
    let seen: CommonOptions | undefined;
    const all = [
      entry(
        "look",
        (command, terminal) =>
          void command.action((options: CommonOptions) => printResult(terminal, (seen = options), { a: 1 }, () => "text")),
      ),
    ];
    expect(await run(["look", "--json", "--seed", "7", "--threads", "2", "--out", "x", "--verbose"], all)).toEqual({
      code: 0,
      out: '{\n  "a": 1\n}\n',
      err: "",
    });
    expect(seen).toEqual({ json: true, seed: 7, threads: 2, out: "x", verbose: true });
    expect((await run(["look"], all)).out).toBe("text\n");
    for (const bad of [
      ["--seed", "1.5"],
      ["--seed", "-1"],
      ["--threads", "0"],
      ["--threads", "two"],
      ["--out"],
      ["--nothing"],
      ["stray"],
    ]) {
      const { code, out, err } = await run(["look", ...bad], all);
      expect([bad, code, out]).toEqual([bad, exitBadInput, ""]);
      expect(err).toMatch(/^error: .+\n/);
    }
  });

  it("suggests the nearest command and exits 2", async () => {
    const { code, out, err } = await run(["reprot"]);
    expect([code, out]).toEqual([exitBadInput, ""]);
    expect(err).toContain("unknown command 'reprot'");
    expect(err).toContain("Did you mean report?");
  });

  it("without a command shows the help and exits 2", async () => {
    const { code, err } = await run([]);
    expect(code).toBe(exitBadInput);
    expect(err).toContain("Usage: sparseland");
  });

  it.each([
    [new InputError("x.onnx: not a model"), exitBadInput, "sparseland: x.onnx: not a model\n"],
    [
      new OptionError("rigl.sparsity", "a sparsity in [0, 1)", 1),
      exitBadInput,
      "sparseland: rigl.sparsity: expected a sparsity in [0, 1), got 1\n",
    ],
    [new CheckFailed("1 claim not reproduced"), exitFailed, "sparseland: 1 claim not reproduced\n"],
    [
      Object.assign(new Error("ENOENT: ..."), { code: "ENOENT", path: "/a/b" }),
      exitBadInput,
      "sparseland: /a/b: no such file or folder (ENOENT)\n",
    ],
    [
      Object.assign(new Error("ENOSPC: ..."), { code: "ENOSPC" }),
      exitBadInput,
      "sparseland: file system: no space left on the device (ENOSPC)\n",
    ],
    [new RangeError("WebAssembly.Memory.grow(): Maximum memory size exceeded"), exitBadInput, "sparseland: out of memory"],
    [new RangeError("Array buffer allocation failed"), exitBadInput, "sparseland: out of memory"],
    [new TypeError("x is not a function"), exitFailed, "sparseland: something broke inside: x is not a function\n"],
  ])("turns %s into exit code %d and one clear line", async (error, code, line) => {
    const found = await run(["fail"], throwing(error));
    expect([found.code, found.out]).toEqual([code, ""]);
    expect(found.err.startsWith(line)).toBe(true);
    expect(found.err).not.toMatch(/\n {4}at /);
    expect((await run(["fail", "--verbose"], throwing(error))).err).toMatch(/\n {4}at /);
  });

  it.each(commands.map(({ name }) => name))("%s has help with the common options", async (name) => {
    const { code, out } = await run([name, "--help"]);
    expect(code).toBe(exitOk);
    for (const option of ["--json", "--seed", "--threads", "--out", "--verbose", "--help"]) expect(out).toContain(option);
    expect((await run(["help", name])).out).toBe(out);
  });
});

describe("reproduce", () => {
  const papers = join(dirname(fileURLToPath(import.meta.url)), "..", "papers", "harness", "testing", "papers");
  const all = [{ name: "reproduce", summary: "", load: async () => ({ register: registerFor(papers) }) }];

  it("prints one JSON document, writes result, figure and page, and exits 1 for a claim that fails", async () => {
    const execArgv = process.execArgv;
    process.execArgv = ["--import", "tsx"];
    try {
      const { code, out, err } = await run(["reproduce", "toy", "--json", "--seeds", "2", "--seed", "3"], all);
      expect(code).toBe(exitFailed);
      expect(err).toContain("1 claim not reproduced:\n  toy: small dense is bad");
      const document = JSON.parse(out) as { slug: string; seeds: number[]; claims: Record<string, unknown>[] };
      expect([document.slug, document.seeds]).toEqual(["toy", [3, 4]]);
      expect(Object.keys(document.claims[0]!)).toEqual(
        expect.arrayContaining(["says", "where", "paper", "measured", "low", "high", "unit", "verdict"]),
      );
      expect(JSON.parse(readFileSync(join(folder, "papers/results/toy.json"), "utf8"))).toEqual(document);
      const figure = readFileSync(join(folder, "papers/results/toy.svg"), "utf8");
      expect(figure).toContain('aria-label="Toy"');
      // Everything is cached now: no process is started, the answer is the same.
      process.execArgv = ["--import", "./missing.js"];
      const again = await run(["reproduce", "--all", "--seeds", "2", "--seed", "3"], all);
      expect(again.code).toBe(exitFailed);
      expect(again.err).toContain("2 of 2 jobs were measured before");
      expect(again.out).toContain("large sparse is better than small");
      expect(readFileSync(join(folder, "papers/RESULTS.md"), "utf8")).toContain("## toy");
      // The page alone, from what lies in the folder of results.
      const page = readFileSync(join(folder, "papers/RESULTS.md"), "utf8");
      rmSync(join(folder, "papers/RESULTS.md"));
      const kept = await run(["reproduce", "--all", "--from-results"], all);
      expect([kept.code, kept.out]).toEqual([exitOk, expect.stringMatching(/^toy( +\d+){2} +1$/m)]);
      expect(readFileSync(join(folder, "papers/RESULTS.md"), "utf8")).toBe(page);
    } finally {
      process.execArgv = execArgv;
    }
  });

  it.each([
    [["reproduce"], "name a paper, or say --all; there are: toy"],
    [["reproduce", "nope"], 'no paper "nope"; there are: toy'],
    [["reproduce", "toy", "--all"], "not both"],
    [["reproduce", "toy", "--from-results"], "say --all"],
    [["reproduce", "--all", "--from-results", "--out", "nothing"], "holds no results"],
    [["reproduce", "toy", "--scale", "huge"], "Allowed choices are small, full"],
    [["reproduce", "toy", "--seeds", "0"], "Expected an integer from 1"],
  ])("%j is refused with exit code 2", async (args, message) => {
    const { code, out, err } = await run(args, all);
    expect([code, out]).toEqual([exitBadInput, ""]);
    expect(err).toContain(message);
  });
});
