/** The page: two networks from one server, classified pictures and times side by side. */
import { type AsyncSession, createRuntime, type LoadProgress } from "sparseland/runtime";
import { dropped, fromFile, type Picture, paint, SIDE } from "./picture.js";

/** What build.ts leaves beside the models. */
interface Facts {
  readonly classes: readonly string[];
  readonly mean: number;
  readonly std: number;
  readonly models: readonly {
    readonly id: string;
    readonly title: string;
    readonly file: string;
    readonly bytes: number;
    readonly accuracy: number | null;
  }[];
  readonly samples: readonly (readonly number[])[];
}

/** Images of the larger batch. */
const BATCH = 64;
/** Time that measuring one network at one batch size may take, in milliseconds. */
const BUDGET = 400;

function element<T extends HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no element ${id}`);
  return found as T;
}

async function fetched(name: string): Promise<Response> {
  const answer = await fetch(name);
  if (!answer.ok)
    throw new Error(`${name}: ${answer.status} ${answer.statusText}; build the example first: npm run example:browser`);
  return answer;
}

function card(title: string, id: string, note: string): HTMLElement {
  const made = document.createElement("article");
  made.className = `card ${id}`;
  made.dataset["model"] = id;
  made.innerHTML = `<h2><span></span> <small></small></h2><p class="class">&nbsp;</p><ul class="bars"></ul><table>
    <tr><th>one picture</th><td data-of="one">&hellip;</td></tr><tr><th>${BATCH} pictures</th><td data-of="many">&hellip;</td></tr>
    <tr><th>download</th><td data-of="bytes"></td></tr></table>`;
  made.querySelector("h2 span")!.textContent = title;
  made.querySelector("small")!.textContent = note;
  return made;
}

/** Chances from scores. */
function softmax(scores: ArrayLike<number>): number[] {
  const most = Math.max(...Array.from(scores));
  const powers = Array.from(scores, (s) => Math.exp(s - most));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((p) => p / sum);
}

function showClasses(place: HTMLElement, scores: ArrayLike<number>, classes: readonly string[]): void {
  const chances = softmax(scores);
  const order = chances.map((_, i) => i).sort((a, b) => chances[b]! - chances[a]!);
  place.querySelector(".class")!.textContent = classes[order[0]!]!;
  place.querySelector(".bars")!.replaceChildren(
    ...order.slice(0, 4).map((i) => {
      const item = document.createElement("li");
      const name = document.createElement("span");
      const bar = document.createElement("i");
      const share = document.createElement("b");
      name.textContent = classes[i]!;
      bar.style.width = `${chances[i]! * 100}%`;
      share.textContent = `${(chances[i]! * 100).toFixed(0)} %`;
      item.append(name, bar, share);
      return item;
    }),
  );
}

/** Medians of both networks' times, measured in turns, so that whatever slows the machine slows both. */
async function timeInTurns(sessions: readonly AsyncSession[], x: Float32Array, now: () => number): Promise<number[]> {
  const times: number[][] = sessions.map(() => []);
  for (let i = 0; i < 5; i++) for (const session of sessions) await session.run({ x });
  const start = now();
  while (now() - start < BUDGET * sessions.length && times[0]!.length < 400) {
    for (const [i, session] of sessions.entries()) {
      // Several runs a turn: a page's clock may only tick every tenth of a millisecond.
      const from = now();
      for (let k = 0; k < 8; k++) await session.run({ x });
      times[i]!.push((now() - from) / 8);
    }
  }
  return times.map((list) => list.sort((a, b) => a - b)[list.length >> 1]!);
}

const milliseconds = (ms: number): string => `${ms < 10 ? ms.toFixed(2) : ms.toFixed(1)} ms`;
const kilobytes = (bytes: number): string => `${(bytes / 1000).toFixed(0)} KB`;

async function main(): Promise<void> {
  const facts = (await (await fetched("facts.json")).json()) as Facts;
  const bar = element<HTMLProgressElement>("progress");
  const received = facts.models.map(() => 0);
  const total = facts.models.reduce((sum, { bytes }) => sum + bytes, 0);
  // One runtime: both networks run on the same threads, one after the other.
  const runtime = await createRuntime();
  const sessions = await Promise.all(
    facts.models.map(({ file }, i) =>
      runtime.load(file, {
        kernels: i === 0 ? "dense" : "measured",
        onProgress: (progress: LoadProgress) => {
          received[i] = progress.received;
          bar.value = received.reduce((a, b) => a + b, 0) / total;
        },
      }),
    ),
  );
  element("loading").hidden = true;
  const cards = facts.models.map(({ id, title, bytes, accuracy }) => {
    const made = card(title, id, accuracy === null ? "" : `${(accuracy * 100).toFixed(1)} % right`);
    made.querySelector('[data-of="bytes"]')!.textContent = kilobytes(bytes);
    return made;
  });
  element("cards").replaceChildren(...cards);

  const canvas = element<HTMLCanvasElement>("picture");
  const input = (picture: Picture): Float32Array => picture.map((v) => (v / 255 - facts.mean) / facts.std);
  let shown = 0;
  async function show(picture: Picture): Promise<void> {
    const turn = ++shown;
    paint(canvas, picture);
    const x = input(picture);
    const scores = await Promise.all(sessions.map((session) => session.run({ x })));
    if (turn !== shown) return;
    scores.forEach((outputs, i) => {
      showClasses(cards[i]!, Object.values(outputs)[0]!.data, facts.classes);
    });
  }
  async function measure(): Promise<void> {
    const one = input(Float32Array.from(facts.samples[0]!));
    const many = new Float32Array(BATCH * one.length);
    for (let i = 0; i < BATCH; i++) many.set(one, i * one.length);
    const now = () => performance.now();
    const single = await timeInTurns(sessions, one, now);
    const batch = await timeInTurns(sessions, many, now);
    cards.forEach((place, i) => {
      place.querySelector('[data-of="one"]')!.textContent = milliseconds(single[i]!);
      place.querySelector('[data-of="many"]')!.textContent = milliseconds(batch[i]!);
    });
    const [dense, sparse] = batch as [number, number];
    const [large, small] = facts.models.map(({ bytes }) => bytes) as [number, number];
    const strong = (text: string) => Object.assign(document.createElement("strong"), { textContent: text });
    const speed = dense / sparse;
    element("verdict").replaceChildren(
      "Sparse: ",
      strong(`${(speed >= 1 ? speed : 1 / speed).toFixed(1)}×`),
      speed >= 1 ? " faster, " : " slower, ",
      strong(`${(large / small).toFixed(1)}×`),
      " smaller",
    );
  }

  const buttons = facts.samples.map((pixels, i) => {
    const button = document.createElement("button");
    const small = Object.assign(document.createElement("canvas"), { width: SIDE, height: SIDE });
    paint(small, Float32Array.from(pixels));
    button.type = "button";
    button.title = facts.classes[i]!;
    button.append(small);
    button.addEventListener("click", () => {
      press(button);
      void show(Float32Array.from(pixels));
    });
    return button;
  });
  const press = (pressed: HTMLElement | undefined) => {
    for (const button of buttons) button.setAttribute("aria-pressed", String(button === pressed));
  };
  element("samples").replaceChildren(...buttons);
  const own = (picture: Picture) => {
    press(undefined);
    void show(picture);
  };
  dropped(element("drop"), canvas, own, fail);
  element("clear").addEventListener("click", () => own(new Float32Array(SIDE * SIDE)));
  element<HTMLInputElement>("file").addEventListener("change", ({ target }) => {
    const file = (target as HTMLInputElement).files?.[0];
    if (file) fromFile(file).then(own, fail);
  });
  const threads = `${runtime.threads} thread${runtime.threads === 1 ? "" : "s"}`;
  element("footer").textContent =
    `${threads}${crossOriginIsolated ? "" : " (the page is not cross-origin isolated)"}; medians of runs in turns, through the public API; ${sessions[1]!.layers.filter(({ choice }) => choice === "sparse").length} of ${sessions[1]!.layers.length} pruned layers run sparse here.`;
  buttons[9]?.click();
  await measure();
  document.body.dataset["ready"] = "true";
}

function fail(error: unknown): void {
  const place = element("error");
  place.textContent = error instanceof Error ? error.message : String(error);
  place.hidden = false;
  element("loading").hidden = true;
}

main().catch(fail);
