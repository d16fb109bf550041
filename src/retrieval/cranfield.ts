/** The Cranfield collection as its XML files hold it, and package descriptions as Debian's index holds them. */
import { FormatError } from "../core/index.js";
import type { Judgements } from "./metrics.js";

/** A document of text. */
export interface TextDocument {
  readonly id: string;
  readonly title: string;
  readonly text: string;
}

/** Documents, queries and judgements. */
export interface TextCollection {
  readonly documents: readonly TextDocument[];
  /** `judged[q]` are the relevant documents of `queries[q]` */
  readonly queries: readonly string[];
  readonly judged: readonly Judgements[];
}

const field = (record: string, name: string): string => {
  const found = new RegExp(`<${name}>([\\s\\S]*?)</${name}>`).exec(record);
  return found ? decodeEntities(found[1]!).replace(/\s+/g, " ").trim() : "";
};

const decodeEntities = (text: string) =>
  text
    .replace(/&lt;/g, "<")
    .replace(/&gt;/g, ">")
    .replace(/&quot;/g, '"')
    .replace(/&apos;/g, "'")
    .replace(/&amp;/g, "&");

/**
 * Parses the collection of 1400 abstracts and 225 queries.
 *
 * Judgements name a query by its place in the file, from 1, not by the number in the file. Grades of 0 or below mean
 * not relevant; the rest count as 1, since the collection's codes do not grow with relevance.
 *
 * @param documents text of `cran.all.1400.xml`
 * @param queries   text of `cran.qry.xml`
 * @param judged    text of `cranqrel.trec.txt`: query, 0, document, code
 * @throws FormatError when a file holds no records or a judgement is not four fields
 * Cleverdon 1967.
 */
export function parseCranfield(documents: string, queries: string, judged: string): TextCollection {
  const docs = [...documents.matchAll(/<doc>([\s\S]*?)<\/doc>/g)].map(([, record]) => ({
    id: field(record!, "docno"),
    title: field(record!, "title"),
    text: field(record!, "text"),
  }));
  if (docs.length === 0) throw new FormatError("Cranfield documents", "no <doc> records; expected the XML of cran.all.1400");
  const texts = [...queries.matchAll(/<top>([\s\S]*?)<\/top>/g)].map(([, record]) => field(record!, "title"));
  if (texts.length === 0) throw new FormatError("Cranfield queries", "no <top> records; expected the XML of cran.qry");
  const grades = texts.map(() => new Map<string, number>());
  judged.split("\n").forEach((line, i) => {
    if (line.trim() === "") return;
    const [query, , document, code] = line.trim().split(/\s+/);
    const q = Number(query) - 1;
    if (code === undefined || !Number.isInteger(Number(code)) || !grades[q])
      throw new FormatError(
        "Cranfield judgements",
        `line ${i + 1}: expected "query 0 document code" with a query in 1..${texts.length}, got ${JSON.stringify(line)}`,
      );
    if (Number(code) > 0) grades[q].set(document!, 1);
  });
  return { documents: docs, queries: texts, judged: grades };
}

/**
 * Package names and descriptions from `apt-cache dumpavail`: one document per package, the first version of each.
 *
 * @throws FormatError when there is no package with a description
 */
export function parseDumpavail(text: string): TextDocument[] {
  const seen = new Set<string>();
  const out: TextDocument[] = [];
  for (const stanza of text.split(/\n\n+/)) {
    const id = /^Package: (.+)$/m.exec(stanza)?.[1]?.trim();
    const description = /^Description(?:-[a-z]{2})?: (.*(?:\n[ \t].*)*)/m.exec(stanza)?.[1];
    if (!id || !description || seen.has(id)) continue;
    seen.add(id);
    const [title = "", ...rest] = description.split("\n");
    const tags = /^Tag: (.*(?:\n[ \t].*)*)/m.exec(stanza)?.[1] ?? "";
    out.push({ id, title: title.trim(), text: [id, title, ...rest, tags].join(" ").replace(/\s+/g, " ").trim() });
  }
  if (out.length === 0)
    throw new FormatError("dumpavail", "no package with a description; expected the output of apt-cache dumpavail");
  return out;
}
