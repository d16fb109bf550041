/** TFLite: files written by the official FlatBuffers writer; numbers worked by hand in channels-last order. */
import { describe, expect, it } from "vitest";
import { createRng, FormatError, InputError, tensor } from "../../core/index.js";
import { readTflite } from "../../formats/index.js";
import { mutate } from "../../formats/testing/mutate.js";
import { type WrittenOperator, type WrittenTensor, writeTflite } from "../../formats/testing/tflite-writer.js";
import { interpret } from "../interpret.js";
import { atBatch } from "../passes/batch.js";
import { importTflite, supportedTfliteOperators, unsupportedTfliteOperators } from "./tflite.js";

const floats = (values: ArrayLike<number>): Uint8Array => new Uint8Array(Float32Array.from(values).buffer);
const ints = (...values: number[]): Uint8Array => new Uint8Array(Int32Array.from(values).buffer);

/** One operator: operand 0 is the input, the others are stored. */
function one(
  code: number,
  shape: readonly number[],
  stored: readonly WrittenTensor[],
  options: WrittenOperator["options"] = [],
  extra: readonly WrittenTensor[] = [],
): Uint8Array {
  const tensors: WrittenTensor[] = [{ name: "x", shape }, ...stored, { name: "y", shape: [] }, ...extra];
  const inputs = [0, ...stored.map((_, i) => i + 1)];
  return writeTflite({
    tensors,
    operators: [{ code, inputs, outputs: [stored.length + 1], options }],
    inputs: [0],
    outputs: [stored.length + 1],
  });
}

/** Runs on x given in the file's order [N, H, W, C]; gives the output in the program's. */
function run(bytes: Uint8Array, x: readonly number[], batch = 1): { shape: readonly number[]; data: number[] } {
  const { program, params } = importTflite(bytes);
  const at = atBatch(program, batch);
  const shape = at.values[at.inputs["x"]!]!.shape;
  let data = Float32Array.from(x);
  if (shape.length === 4) {
    const [n, c, h, w] = shape as [number, number, number, number];
    data = Float32Array.from({ length: x.length }, (_, i) => {
      const [b, k, r, q] = [Math.floor(i / (c * h * w)), Math.floor(i / (h * w)) % c, Math.floor(i / w) % h, i % w];
      return x[((b * h + r) * w + q) * c + k]!;
    });
    expect(n).toBe(batch);
  }
  const y = interpret(at, { params, inputs: { x: tensor(shape, data) } }).outputs["y"]!;
  return { shape: y.shape, data: Array.from(y.data) };
}

const weight = (shape: readonly number[], values: readonly number[], more: Partial<WrittenTensor> = {}): WrittenTensor => ({
  name: "w",
  shape,
  data: floats(values),
  ...more,
});
const pixels = [1, 2, 3, 4, 5, 6, 7, 8]; // [1, 2, 2, 2]: pixels (1,2) (3,4) (5,6) (7,8)

describe("operators", () => {
  it("CONV_2D: weight [O, kh, kw, C], bias, fused RELU", () => {
    // 1x1: y = c0 - c1 + 0.5 and 2 c1 - 9.
    const w = weight([2, 1, 1, 2], [1, -1, 0, 2]);
    const bias: WrittenTensor = { name: "b", shape: [2], data: floats([0.5, -9]) };
    const bytes = one(
      3,
      [1, 2, 2, 2],
      [w, bias],
      [
        [0, "int8", 1],
        [1, "int32", 1],
        [2, "int32", 1],
        [3, "int8", 1],
      ],
    );
    expect(run(bytes, pixels)).toEqual({ shape: [1, 2, 2, 2], data: [0, 0, 0, 0, 0, 0, 3, 7] });
  });

  it("CONV_2D: SAME padding puts the odd pixel after", () => {
    const bytes = one(
      3,
      [1, 2, 2, 1],
      [weight([1, 2, 2, 1], [1, 10, 100, 1000])],
      [
        [0, "int8", 0],
        [1, "int32", 1],
        [2, "int32", 1],
      ],
    );
    expect(run(bytes, [1, 2, 3, 4]).data).toEqual([4321, 402, 43, 4]);
  });

  it("DEPTHWISE_CONV_2D: weight [1, kh, kw, C]", () => {
    const bytes = one(
      4,
      [1, 2, 2, 2],
      [weight([1, 2, 1, 2], [1, 1, 10, 100])],
      [
        [0, "int8", 1],
        [1, "int32", 1],
        [2, "int32", 1],
      ],
    );
    expect(run(bytes, pixels)).toEqual({ shape: [1, 2, 1, 2], data: [51, 73, 602, 804] });
  });

  it("pools, means and elementwise operators keep planes", () => {
    expect(
      run(
        one(
          17,
          [1, 2, 2, 2],
          [],
          [
            [0, "int8", 1],
            [1, "int32", 2],
            [2, "int32", 2],
            [3, "int32", 2],
            [4, "int32", 2],
          ],
        ),
        pixels,
      ).data,
    ).toEqual([7, 8]);
    expect(
      run(
        one(
          1,
          [1, 2, 2, 2],
          [],
          [
            [0, "int8", 1],
            [1, "int32", 2],
            [2, "int32", 2],
            [3, "int32", 2],
            [4, "int32", 2],
          ],
        ),
        pixels,
      ).data,
    ).toEqual([4, 5]);
    const axes: WrittenTensor = { name: "a", shape: [2], type: 2, data: ints(1, 2) };
    expect(run(one(40, [1, 2, 2, 2], [axes]), pixels)).toEqual({ shape: [1, 2], data: [4, 5] });
    // A vector of channels beside a plane.
    expect(run(one(0, [1, 2, 2, 2], [weight([2], [10, 100])]), pixels).data).toEqual([11, 13, 15, 17, 102, 104, 106, 108]);
    expect(run(one(18, [1, 2, 2, 2], [weight([1, 2, 2, 1], [1, 2, 3, 4])]), pixels).data).toEqual([1, 6, 15, 28, 2, 8, 18, 32]);
  });

  it("FULLY_CONNECTED after RESHAPE sees channels last", () => {
    const tensors: WrittenTensor[] = [
      { name: "x", shape: [1, 2, 2, 2] },
      { name: "s", shape: [2], type: 2, data: ints(1, 8) },
      { name: "flat", shape: [1, 8] },
      weight([1, 8], [1, 0, 0, 10, 0, 0, 0, 100]),
      { name: "y", shape: [1, 1] },
    ];
    const bytes = writeTflite({
      tensors,
      operators: [
        { code: 22, inputs: [0, 1], outputs: [2] },
        { code: 9, inputs: [2, 3, -1], outputs: [4] },
      ],
      inputs: [0],
      outputs: [4],
    });
    expect(run(bytes, pixels)).toEqual({ shape: [1, 1], data: [841] });
    expect(run(bytes, [...pixels, ...pixels.map((v) => 2 * v)], 2)).toEqual({ shape: [2, 1], data: [841, 1682] });
  });

  it("RESIZE_NEAREST_NEIGHBOR, PAD and SOFTMAX", () => {
    expect(
      run(one(97, [1, 1, 2, 1], [{ name: "s", shape: [2], type: 2, data: ints(2, 4) }], [[0, "int8", 0]]), [1, 2]).data,
    ).toEqual([1, 1, 2, 2, 1, 1, 2, 2]);
    const pads: WrittenTensor = { name: "p", shape: [4, 2], type: 2, data: ints(0, 0, 1, 0, 0, 0, 0, 0) };
    expect(run(one(34, [1, 1, 2, 1], [pads]), [1, 2]).data).toEqual([0, 0, 1, 2]);
    expect(run(one(25, [1, 2], [], [[0, "float32", 1]]), [0, Math.log(3)]).data.map((v) => Number(v.toFixed(6)))).toEqual([
      0.25, 0.75,
    ]);
  });

  it("RESIZE_BILINEAR, STRIDED_SLICE, SPLIT and DEPTH_TO_SPACE", () => {
    const size: WrittenTensor = { name: "s", shape: [2], type: 2, data: ints(1, 4) };
    expect(run(one(23, [1, 1, 2, 1], [size], [[3, "int8", 1]]), [0, 4]).data).toEqual([0, 1, 3, 4]);
    expect(run(one(23, [1, 1, 2, 1], [{ ...size, data: ints(1, 3) }], [[2, "int8", 1]]), [0, 4]).data).toEqual([0, 2, 4]);
    const list = (name: string, ...v: number[]): WrittenTensor => ({ name, shape: [v.length], type: 2, data: ints(...v) });
    // x[:, 1, ::1, -1:] of [1, 2, 2, 2], the second axis dropped.
    const cut = one(
      45,
      [1, 2, 2, 2],
      [list("b", 0, 1, 0, -1), list("e", 0, 2, 0, 0), list("t", 1, 1, 1, 1)],
      [
        [0, "int32", 5],
        [1, "int32", 13],
        [4, "int32", 2],
      ],
    );
    expect(run(cut, pixels)).toEqual({ shape: [1, 2, 1], data: [6, 8] });
    const parts = writeTflite({
      tensors: [
        { name: "a", shape: [], type: 2, data: ints(3) },
        { name: "x", shape: [1, 2, 2, 2] },
        { name: "z", shape: [] },
        { name: "y", shape: [] },
      ],
      operators: [{ code: 49, inputs: [0, 1], outputs: [2, 3] }],
      inputs: [1],
      outputs: [3],
    });
    expect(run(parts, pixels)).toEqual({ shape: [1, 1, 2, 2], data: [2, 4, 6, 8] });
    expect(run(one(5, [1, 1, 1, 4], [], [[0, "int32", 2]]), [1, 2, 3, 4])).toEqual({ shape: [1, 1, 2, 2], data: [1, 2, 3, 4] });
  });

  it("names what is not supported, with neighbours", () => {
    const bytes = one(12, [1, 2, 2, 2], []);
    expect(unsupportedTfliteOperators(bytes)).toMatchObject([{ operator: "L2_POOL_2D", count: 1 }]);
    expect(() => importTflite(bytes)).toThrow(/L2_POOL_2D is not supported \(nearby: .*MAX_POOL_2D/);
    expect(supportedTfliteOperators()).toContain("CONV_2D");
  });
});

describe("quantised and sparse weights", () => {
  it("integers become the reals they stand for, per channel too", () => {
    const w: WrittenTensor = {
      name: "w",
      shape: [2, 1, 1, 2],
      type: 9,
      data: Uint8Array.from([1, 2, 3, -4], (v) => v & 255),
      scale: [0.5, 2],
      zeroPoint: [1, -1],
      axis: 0,
    };
    const { params } = importTflite(
      one(
        3,
        [1, 1, 1, 2],
        [w],
        [
          [0, "int8", 1],
          [1, "int32", 1],
          [2, "int32", 1],
        ],
      ),
    );
    expect(Array.from(params["w"]!.data)).toEqual([0, 0.5, 8, -6]);
  });

  it("rounded activations take the nearest of 256 numbers", () => {
    const tensors: WrittenTensor[] = [
      { name: "x", shape: [1, 4] },
      { name: "y", shape: [1, 4], type: 3, scale: [0.5], zeroPoint: [10] },
    ];
    const bytes = writeTflite({ tensors, operators: [{ code: 19, inputs: [0], outputs: [1] }], inputs: [0], outputs: [1] });
    const { program, params } = importTflite(bytes, { activations: "rounded" });
    const y = interpret(program.one, { params, inputs: { x: tensor([1, 4], [0.3, -7, 1.2, 999]) } }).outputs["y"]!;
    expect(Array.from(y.data)).toEqual([0.5, 0, 1, 122.5]);
  });

  const fc = (w: WrittenTensor): Uint8Array => one(9, [1, 4], [w]);
  // [2, 4] = [[0, 5, 0, 7], [0, 0, 9, 0]]
  it("rows with compressed columns: a param and its mask", () => {
    const w = weight([2, 4], [5, 7, 9], {
      sparsity: { order: [0, 1], blockMap: [], levels: [{ dense: 2 }, { segments: [0, 2, 3], indices: [1, 3, 2] }] },
    });
    const { params, masks } = importTflite(fc(w));
    expect(Array.from(params["w"]!.data)).toEqual([0, 5, 0, 7, 0, 0, 9, 0]);
    expect(Array.from(masks["w"]!.data)).toEqual([0, 1, 0, 1, 0, 0, 1, 0]);
  });

  it("weights that DENSIFY or DEQUANTIZE make dense are params", () => {
    const sparsity = { order: [0, 1], blockMap: [], levels: [{ dense: 2 }, { segments: [0, 2, 3], indices: [1, 3, 2] }] };
    const half = Uint8Array.of(0x00, 0x3c, 0x00, 0xc0); // 1, -2 in 16 bits
    const tensors: WrittenTensor[] = [
      { name: "x", shape: [1, 4] },
      weight([2, 4], [5, 7, 9], { sparsity }),
      { name: "dense", shape: [2, 4] },
      { name: "h", shape: [2], type: 1, data: half },
      { name: "b", shape: [2] },
      { name: "y", shape: [1, 2] },
    ];
    const bytes = writeTflite({
      tensors,
      operators: [
        { code: 124, inputs: [1], outputs: [2] },
        { code: 6, inputs: [3], outputs: [4] },
        { code: 9, inputs: [0, 2, 4], outputs: [5] },
      ],
      inputs: [0],
      outputs: [5],
    });
    const { masks, params } = importTflite(bytes);
    expect(Array.from(masks["w"]!.data)).toEqual([0, 1, 0, 1, 0, 0, 1, 0]);
    expect(Object.keys(params).sort()).toEqual(["h", "w"]);
    expect(run(bytes, [1, 2, 3, 4]).data).toEqual([39, 25]);
  });

  // Blocks of 1x2: block column 1 of row 0, block column 0 of row 1.
  it("blocks", () => {
    const w = weight([2, 4], [5, 7, 9, 8], {
      sparsity: { order: [0, 1, 2], blockMap: [1], levels: [{ dense: 2 }, { segments: [0, 1, 2], indices: [1, 0] }, { dense: 2 }] },
    });
    const { params, masks } = importTflite(fc(w));
    expect(Array.from(params["w"]!.data)).toEqual([0, 0, 5, 7, 9, 8, 0, 0]);
    expect(Array.from(masks["w"]!.data)).toEqual([0, 0, 1, 1, 1, 1, 0, 0]);
  });

  it.each([
    ["an index outside", [{ dense: 2 }, { segments: [0, 2, 3], indices: [1, 4, 2] }], /index 4 in a dim of 4/],
    ["indices that fall", [{ dense: 2 }, { segments: [0, 2, 3], indices: [3, 1, 2] }], /index 1/],
    ["segments past the indices", [{ dense: 2 }, { segments: [0, 2, 9], indices: [1, 3, 2] }], /segment 2 to 9/],
    ["a level of another size", [{ dense: 3 }, { segments: [0, 2, 3, 3], indices: [1, 3, 2] }], /level of 3 in a dim of 2/],
    ["fewer levels", [{ dense: 2 }], /1 levels, expected 2/],
  ] as const)("%s is refused", (_, levels, message) => {
    const w = weight([2, 4], [5, 7, 9], { sparsity: { order: [0, 1], blockMap: [], levels } });
    expect(() => importTflite(fc(w))).toThrow(message);
  });
});

describe("damaged files", () => {
  const whole = one(
    3,
    [1, 4, 4, 2],
    [
      weight([2, 1, 1, 2], [3, 5, 7], {
        sparsity: {
          order: [0, 1, 2, 3],
          blockMap: [],
          levels: [{ dense: 2 }, { dense: 1 }, { dense: 1 }, { segments: [0, 2, 3], indices: [0, 1, 1] }],
        },
      }),
    ],
    [
      [0, "int8", 0],
      [1, "int32", 2],
      [2, "int32", 2],
      [3, "int8", 3],
    ],
  );

  it("is no TFLite file", () => {
    expect(() => readTflite(new Uint8Array(40))).toThrow(/identifier TFL3/);
    expect(() => readTflite(new Uint8Array(3))).toThrow(FormatError);
  });

  it("10,000 mutations give a program or an InputError", () => {
    expect(importTflite(whole).masks["w"]!.data).toEqual(Uint8Array.of(1, 1, 0, 1));
    const rng = createRng(2);
    let refused = 0;
    for (let i = 0; i < 10_000; i++) {
      try {
        importTflite(mutate(whole, rng));
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(1000);
  }, 60_000);
});
