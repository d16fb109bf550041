import { requireInteger, type Tensor } from "../../core/index.js";
import { checkLogits, maxSoftmax, predictions } from "./scores.js";

/**
 * Expected calibration error: how far confidence is from accuracy, in bins of equal width.
 *
 *     ECE = sum_b |B_b| / N * |accuracy(B_b) - confidence(B_b)|
 *
 * @param logits [examples, classes]
 * @param labels one per example
 * @param bins   number of bins over confidences in (0, 1], at least 1; default 15
 * @returns      in [0, 1], 0 = calibrated
 * @throws ShapeError, InputError, OptionError
 *
 * Guo et al. 2017, arXiv:1706.04599, eq. 3.
 */
export function expectedCalibrationError(logits: Tensor, labels: ArrayLike<number>, { bins = 15 }: { bins?: number } = {}): number {
  const [n] = checkLogits("expectedCalibrationError", logits, labels);
  requireInteger("expectedCalibrationError.bins", bins, 1);
  const gap = new Float64Array(bins);
  const predicted = predictions(logits);
  maxSoftmax(logits).forEach((confidence, i) => {
    // Bins are open below and closed above, as in the paper.
    const bin = Math.min(bins - 1, Math.max(0, Math.ceil(confidence * bins) - 1));
    gap[bin]! += (predicted[i] === labels[i] ? 1 : 0) - confidence;
  });
  return gap.reduce((sum, g) => sum + Math.abs(g), 0) / n;
}
