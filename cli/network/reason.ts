/** Why a layer runs as it does, in words. */
import type { LayerTiming } from "../../src/runtime/index.js";

const shown = (ms: number) =>
  ms < 0.001 ? `${(1e6 * ms).toFixed(0)} ns` : ms < 1 ? `${(1000 * ms).toFixed(1)} us` : `${ms.toFixed(2)} ms`;

/** "alone 7.8 us sparse, 35.0 us dense: sparse is 4.5 times faster". */
export function timingReason({ denseMs, sparseMs, atLeast, choice }: LayerTiming): string {
  const ratio = Math.max(denseMs / sparseMs, sparseMs / denseMs).toFixed(1);
  const [sparse, dense] = (["sparse", "dense"] as const).map((one) => (atLeast === one ? "at least " : ""));
  const by = `${atLeast ? "at least " : ""}${ratio} times faster`;
  return `alone ${sparse}${shown(sparseMs)} sparse, ${dense}${shown(denseMs)} dense: ${choice} is ${by}`;
}
