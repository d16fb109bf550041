/** Sequences: films of one digit that bounces in a square (Moving MNIST), stored and played on. */
import { createRng, type Rng } from "../../src/core/index.js";
import { codeOverlap, createHierarchy, type LevelOptions } from "../../src/memory/index.js";
import { halfSize, type Images } from "./images.js";
import { shared } from "./single.js";

/** Side of the canvas on which digits move. */
const CANVAS = 20;
const FRAMES = 10;

/** A sequence of Moving MNIST: one digit at half size bounces in a square. Each frame lists its active pixels. */
export function movingDigit(digit: Int32Array, rng: Rng): Int32Array[] {
  const room = CANVAS - 14 + 1;
  let x = rng.below(room);
  let y = rng.below(room);
  let dx = 1 + rng.below(2);
  let dy = 1 + rng.below(2);
  return Array.from({ length: FRAMES }, () => {
    const frame = digit.map((pixel) => (y + Math.floor(pixel / 14)) * CANVAS + x + (pixel % 14));
    if (x + dx < 0 || x + dx >= room) dx = -dx;
    if (y + dy < 0 || y + dy >= room) dy = -dy;
    x += dx;
    y += dy;
    return frame;
  });
}

/** Frames that prompt a recall: with one alone, a frame that occurs twice in a film leaves two ways to go on. */
const PROMPT = 2;

/** Recall of sequences from their first two frames. */
export interface Sequences {
  readonly stored: number;
  /** Mean over the frames after the prompt of the share of active pixels that are recalled, given as many guesses. */
  readonly pixels: number;
  /** The same when the frame recalled is one of another sequence at the same step: chance. */
  readonly chance: number;
  /** Mean share of modules that agree with the stored code. */
  readonly codes: number;
}

/** One mac over the canvas; only an almost perfect match of frame and context counts as familiar. */
const FILM: LevelOptions = {
  grid: [1, 1],
  radius: 1.5,
  modules: 100,
  cells: 64,
  steepness: 60,
  offset: 57,
  minFamiliarity: 0.9,
  saturation: 1,
};

/** Stores moving digits one after the other, then plays each from its first two frames by horizontal weights alone. */
export function sequences(data: Images, counts: readonly number[], seed: number): Sequences[] {
  return counts.map((stored) => {
    const rng = createRng(seed).split(`sequences ${stored}`);
    const net = createHierarchy({ image: [CANVAS, CANVAS], temporal: true, levels: [FILM] });
    const films = Array.from({ length: stored }, (_, i) => movingDigit(halfSize(data, i), rng));
    const codes = films.map((frames) => {
      let state = net.store(frames[0]!, rng);
      return [state, ...frames.slice(1).map((frame) => (state = net.store(frame, rng, state)))].map((s) => s.levels[0]![0]!.code!);
    });
    let pixels = 0;
    let agree = 0;
    let chance = 0;
    let steps = 0;
    films.forEach((frames, f) => {
      let state = net.recognise(frames[0]!);
      for (let t = 1; t < PROMPT; t++) state = net.recognise(frames[t]!, state);
      const other = films[(f + 1) % stored]!;
      for (let t = PROMPT; t < FRAMES; t++) {
        state = net.predict(state);
        const image = net.reconstruct(state);
        const frame = frames[t]!;
        const guess = Int32Array.from(image.keys())
          .sort((a, b) => image[b]! - image[a]! || a - b)
          .slice(0, frame.length);
        pixels += shared(frame, guess) / frame.length;
        chance += shared(frame, other[t]!) / frame.length;
        agree += codeOverlap(state.levels[0]![0]!.code!, codes[f]![t]!);
        steps++;
      }
    });
    return { stored, pixels: pixels / steps, chance: chance / steps, codes: agree / steps };
  });
}
