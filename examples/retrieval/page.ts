/** The page: one fetch opens the index, every key press searches it. */
import { type Bm25Encoder, bm25Query, createTokeniser, type Hit, openIndex } from "../../src/retrieval/index.js";

/** What is stored beside each document. */
interface Payload {
  readonly title: string;
  readonly text: string;
}

const EXAMPLES = [
  "heat transfer in a laminar boundary layer",
  "lift of a slender delta wing",
  "pressure on a cone at supersonic speed",
  "buckling of thin cylindrical shells",
  "transition to turbulence on a flat plate",
];
const OPTIONS = { k: 10, queryCut: 12, heapFactor: 0.3 };

function element<T extends HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no element ${id}`);
  return found as T;
}

function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  className: string,
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

/** Text with the words marked whose tokens the query holds. */
function marked(text: string, wanted: (word: string) => boolean): (Node | string)[] {
  return text.split(/([\p{L}\p{N}]+)/u).map((part, i) => (i % 2 === 1 && wanted(part) ? make("mark", "", part) : part));
}

function item(hit: Hit, best: number, wanted: (word: string) => boolean): HTMLLIElement {
  const { title, text } = hit.payload as Payload;
  const bar = make("span", "bar");
  bar.style.width = `${Math.round((100 * hit.score) / best)}%`;
  const first = text.search(/\S/) < 0 ? "" : text;
  const abstract = make(
    "details",
    "",
    make("summary", "", ...marked(title || `Abstract ${hit.id}`, wanted)),
    make("p", "", ...marked(first, wanted)),
  );
  const found = make(
    "li",
    "",
    make("div", "score", hit.score.toFixed(2), bar),
    make("div", "", abstract, make("p", "snippet", ...marked(first.slice(0, 260), wanted))),
  );
  found.dataset["id"] = hit.id;
  return found;
}

async function main(): Promise<void> {
  const words = element<HTMLInputElement>("words");
  const cost = element("cost");
  const same = element("same");
  const list = element("hits");
  const answer = await fetch("cranfield.index");
  if (!answer.ok)
    throw new Error(`cranfield.index: ${answer.status} ${answer.statusText}; run npx tsx examples/retrieval/build.ts first`);
  const index = await openIndex(new Uint8Array(await answer.arrayBuffer()));
  const encoder = index.header.meta["encoder"] as Bm25Encoder;
  const tokenise = createTokeniser(encoder);
  const show = () => {
    const query = bm25Query(words.value, encoder);
    const start = performance.now();
    const hits = index.search(query, OPTIONS);
    const milliseconds = performance.now() - start;
    const exact = new Set(index.exact(query, OPTIONS.k).map((hit) => hit.id));
    const shared = hits.filter((hit) => exact.has(hit.id)).length;
    const wanted = (word: string) => tokenise(word).some((token) => token in query);
    const best = hits[0]?.score ?? 1;
    list.replaceChildren(
      ...(hits.length > 0
        ? hits.map((hit) => item(hit, best, wanted))
        : [make("p", "none", "No abstract holds any of these words.")]),
    );
    const { scored } = index.stats();
    cost.textContent = `${hits.length} results in ${milliseconds.toFixed(2)} ms; ${scored} of ${index.size.toLocaleString("en")} abstracts scored`;
    same.textContent =
      exact.size === 0 ? "" : shared === exact.size ? "the same ten as scoring all" : `${shared} of the ten best of scoring all`;
  };
  words.addEventListener("input", show);
  element("examples").append(
    ...EXAMPLES.map((text) => {
      const button = make("button", "", text);
      button.type = "button";
      button.addEventListener("click", () => {
        words.value = text;
        show();
      });
      return button;
    }),
  );
  // The first search of all compiles the kernels; times shown are those of later ones.
  index.search(bm25Query(words.value, encoder), OPTIONS);
  show();
  document.body.dataset["ready"] = "true";
}

main().catch((error: unknown) => {
  element("cost").textContent = "";
  const place = element("error");
  place.textContent = error instanceof Error ? error.message : String(error);
  place.hidden = false;
});
