/** Will it pay? What a sparsity brings on this machine, foreseen before anything is pruned. */
import { milliseconds, percent, times } from "../report/html.js";
import { type LayerForecast, predicted } from "./forecast.js";

/** A layer at the sparsity that is asked of it. */
export interface Asked {
  readonly path: string;
  readonly sparsity: number;
  readonly denseMs: number;
  readonly sparseMs: number;
}

/** What is foreseen of the whole network. */
export interface Advice {
  readonly denseMs: number;
  readonly predictedMs: number;
  readonly speedup: number;
  readonly pays: boolean;
  /** Layers whose compressed weights are not faster; they will run dense. */
  readonly stayDense: readonly string[];
  /** Least common sparsity that pays, where the asked one does not and it is known; null when none does. */
  readonly paysFrom: number | null;
}

/** Below this gain a network is not called faster. */
const LEAST_GAIN = 1.05;

/**
 * Sums what is foreseen: every layer takes its faster form, all else stays as it is.
 * @param denseMs the whole network with dense kernels
 * @param lines   forecasts over sparsity of the same layers, to find where it begins to pay
 */
export function advise(denseMs: number, layers: readonly Asked[], lines: readonly LayerForecast[] = []): Advice {
  const saved = layers.reduce((sum, layer) => sum + Math.max(0, layer.denseMs - layer.sparseMs), 0);
  const predictedMs = Math.max(denseMs - saved, 0.02 * denseMs);
  const asked = new Set(layers.map(({ path }) => path));
  const saves = (sparsity: number) =>
    lines
      .filter(({ path }) => asked.has(path))
      .reduce((sum, line) => sum + Math.max(0, line.denseMs - predicted(line.sparseMs, sparsity)), 0);
  const enough = denseMs * (1 - 1 / LEAST_GAIN);
  const from = Array.from({ length: 100 }, (_, i) => i / 100).find((s) => saves(s) >= enough);
  return {
    denseMs,
    predictedMs,
    speedup: denseMs / predictedMs,
    pays: denseMs / predictedMs >= LEAST_GAIN,
    stayDense: layers.filter((layer) => layer.sparseMs > layer.denseMs).map(({ path }) => path),
    paysFrom: from ?? null,
  };
}

/** The advice as lines; the first word of a warning is "warning". */
export function adviceText(advice: Advice, what: string): string[] {
  const { denseMs, predictedMs, speedup, pays, stayDense, paysFrom } = advice;
  const numbers = `${milliseconds(denseMs)} ms dense, about ${milliseconds(predictedMs)} ms (${times(speedup)})`;
  const some = stayDense.length > 4 ? `${stayDense.slice(0, 3).join(", ")} and ${stayDense.length - 3} more` : stayDense.join(", ");
  const lines = [`forecast for ${what} on this machine: ${numbers}`];
  if (stayDense.length > 0) lines.push(`these layers get no faster and will run with dense kernels: ${some}`);
  if (!pays) {
    const from =
      paysFrom === null ? "no sparsity makes this network faster here" : `it begins to pay at about ${percent(paysFrom, 0)}`;
    lines.push(`warning: ${what} will not make this network faster on this device; ${from}`);
  }
  return lines;
}
