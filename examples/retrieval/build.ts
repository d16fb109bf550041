/**
 * Builds the example into `dist/examples/retrieval/`: the index of the Cranfield collection, the page and its script. Any static server
 * may serve that folder; `--serve` starts one.
 *
 *     npx tsx examples/retrieval/build.ts <folder with the Cranfield files> [--serve]
 *
 * The collection: http://ir.dcs.gla.ac.uk/resources/test_collections/cran/, as XML from
 * https://github.com/oussbenk/cranfield-trec-dataset (cran.all.1400.xml, cran.qry.xml, cranqrel.trec.txt; .gz or not).
 */
import { copyFileSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { build } from "esbuild";
import { createRng, InputError } from "../../src/core/index.js";
import { bm25Collection, buildIndex, parseCranfield } from "../../src/retrieval/index.js";
import { writeIndexFile } from "../../src/retrieval/index.node.js";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "../..");
const args = process.argv.slice(2);
const data =
  args.find((a) => !a.startsWith("-")) ?? join(process.env["SPARSELAND_DATA"] ?? join(root, "../shared/data"), "cranfield");
const out = join(root, "dist/examples/retrieval");

function read(name: string): string {
  const plain = join(data, name);
  if (existsSync(plain)) return readFileSync(plain, "utf8");
  if (existsSync(`${plain}.gz`)) return gunzipSync(readFileSync(`${plain}.gz`)).toString("utf8");
  throw new InputError(`${plain}: no such file, nor with .gz; give the folder of the Cranfield files as the first argument`);
}

const { documents } = parseCranfield(read("cran.all.1400.xml"), read("cran.qry.xml"), read("cranqrel.trec.txt"));
const bm25 = bm25Collection(documents.map((d) => `${d.title} ${d.text}`));
const pieces = await buildIndex(bm25.documents, { postingsPerList: 200, centroidFraction: 0.2, summaryEnergy: 0.5 }, createRng(0), {
  ids: documents.map((d) => d.id),
  payloads: documents.map(({ title, text }) => ({ title, text: text.startsWith(title) ? text.slice(title.length).trim() : text })),
  tokens: bm25.tokens,
  meta: { encoder: bm25.encoder },
});
mkdirSync(out, { recursive: true });
writeIndexFile(join(out, "cranfield.index"), pieces);
copyFileSync(join(here, "index.html"), join(out, "index.html"));
await build({
  entryPoints: [join(here, "page.ts")],
  bundle: true,
  minify: true,
  format: "iife",
  platform: "browser",
  target: "es2022",
  outfile: join(out, "page.js"),
});
console.log(`${out}: index.html, page.js, cranfield.index`);

if (args.includes("--serve")) {
  const types: Record<string, string> = { "/": "index.html", "/page.js": "page.js", "/cranfield.index": "cranfield.index" };
  const server = createServer((request, response) => {
    const name = types[request.url ?? ""];
    if (!name) return void response.writeHead(404).end();
    response.setHeader(
      "content-type",
      name.endsWith(".js") ? "text/javascript" : name.endsWith(".html") ? "text/html" : "application/octet-stream",
    );
    response.end(readFileSync(join(out, name)));
  });
  server.listen(8080, "127.0.0.1", () => console.log("http://127.0.0.1:8080/"));
}
