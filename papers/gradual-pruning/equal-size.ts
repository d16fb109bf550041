/** The small dense twin: as many parameters as a sparse network has non-zeros, within 2 %. */
import { InputError } from "../../src/core/index.js";
import { countParams, type Model, mlp, mobilenetV1, twinOfSize } from "../../src/models/index.js";

/** Largest relative difference that counts as equal. */
export const TOLERANCE = 0.02;

/**
 * Of the pairs (a, b) whose size is within 2 % of `most`, the one nearest to the ratio a / b of the large network.
 * @throws InputError when there is none
 */
export function equalPair(target: number, size: (a: number, b: number) => number, ratio: number): readonly [number, number] {
  let best: { pair: readonly [number, number]; off: number } | undefined;
  for (let a = 1; size(a, 1) <= (1 + TOLERANCE) * target; a++) {
    for (let b = 1; size(a, b) <= (1 + TOLERANCE) * target; b++) {
      if (size(a, b) < (1 - TOLERANCE) * target) continue;
      const off = Math.abs(Math.log(a / b / ratio));
      if (!best || off < best.off - 1e-12) best = { pair: [a, b], off };
    }
  }
  if (!best) throw new InputError(`no two-layer network has within ${100 * TOLERANCE} % of ${target} parameters`);
  return best.pair;
}

/** LeNet-300-100, the large network of the small scale. */
export const largeMlp = (): Model => mlp({ inputShape: [1, 28, 28], hidden: [300, 100] });

/** The MLP 784-a-b-10 with `target` parameters, a : b near 3 : 1. */
export function smallMlp(target: number): Model {
  const hidden = equalPair(target, (a, b) => 785 * a + (a + 1) * b + 10 * (b + 1), 3);
  return mlp({ inputShape: [1, 28, 28], hidden });
}

/** MobileNetV1 with `target` parameters. @throws InputError when no width comes within 2 % */
export function smallMobilenet(target: number, inputShape: readonly number[], classes: number): Model {
  const { model } = twinOfSize((width) => mobilenetV1({ inputShape, classes, width }), Math.round((1 + TOLERANCE / 2) * target), {
    low: 0.02,
    high: 1.1,
  });
  const params = countParams(model);
  if (Math.abs(params / target - 1) > TOLERANCE)
    throw new InputError(`MobileNet: the nearest width has ${params} parameters, not within 2 % of ${target}`);
  return model;
}
