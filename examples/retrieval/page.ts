/** The page: one fetch opens the index, every key press searches it. */
import { type Bm25Encoder, bm25Query, openIndex } from "../../src/retrieval/index.js";

function element<T extends HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no element ${id}`);
  return found as T;
}

async function main(): Promise<void> {
  const words = element<HTMLInputElement>("words");
  const cost = element("cost");
  const list = element("hits");
  const answer = await fetch("cranfield.index");
  if (!answer.ok)
    throw new Error(`cranfield.index: ${answer.status} ${answer.statusText}; run npx tsx examples/retrieval/build.ts first`);
  const index = await openIndex(new Uint8Array(await answer.arrayBuffer()));
  const encoder = index.header.meta["encoder"] as Bm25Encoder;
  const show = () => {
    const query = bm25Query(words.value, encoder);
    const start = performance.now();
    const hits = index.search(query, { k: 10, queryCut: 12, heapFactor: 0.6 });
    const milliseconds = performance.now() - start;
    list.replaceChildren(
      ...hits.map((hit) => {
        const item = document.createElement("li");
        const score = document.createElement("span");
        score.className = "score";
        score.textContent = hit.score.toFixed(2);
        item.dataset["id"] = hit.id;
        item.append((hit.payload as { title: string }).title, score);
        return item;
      }),
    );
    cost.textContent = `${hits.length} results in ${milliseconds.toFixed(2)} ms; ${index.stats().scored} of ${index.size} abstracts scored`;
  };
  words.addEventListener("input", show);
  show();
  document.body.dataset["ready"] = "true";
}

main().catch((error: unknown) => {
  const place = element("error");
  place.textContent = error instanceof Error ? error.message : String(error);
  place.hidden = false;
});
