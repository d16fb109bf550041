import { expect, it } from "vitest";
import { resizePicture } from "./resize.js";

const grey = (values: number[]): Uint8Array => Uint8Array.from(values.flatMap((v) => [v, 2 * v, 255 - v, 255]));

it("keeps a picture of the right size, as planes", () => {
  const picture = { width: 2, height: 2, rgba: grey([10, 20, 30, 40]) };
  expect(Array.from(resizePicture(picture, { channels: 3, height: 2, width: 2 }))).toEqual([
    10, 20, 30, 40, 20, 40, 60, 80, 245, 235, 225, 215,
  ]);
  // Luma of (10, 20, 245): 0.299 * 10 + 0.587 * 20 + 0.114 * 245 = 42.66.
  expect(resizePicture(picture, { channels: 1, height: 2, width: 2 })[0]).toBe(43);
});

it("takes the mean of four when it halves, and the edge where it grows", () => {
  const picture = { width: 2, height: 2, rgba: grey([10, 20, 30, 41]) };
  expect(resizePicture(picture, { channels: 3, height: 1, width: 1 })[0]).toBe(25);
  const row = { width: 2, height: 1, rgba: grey([0, 100]) };
  // Centres of the four pixels lie at -0.25, 0.25, 0.75, 1.25 of the two.
  expect(Array.from(resizePicture(row, { channels: 3, height: 2, width: 4 }).subarray(0, 4))).toEqual([0, 25, 75, 100]);
});

it("cuts the middle in the target's proportions", () => {
  const wide = { width: 4, height: 2, rgba: grey([1, 2, 3, 4, 5, 6, 7, 8]) };
  expect(Array.from(resizePicture(wide, { channels: 3, height: 2, width: 2 }).subarray(0, 4))).toEqual([2, 3, 6, 7]);
});
