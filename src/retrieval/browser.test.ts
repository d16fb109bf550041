import { existsSync, readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { build } from "esbuild";
import { type Browser, chromium } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createRng } from "../core/index.js";
import { bm25Collection, bm25Query } from "./bm25.js";
import { parseCranfield, type TextDocument } from "./cranfield.js";
import { buildIndex, openIndex, type SparseIndex } from "./index-handle.js";
import { joined } from "./testing/collections.js";

const executablePath = process.env["SPARSELAND_CHROMIUM"] ?? "/usr/bin/chromium";
const example = join(import.meta.dirname, "../../examples/retrieval");
const home = join(process.env["SPARSELAND_DATA"] ?? join(import.meta.dirname, "../../../shared/data"), "cranfield");

/** The Cranfield collection where it is at hand, else a few sentences. */
function collection(): readonly TextDocument[] {
  const unpack = (name: string) => gunzipSync(readFileSync(join(home, name))).toString("utf8");
  if (existsSync(home))
    return parseCranfield(unpack("cran.all.1400.xml.gz"), unpack("cran.qry.xml.gz"), unpack("cranqrel.trec.txt.gz")).documents;
  const words = "heat transfer laminar boundary layer wing lift flow shock cone plate drag pressure supersonic".split(" ");
  const rng = createRng(1);
  return Array.from({ length: 200 }, (_, i) => ({
    id: `s${i}`,
    title: `sentence ${i}`,
    text: Array.from({ length: 12 }, () => words[rng.below(words.length)]).join(" "),
  }));
}

describe.skipIf(!existsSync(executablePath))(
  `the example page in Chromium (needs ${executablePath}; set SPARSELAND_CHROMIUM)`,
  () => {
    let browser: Browser;
    let server: Server;
    let index: SparseIndex;
    let file: Uint8Array;
    let encoder: ReturnType<typeof bm25Collection>["encoder"];
    beforeAll(async () => {
      const documents = collection();
      const bm25 = bm25Collection(documents.map((d) => `${d.title} ${d.text}`));
      encoder = bm25.encoder;
      file = joined(
        await buildIndex(bm25.documents, { postingsPerList: 200, centroidFraction: 0.2, summaryEnergy: 0.5 }, createRng(0), {
          ids: documents.map((d) => d.id),
          payloads: documents.map(({ title, text }) => ({ title, text })),
          tokens: bm25.tokens,
          meta: { encoder },
        }),
      );
      index = await openIndex(file);
      const { outputFiles, metafile } = await build({
        entryPoints: [join(example, "page.ts")],
        bundle: true,
        write: false,
        metafile: true,
        format: "iife",
        platform: "browser",
        target: "es2022",
      });
      expect(Object.keys(metafile.inputs).filter((name) => name.endsWith(".node.ts") || name.startsWith("node:"))).toEqual([]);
      server = createServer((request, response) => {
        const [type, body] =
          request.url === "/page.js"
            ? ["text/javascript", outputFiles[0]!.text]
            : request.url === "/cranfield.index"
              ? ["application/octet-stream", Buffer.from(file)]
              : ["text/html", readFileSync(join(example, "index.html"))];
        response.setHeader("content-type", type as string);
        response.end(body);
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      browser = await chromium.launch({
        executablePath,
        args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"],
      });
    });
    afterAll(async () => {
      await browser?.close();
      server?.close();
    });
    const address = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;

    it("gives the same results as Node for typed words, from a static server", async () => {
      const page = await browser.newPage();
      await page.goto(address());
      await page.waitForSelector("body[data-ready]");
      for (const words of [
        "heat transfer in a laminar boundary layer",
        "lift of a wing",
        "pressure on a cone at supersonic speed",
        "zebra",
      ]) {
        await page.fill("#words", words);
        const ids = await page.$$eval("#hits li", (items) => items.map((item) => (item as HTMLElement).dataset["id"]));
        const expected = index.search(bm25Query(words, encoder), { k: 10, queryCut: 12, heapFactor: 0.3 });
        expect(ids).toEqual(expected.map((h) => h.id));
        expect(await page.textContent("#cost")).toContain(
          `${index.stats().scored} of ${index.size.toLocaleString("en")} abstracts scored`,
        );
      }
      await page.fill("#words", "heat of a wing");
      const marked = await page.$$eval("#hits mark", (marks) => marks.map((mark) => mark.textContent!.toLowerCase()));
      expect(marked.length).toBeGreaterThan(0);
      expect(marked.every((word) => /^(heat|wing)/.test(word))).toBe(true);
      await page.click("#examples button");
      expect(await page.inputValue("#words")).toBe(await page.textContent("#examples button"));
      expect(await page.$$eval("#hits li", (items) => items.length)).toBeGreaterThan(0);
      expect(await page.textContent("#same")).toMatch(/same ten|of the ten best/);
      await page.close();
    });

    it("says what is wrong with a damaged index", async () => {
      const whole = file;
      file = whole.subarray(0, whole.length - 100);
      try {
        const page = await browser.newPage();
        await page.goto(address());
        await page.waitForSelector("#error:not([hidden])");
        expect(await page.textContent("#error")).toMatch(/index file: the header says \d+ bytes.*truncated/);
        await page.close();
      } finally {
        file = whole;
      }
    });
  },
);
