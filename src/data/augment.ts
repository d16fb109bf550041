/** Augmentations of one normalised image, in place. Each draws from the random stream of its (epoch, example) alone. */
import { OptionError, type Rng, requireFraction, requireInteger } from "../core/index.js";

/**
 * Changes one image.
 * @param image  `[channels, height, width]`, normalised; changed in place
 */
export type Augmentation = (image: Float32Array, shape: readonly [number, number, number], rng: Rng) => void;

/** Mirrors left and right with probability `chance` (default 0.5). @throws OptionError when `chance` is outside [0, 1] */
export function horizontalFlip(chance = 0.5): Augmentation {
  requireFraction("horizontalFlip.chance", chance);
  return (image, [, , width], rng) => {
    if (rng.uniform() >= chance) return;
    for (let row = 0; row < image.length; row += width) image.subarray(row, row + width).reverse();
  };
}

/**
 * Pads `pixels` on each side with zeros (the mean, after normalisation) and cuts out a random window of the original size.
 * He et al. 2016, arXiv:1512.03385, section 4.2 (4 pixels for CIFAR-10).
 * @throws OptionError when `pixels` is no integer of at least 0
 */
export function padCrop(pixels = 4): Augmentation {
  requireInteger("padCrop.pixels", pixels, 0);
  return (image, [channels, height, width], rng) => {
    const dy = rng.below(2 * pixels + 1) - pixels;
    const dx = rng.below(2 * pixels + 1) - pixels;
    const shift = dy * width + dx;
    for (let c = 0; c < channels; c++) {
      const plane = image.subarray(c * height * width, (c + 1) * height * width);
      // Walk away from the source, so that no pixel is overwritten before it is read.
      for (let k = 0; k < plane.length; k++) {
        const to = shift >= 0 ? k : plane.length - 1 - k;
        const [y, x] = [Math.floor(to / width) + dy, (to % width) + dx];
        plane[to] = y >= 0 && y < height && x >= 0 && x < width ? plane[to + shift]! : 0;
      }
    }
  };
}

/** Checks that a dataset's examples are images. @throws OptionError */
export function requireImageShape(place: string, shape: readonly number[]): readonly [number, number, number] {
  if (shape.length !== 3) throw new OptionError(place, "examples of [channels, height, width] to augment", shape);
  return shape as unknown as [number, number, number];
}
