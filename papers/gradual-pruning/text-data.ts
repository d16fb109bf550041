/** tinyshakespeare, and batches of it: many streams side by side, each read from its beginning to its end. */
import { join } from "node:path";
import { InputError } from "../../src/core/index.js";
import { cacheFolder, downloadSource, folderSource, type Remote } from "../../src/data/index.node.js";
import { gunzip, isGzip } from "../../src/formats/index.js";

const LARGEST = 2_000_000;

const remote: Remote = {
  files: [{ name: "input.txt", sha256: "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed", limit: LARGEST }],
  mirrors: ["https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/"],
  archives: [],
};

/** A text as character numbers. */
export interface Text {
  /** Distinct characters, sorted. */
  readonly characters: readonly string[];
  readonly train: Int32Array;
  /** The last tenth. */
  readonly test: Int32Array;
}

/** Numbers the characters and cuts off the last tenth. @throws InputError when the text is too short to cut */
export function readText(text: string): Text {
  const characters = [...new Set(text)].sort();
  const number = new Map(characters.map((c, i) => [c, i]));
  const ids = Int32Array.from(text, (c) => number.get(c)!);
  const cut = Math.floor(0.9 * ids.length);
  if (cut < 1 || cut >= ids.length) throw new InputError(`text: ${ids.length} characters cannot be cut into nine tenths and one`);
  return { characters, train: ids.subarray(0, cut), test: ids.subarray(cut) };
}

/** From `<dataFolder>/text/tinyshakespeare.txt(.gz)`, else downloaded and kept. @throws InputError when neither is possible */
export async function tinyShakespeare(dataFolder: string, fetch: typeof globalThis.fetch = globalThis.fetch): Promise<Text> {
  const local = folderSource(join(dataFolder, "text"));
  const bytes =
    (await local.read("tinyshakespeare.txt")) ??
    (await local.read("tinyshakespeare.txt.gz")) ??
    (await downloadSource("tinyshakespeare", join(cacheFolder(process.env), "tinyshakespeare"), remote, fetch).read("input.txt"))!;
  return readText(new TextDecoder().decode(isGzip(bytes) ? gunzip(bytes, LARGEST) : bytes));
}

/** Windows of a text in `streams` parts: `at(step)` fills inputs and their next characters, [window, streams], time first. */
export function windows(ids: Int32Array, streams: number, window: number) {
  const length = Math.floor((ids.length - 1) / streams);
  const count = Math.floor(length / window);
  if (count < 1) throw new InputError(`text: ${ids.length} characters are too few for ${streams} streams of ${window}`);
  const x = new Int32Array(window * streams);
  const y = new Int32Array(window * streams);
  return {
    /** Windows before the streams end and start anew. */
    count,
    at(step: number) {
      const from = (step % count) * window;
      for (let s = 0; s < streams; s++) {
        for (let t = 0; t < window; t++) {
          x[t * streams + s] = ids[s * length + from + t]!;
          y[t * streams + s] = ids[s * length + from + t + 1]!;
        }
      }
      return { x, y };
    },
  };
}
