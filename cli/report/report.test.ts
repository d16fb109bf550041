import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { parseHTML } from "linkedom";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createRng, InputError } from "../../src/core/index.js";
import { mutate } from "../../src/formats/testing/mutate.js";
import { runCommandLine } from "../program.js";
import { parseResults } from "../run/results.js";
import { testTerminal } from "../testing/terminal.js";
import { amount, bytes, milliseconds, percent, points, times, whole } from "./html.js";
import { reportPage } from "./page.js";
import { figureFile } from "./plots.js";
import { sampleEntry, sampleResults } from "./testing/sample.js";

let folder: string;
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), "sparseland-report-"))));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const page = reportPage([{ name: "sample", results: sampleResults() }]);
const { document } = parseHTML(page);
const text = (selector: string) =>
  [...document.querySelectorAll(selector)].map((element) => (element as unknown as { textContent: string }).textContent.trim());

describe("numbers as people read them", () => {
  it.each([
    [percent(0.90314), "90.31 %"],
    [whole(1234567.4), "1,234,567"],
    [bytes(999), "999 B"],
    [bytes(52341), "52.3 kB"],
    [bytes(999_600), "1.00 MB"],
    [amount(12_345_678), "12.3 M"],
    [amount(12), "12"],
    [milliseconds(0.01234), "0.0123"],
    [milliseconds(123.4), "123"],
    [times(2.6789), "2.68×"],
    [points(-0.0123), "−1.23"],
    [points(0), "±0.00"],
  ])("%s is %s", (found, wanted) => expect(found).toBe(wanted));
});

describe("the report", () => {
  it("is one file: no scripts, no links, nothing from outside", () => {
    expect(document.querySelectorAll("script, link, img, iframe, object, embed, [src], [href]:not([href^='#'])")).toHaveLength(0);
    expect(page).not.toMatch(/@import|url\((?!#)|https?:\/\/(?!www\.w3\.org\/)/);
  });
  it("shows every network's numbers in the table", () => {
    const rows = [...document.querySelectorAll("#results + .scroll tbody tr")].map((row) =>
      [...(row as unknown as Element).children].map((cell) => cell.textContent),
    );
    expect(rows).toHaveLength(10);
    expect(rows[3]).toEqual([
      "gradual magnitude 90 %",
      "90.00 %",
      "91.70 %",
      "−0.40",
      "44,138",
      "266 kB",
      "15.6 %",
      "932 k",
      "simulated",
      "0.113 (0.141)",
      "3.54×",
      "5.66 (7.07)",
      "3.54×",
    ]);
    const more = [...document.querySelectorAll("[aria-label='More figures'] tbody tr")].map((row) =>
      [...(row as unknown as Element).children].map((cell) => cell.textContent),
    );
    expect(more[3]!.slice(4)).toEqual(["0.0849 (0.113)", "3.54×", "3.11 (4.24)", "3.54×", "3.40×", "30.0", "same"]);
    expect(rows[0]!.slice(0, 4)).toEqual(["dense", "0.00 %", "92.10 %", ""]);
  });
  it("keeps theory, simulation and measurement apart", () => {
    const heads = text("#results + .scroll thead th");
    for (const head of ["theory", "simulation", "measured, one thread"]) expect(heads).toContain(head);
  });
  it("has every chart, each with a name for screen readers", () => {
    expect(text("figure h3")).toEqual([
      "Accuracy against sparsity",
      "Time per image, batch 1",
      "Time for 64 images",
      "Bytes on disk",
      "Test accuracy while training",
      "Training loss",
      "Sparsity while training",
      "Sparsity of each layer, %",
    ]);
    const charts = [...document.querySelectorAll("figure > svg")] as unknown as Element[];
    expect(charts).toHaveLength(8);
    for (const chart of charts) expect(chart.getAttribute("aria-label")).toMatch(/\w/);
    const lines = charts[0]!.querySelectorAll("g[aria-label=line] path");
    expect(lines).toHaveLength(4);
  });
  it("has a card for every method, and names the machine", () => {
    expect(text("#cards ~ details > summary").slice(0, 8)).toContain("RigL 95 %");
    expect(page).toContain("Example CPU");
  });
  it("escapes what comes from results", () => {
    const bad = { ...sampleEntry("<script>alert(1)</script>", 'a"b<i>', 0.9, 0.8), card: { "<b>": "</dd><script>x" } };
    const results = { ...sampleResults(), entries: [sampleEntry("dense", "dense", 0, 0.9), bad], recipe: "</pre><script>" };
    const made = reportPage([{ name: "<u>", results }]);
    expect(made).not.toMatch(/<script|<i>|<u>|<b>/);
  });
  it("of an unfinished run says so", () => {
    expect(reportPage([{ name: "x", results: { ...sampleResults(), entries: [] } }])).toContain(
      "No network of this run is finished yet.",
    );
  });
  it("joins several runs and tells their networks apart", () => {
    const made = parseHTML(
      reportPage([
        { name: "a", results: sampleResults() },
        { name: "b", results: sampleResults() },
      ]),
    ).document;
    expect(made.querySelectorAll("#results + .scroll tbody tr")).toHaveLength(20);
    expect((made.querySelectorAll("#results + .scroll tbody tr th")[10] as unknown as Element).textContent).toBe("b: dense");
  });
});

describe("results.json", () => {
  const source = JSON.stringify(sampleResults());
  it("is read back as written", () => expect(parseResults(source, "results.json")).toEqual(sampleResults()));
  it.each([
    ["cut off", source.slice(0, -10), "results.json: not JSON"],
    ["another document", "{}", "results.json: format: missing"],
    [
      "an accuracy of 92",
      source.replace('"testAccuracy":0.921', '"testAccuracy":92.1'),
      "entries[0].testAccuracy: expected a number in [0, 1], got 92.1",
    ],
    ["a list instead of a map", "[]", "expected a map"],
    ["null", "null", "expected a map"],
  ])("%s is refused", (_, text, message) => expect(() => parseResults(text, "results.json")).toThrow(message));
});

describe("10,000 mangled results.json", () => {
  it("are read and reported, or refused with an InputError", () => {
    const { recipe, ...rest } = sampleResults();
    const small = new TextEncoder().encode(JSON.stringify({ ...rest, recipe, entries: rest.entries.slice(3, 5) }));
    const rng = createRng(31);
    const counts = { read: 0, refused: 0 };
    for (let i = 0; i < 10_000; i++) {
      try {
        const results = parseResults(new TextDecoder().decode(mutate(small, rng)), "r.json");
        if (counts.read++ % 50 === 0) expect(reportPage([{ name: "x", results }])).toContain("</html>");
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        counts.refused++;
      }
    }
    expect(Math.min(counts.read, counts.refused)).toBeGreaterThan(100);
  });
});

describe("sparseland report", () => {
  const run = async (...args: string[]) => {
    const terminal = testTerminal(folder);
    const code = await runCommandLine(["report", ...args], terminal);
    return { code, out: terminal.stdout(), err: terminal.stderr() };
  };
  it("writes the report of a run folder into it", async () => {
    const file = join(folder, "results.json");
    writeFileSync(file, JSON.stringify(sampleResults()));
    const { code, out } = await run(".", "--json");
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ report: join(folder, "report.html"), entries: 10 });
    expect(readFileSync(join(folder, "report.html"), "utf8")).toContain("gradual magnitude 90 %");
  });
  it.each([
    ["missing", "missing: no such file or folder"],
    ["empty.json", "empty.json: not JSON"],
  ])("refuses %s with exit code 2 and writes nothing", async (name, message) => {
    if (name === "empty.json") writeFileSync(join(folder, name), "");
    const { code, out, err } = await run(name, "--out", "never.html");
    expect([code, out]).toEqual([2, ""]);
    expect(err).toContain(message);
    expect(existsSync(join(folder, "never.html"))).toBe(false);
  });
});

describe("a paper's figure", () => {
  it("is a well-formed SVG file with title and key, its text escaped", () => {
    const points = [1, 2, 3].map((x) => ({ x, y: x * x, low: x, high: 2 * x * x }));
    const svg = figureFile({ title: "A & B", x: { label: "x" }, y: { label: "y" }, series: [{ name: "<one>", points }] });
    expect(svg).toContain('aria-label="A &amp; B"');
    expect(svg).toContain("&lt;one&gt;");
    expect(svg.match(/<svg/g)).toHaveLength(2);
  });
});

const chromium = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((path) => existsSync(path));

describe.skipIf(!chromium)("in a real browser (skipped where Chromium is absent)", () => {
  it("draws in light and dark, wide and narrow, without errors and without the network", async () => {
    const { chromium: launcher } = await import("playwright-core");
    const file = join(folder, "browser.html");
    writeFileSync(file, page);
    const browser = await launcher.launch({
      executablePath: chromium!,
      args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
    });
    try {
      const pictures = new Map<string, Buffer>();
      for (const [scheme, width] of [
        ["light", 1280],
        ["dark", 1280],
        ["light", 390],
      ] as const) {
        const tab = await browser.newPage({ viewport: { width, height: 900 }, colorScheme: scheme });
        const requests: string[] = [];
        const errors: string[] = [];
        tab.on("request", (request) => void requests.push(request.url()));
        tab.on("pageerror", (error) => void errors.push(String(error)));
        tab.on("console", (message) => void (message.type() === "error" && errors.push(message.text())));
        await tab.goto(pathToFileURL(file).href);
        const shot = await tab.screenshot({ fullPage: true });
        pictures.set(`${scheme} ${width}`, shot);
        expect(errors).toEqual([]);
        expect(requests).toEqual([pathToFileURL(file).href]);
        const measured = await tab.evaluate(() => ({
          overflow: document.documentElement.scrollWidth - window.innerWidth,
          ground: getComputedStyle(document.body).backgroundColor,
          charts: [...document.querySelectorAll("figure > svg")]
            .map((svg) => svg.getBoundingClientRect())
            .map(({ width, height }) => [width > 200, height > 100]),
          bars: [...document.querySelectorAll("figure rect")].map((bar) => getComputedStyle(bar).fill),
        }));
        expect(measured.overflow).toBeLessThanOrEqual(0);
        expect(measured.charts).toEqual(Array(8).fill([true, true]));
        expect(measured.ground).toBe(scheme === "light" ? "rgb(255, 255, 255)" : "rgb(21, 24, 27)");
        expect(new Set(measured.bars)).toContain(scheme === "light" ? "rgb(0, 114, 178)" : "rgb(92, 179, 234)");
        await tab.close();
      }
      for (const picture of pictures.values()) expect(picture.length).toBeGreaterThan(50_000);
      expect(pictures.get("light 1280")!.equals(pictures.get("dark 1280")!)).toBe(false);
    } finally {
      await browser.close();
    }
  });
});
