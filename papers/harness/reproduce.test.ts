import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { codeHash } from "./code-hash.js";
import { checkPaper, loadPaper, paperFile, paperSlugs, papersFolder } from "./discover.js";
import { contentHash, requirePlain } from "./json.js";
import { type Executor, processPool } from "./pool.js";
import { columnsText, resultsMarkdown, resultText } from "./render.js";
import { judge, judgesOnly, type Progress, reproduce } from "./reproduce.js";
import type { ToyConfig } from "./testing/papers/toy/run.js";
import { paper as toy } from "./testing/papers/toy/run.js";
import type { Job, Paper } from "./types.js";

const papers = join(dirname(fileURLToPath(import.meta.url)), "testing", "papers");
const file = paperFile("toy", papers);
const paper = toy as Paper;

let cache: string;
beforeEach(() => void (cache = mkdtempSync(join(tmpdir(), "sparseland-harness-"))));
afterEach(() => rmSync(cache, { recursive: true, force: true }));

/** Runs jobs in this process and records which. */
function inPlace(ran: string[] = [], of = paper): Executor {
  return {
    size: 2,
    async run({ config }, progress) {
      ran.push(JSON.stringify(config));
      return of.measure(config, { threads: 1, dataFolder: "", now: () => 0, progress });
    },
    close() {},
  };
}

const options = (executor: Executor, of = paper, seeds = [0, 1, 2]) => ({
  paper: of,
  file,
  scale: "small" as const,
  seeds,
  threads: 1,
  dataFolder: "",
  cache,
  executor,
});

/** The toy with other jobs. */
const withJobs = (...jobs: Job<unknown>[]): Paper => ({
  ...paper,
  async *run() {
    yield jobs;
  },
});

describe("reproduce", () => {
  it("measures, feeds outcomes back into later jobs, and judges by the stated rules", async () => {
    const { result, outcomes } = await reproduce(options(inPlace()));
    expect(outcomes.map(({ id }) => id)).toEqual(["small-0", "small-1", "small-2", "sparse-0", "sparse-1", "sparse-2"]);
    expect(outcomes.map(({ result }) => (result as { accuracy: number }).accuracy)).toEqual([60, 61, 62, 70, 71.1, 72.2]);
    expect(result.claims.map(({ verdict }) => verdict)).toEqual(["reproduced", "direction only", "not reproduced"]);
    // Differences 10, 10.1, 10.2: mean 10.1, s = 0.1, t(0.975, 2) = 4.302653, half width 0.248414.
    expect(result.claims[0]!.measured).toBeCloseTo(10.1, 12);
    expect(result.claims[0]!.low).toBeCloseTo(10.1 - 0.248414, 5);
    expect(result).toMatchObject({ slug: "toy", scale: "small", seeds: [0, 1, 2], figure: "toy.svg" });
  });

  it("measures nothing twice, and keeps what a broken-off run had finished", async () => {
    const ran: string[] = [];
    const whole = await reproduce(options(inPlace(ran)));
    expect(ran).toHaveLength(6);
    expect((await reproduce(options(inPlace(ran)))).result.claims).toEqual(whole.result.claims);
    expect(ran).toHaveLength(6);
    // As if killed: two measurements lost, one damaged.
    const kept = readdirSync(join(cache, "toy")).sort();
    expect(kept).toHaveLength(6);
    rmSync(join(cache, "toy", kept[0]!));
    rmSync(join(cache, "toy", kept[1]!));
    writeFileSync(join(cache, "toy", kept[2]!), '{"id":');
    expect((await reproduce(options(inPlace(ran)))).result.claims).toEqual(whole.result.claims);
    expect(ran).toHaveLength(9);
    // One more seed: only its jobs.
    await reproduce(options(inPlace(ran), paper, [0, 1, 2, 3]));
    expect(ran).toHaveLength(11);
  });

  it("reports progress", async () => {
    const seen: Progress[] = [];
    await reproduce({ ...options(inPlace()), onProgress: (event) => seen.push(event) });
    expect(seen.filter(({ type }) => type === "batch")).toEqual([
      { type: "batch", jobs: 3, cached: 0 },
      { type: "batch", jobs: 3, cached: 0 },
    ]);
    expect(seen.filter(({ type }) => type === "done")).toHaveLength(6);
    expect(seen).toContainEqual({ type: "job", id: "small-0", fraction: 0.5, words: "half" });
  });

  it("runs jobs of a timing paper one after another", async () => {
    let most = 0;
    let now = 0;
    const executor: Executor = {
      size: 2,
      async run() {
        most = Math.max(most, ++now);
        await new Promise((done) => setTimeout(done, 2));
        now--;
        return { accuracy: 1, pid: 0 };
      },
      close() {},
    };
    await reproduce(options(executor));
    expect(most).toBe(2);
    most = 0;
    await reproduce(options(executor, { ...paper, timing: true }, [5, 6, 7]));
    expect(most).toBe(1);
  });

  it("refuses results that are not numbers, double ids, and configurations that are not JSON", async () => {
    await expect(reproduce(options(inPlace(), withJobs({ id: "x", config: { arm: "nan", seed: 0 } })))).rejects.toThrow(
      "toy: job x: result.accuracy: is NaN",
    );
    const twice = withJobs({ id: "x", config: { arm: "small", seed: 0 } }, { id: "x", config: { arm: "small", seed: 1 } });
    await expect(reproduce(options(inPlace(), twice))).rejects.toThrow("two jobs are called x");
    await expect(reproduce(options(inPlace(), withJobs({ id: "a b", config: {} })))).rejects.toThrow('job id "a b"');
    await expect(reproduce(options(inPlace(), withJobs({ id: "x", config: { f: () => 1 } })))).rejects.toThrow(
      "config of job x.f: expected plain JSON, got function",
    );
    expect(() =>
      judge({ ...paper, claims: [{ ...paper.claims[0]!, measure: () => ({ value: 1, low: 2, high: 3 }) }] }, []),
    ).toThrow("in order");
  });

  it("measures in child processes, and survives one that dies", async () => {
    const pool = processPool(2, ["--import", "tsx"]);
    try {
      const { result, outcomes } = await reproduce(options(pool, paper, [0, 1]));
      expect(outcomes.every(({ result }) => (result as { pid: number }).pid !== process.pid)).toBe(true);
      expect(result.claims[0]!.verdict).toBe("reproduced");
      await expect(reproduce(options(pool, withJobs({ id: "x", config: { arm: "die", seed: 0 } })))).rejects.toThrow(
        "toy: job x: its process ended (signal SIGKILL)",
      );
      const config: ToyConfig = { arm: "small", seed: 9 };
      expect((await pool.run({ file, config, threads: 1, dataFolder: "" }, () => {})) as object).toMatchObject({ accuracy: 69 });
    } finally {
      pool.close();
    }
  });
});

describe("papers", () => {
  it("are found by folder, and unknown ones are named", async () => {
    expect(paperSlugs(papers)).toEqual(["toy"]);
    await expect(loadPaper("tyo", papers)).rejects.toThrow('no paper "tyo"; there are: toy');
    await expect(loadPaper("../toy", papers)).rejects.toThrow("no paper");
  });

  const slugs = paperSlugs();
  it.each(slugs)("%s has the form that the harness needs, and a README", async (slug) => {
    const found = await loadPaper(slug);
    expect(found.slug).toBe(slug);
    expect(readFileSync(join(papersFolder, slug, "README.md"), "utf8").length).toBeGreaterThan(400);
    for (const scale of ["small", "full"] as const) {
      const jobs = (await found.run({ scale, seeds: [0, 1] }).next([])).value;
      if (!jobs) throw new Error(`${slug}: no jobs at ${scale} scale`);
      for (const { config } of jobs) requirePlain(config, slug);
      expect(new Set(jobs.map(({ id }) => id)).size).toBe(jobs.length);
    }
  });

  it("with broken data are refused", () => {
    const broken = (change: Partial<Paper>) => () => checkPaper({ ...paper, ...change }, "run.ts");
    expect(broken({ claims: [] })).toThrow("run.ts: has no claims");
    expect(broken({ claims: [paper.claims[0]!, paper.claims[0]!] })).toThrow("two claims say");
    expect(broken({ seeds: { small: 0, full: 1 } })).toThrow("seeds.small");
    expect(broken({ settings: { small: "", full: "x" } })).toThrow("settings.small");
  });
});

describe("what identifies a measurement", () => {
  it("content, not the order of keys", () => {
    expect(contentHash({ a: 1, b: [2, { c: 3, d: undefined }] })).toBe(contentHash({ b: [2, { c: 3 }], a: 1 }));
    expect(contentHash({ a: 1 })).not.toBe(contentHash({ a: 2 }));
  });
  it("the code that it imports, but not what judges it", () => {
    const folder = mkdtempSync(join(tmpdir(), "sparseland-code-"));
    try {
      const write = (name: string, text: string) => writeFileSync(join(folder, name), text);
      write(
        "run.ts",
        'import { a } from "./a.js";\nimport { claims } from "./claims.js";\nimport { readFileSync } from "node:fs";',
      );
      write("a.ts", 'export { b as a } from "./b.js";');
      write("b.ts", "export const b = 1;");
      write("claims.ts", "export const claims = [];");
      write("other.ts", "export const other = 1;");
      const hash = () => codeHash(join(folder, "run.ts"), judgesOnly);
      const before = hash();
      write("other.ts", "export const other = 2;");
      write("claims.ts", "export const claims = [1];");
      expect(hash()).toBe(before);
      write("b.ts", "export const b = 2;");
      expect(hash()).not.toBe(before);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe("rendering", () => {
  it("prints claim, place, the paper's number, the measurement, the verdict", async () => {
    const { result } = await reproduce(options(inPlace()));
    const text = resultText(result);
    expect(text).toContain("A toy (0000.00000)");
    expect(text).toMatch(/large sparse is better than small dense +Table 1 +11\.2 +10\.1 \[9\.852, 10\.35\] +points +reproduced/);
    expect(text).toMatch(/sparse reaches 99 % +Figure 2 +- +71\.1 \[/);
    const page = resultsMarkdown([result]);
    expect(page).toContain("3 claims of 1 papers: 1 reproduced, 1 direction only, 1 not reproduced.");
    expect(page).toContain("| small dense is bad | abstract | 10 | 61 [58.52, 63.48] | % | not reproduced |");
    expect(page).toContain("![A toy: measured](results/toy.svg)");
  });
  it("wraps the first column and sets numbers to the right", () => {
    expect(
      columnsText(
        ["name", "n"],
        [
          ["one two three four five six", 5],
          ["x", 123],
        ],
        30,
      ),
    ).toBe(
      [
        `name${" ".repeat(25)}n`,
        "-------------------------  ---",
        "one two three four five      5",
        "six",
        "x                          123",
      ].join("\n"),
    );
  });
});
