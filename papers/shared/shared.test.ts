import { expect, it } from "vitest";
import { createRng } from "../../src/core/index.js";
import { mlp } from "../../src/models/index.js";
import { maskOf, randomMask, validateCard } from "../../src/sparsity/index.js";
import { costOf, storageOf } from "./cost.js";
import { givenMasks } from "./given-masks.js";

it("storage counts non-zeros, bitmap bytes and index bytes of a hand-worked case", () => {
  // A 2 x 8 weight with 3 live values, and a bias of 2.
  const mask = maskOf([2, 8], [1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
  expect(storageOf({ weight: [2, 8], bias: [2] }, { weight: mask })).toEqual({
    params: 18,
    nonZeros: 5,
    sparsity: 1 - 3 / 16,
    valueBytes: 20,
    bitmapBytes: 3 * 4 + 2 + 8,
    csrBytes: 3 * 8 + 3 * 4 + 8,
    bestBytes: 3 * 4 + 2 + 8,
  });
});

it("a dense network stores 4 bytes per parameter in every form, and multiplies each weight once", () => {
  const model = mlp({ inputShape: [6], hidden: [4], classes: 3 });
  const params = 6 * 4 + 4 + 4 * 3 + 3;
  expect(costOf(model)).toEqual({
    params,
    nonZeros: params,
    sparsity: 0,
    valueBytes: 4 * params,
    bitmapBytes: 4 * params,
    csrBytes: 4 * params,
    bestBytes: 4 * params,
    theoreticalFlops: 2 * (24 + 12),
  });
  const mask = randomMask([4, 6], 5, createRng(1));
  expect(costOf(model, { "fc1.weight": mask })).toMatchObject({ nonZeros: params - 19, theoreticalFlops: 2 * (5 + 12) });
});

it("given masks never change, under a complete card", () => {
  const masks = { w: maskOf([1, 4], [1, 0, 1, 1]) };
  const updater = givenMasks(masks, {
    name: "given",
    title: "a given mask",
    paper: null,
    criterion: "none",
    distribution: "given",
    ranking: "global",
    information: "none",
  });
  expect(validateCard(updater.card).name).toBe("given");
  expect(updater.targetSparsity(7)).toBe(0.25);
  expect([updater.isDue(0), updater.isDue(5)]).toEqual([false, false]);
  const input = { step: 3, params: {}, infos: {}, masks, state: undefined, rng: createRng(1) };
  expect(updater.update(input).masks).toBe(masks);
  expect([...updater.update(input).born["w"]!.data]).toEqual([0, 0, 0, 0]);
});
