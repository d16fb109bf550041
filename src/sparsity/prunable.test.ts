import { expect, it } from "vitest";
import { InputError, OptionError, tensor } from "../core/index.js";
import { magnitude } from "./criteria/index.js";
import { maskOf } from "./masks.js";
import { prunableOf } from "./prunable.js";
import { scoresOf } from "./select-masks.js";
import type { ParamInfo } from "./types.js";

const infos: Record<string, ParamInfo> = {
  "stem.weight": { shape: [4, 3, 3, 3], prunable: true, kind: "conv" },
  "stem.bias": { shape: [4], prunable: false, kind: "bias" },
  "block0.dw.weight": { shape: [4, 1, 3, 3], prunable: true, kind: "depthwise" },
  "block0.pw.weight": { shape: [8, 4, 1, 1], prunable: true, kind: "conv" },
};

it("lists what may be masked, in model order, less what is excluded by path, pattern or kind", () => {
  expect(Object.keys(prunableOf("rigl", infos))).toEqual(["stem.weight", "block0.dw.weight", "block0.pw.weight"]);
  expect(Object.keys(prunableOf("rigl", infos, ["stem.weight", "kind:depthwise"]))).toEqual(["block0.pw.weight"]);
  expect(Object.keys(prunableOf("rigl", infos, ["block*.weight"]))).toEqual(["stem.weight"]);
  expect(() => prunableOf("rigl", infos, ["stemXweight"])).toThrow(OptionError);
});

it("refuses an exclusion that names nothing, an empty tensor, and nothing left", () => {
  expect(() => prunableOf("rigl", infos, ["head"])).toThrow(/rigl\.exclude: .*stem\.weight.*got "head"/);
  expect(() => prunableOf("rigl", infos, ["*"])).toThrow("no prunable parameter is left");
  expect(() => prunableOf("rigl", { w: { shape: [0, 3], prunable: true, kind: "linear" } })).toThrow("w [0, 3] is empty");
});

it("scores name the tensor that has NaN, is missing, or has another shape; and nest when told", () => {
  const info = { w: { shape: [1, 3], prunable: true, kind: "linear" as const } };
  expect(() => scoresOf({ w: tensor([1, 3], [1, Number.NaN, 2]) }, info, magnitude)).toThrow("w has a NaN score at flat index 1");
  expect(() => scoresOf({}, info, magnitude)).toThrow(InputError);
  expect(() => scoresOf({ w: tensor([3]) }, info, magnitude)).toThrow("scoresOf w");
  const nested = scoresOf({ w: tensor([1, 3], [1, -9, 2]) }, info, magnitude, { w: maskOf([1, 3], [1, 0, 1]) });
  expect([...nested.w!]).toEqual([1, Number.NEGATIVE_INFINITY, 2]);
});
