/**
 * Layers beside golden values of PyTorch 1.13. wave(shape, seed) is sin(1.3 i + seed) in float32; the script:
 *
 *     bn=BatchNorm2d(3); bn.weight.data=wave(3,seed=1); bn.bias.data=wave(3,seed=2); x=wave(2,3,2,2); y=bn(x)
 *     print(bn.running_mean, bn.running_var); bn(wave(2,3,2,2,seed=0.5)); bn.eval(); print(bn(x)[0])
 *     print(F.group_norm(wave(2,4,3),2,wave(4,seed=1),wave(4,seed=2))[1])
 *     def cell(C,g): c=C(3,2); c.weight_ih.data=wave(2*g,3,seed=.1); c.weight_hh.data=wave(2*g,2,seed=.2)
 *                    c.bias_ih.data=wave(2*g,seed=.3); c.bias_hh.data=wave(2*g,seed=.4); return c
 *     x=wave(2,3); h=wave(2,2,seed=1); c=wave(2,2,seed=2)
 *     print(cell(RNNCell,1)(x,h), cell(GRUCell,3)(x,h), cell(LSTMCell,4)(x,(h,c)))
 *     L=LSTM(3,2,batch_first=True) with the params of cell(LSTMCell,4); print(L(wave(2,4,3))[0][1])
 *     M=MultiheadAttention(4,2,batch_first=True); M.in_proj_weight.data=wave(12,4); M.in_proj_bias.data=wave(12,seed=1)
 *     M.out_proj.weight.data=wave(4,4,seed=2); M.out_proj.bias.data=wave(4,seed=3); x=wave(2,3,4,seed=.5)
 *     print(M(x,x,x)[0][1], M(x,x,x,attn_mask=torch.triu(torch.ones(3,3,dtype=torch.bool),1))[0][1])
 */
import { describe, expect, it } from "vitest";
import {
  type AnyTensor,
  createRng,
  InputError,
  intTensor,
  mapTree,
  OptionError,
  type Tensor,
  type Tree,
  tensor,
} from "../core/index.js";
import { interpret, trace } from "../program/index.js";
import * as nn from "./index.js";
import { run, wave } from "./testing.js";

const expectClose = (actual: ArrayLike<number>, golden: readonly number[]): void => {
  expect(actual.length).toBe(golden.length);
  golden.forEach((g, i) => {
    expect(Math.abs(actual[i]! - g), `element ${i}: ${actual[i]} beside ${g}`).toBeLessThanOrEqual(3e-6 * Math.max(1, Math.abs(g)));
  });
};
const rows = (t: AnyTensor, from: number, to: number): Tensor => {
  const width = t.data.length / t.shape[0]!;
  return tensor([to - from, ...t.shape.slice(1)], t.data.slice(from * width, to * width));
};

describe("batchNorm", () => {
  const bn = nn.batchNorm(3);
  const start = { ...nn.initParams(bn, createRng(1)), weight: wave([3], 1), bias: wave([3], 2) };

  it("moves its running statistics as PyTorch does, and uses them when not training", () => {
    const first = run(bn, start, wave([2, 3, 2, 2]), { training: true }).updates;
    expectClose(first["running_mean"]!.data, [-0.0003671235, 0.0007898646, 0.001107254]);
    expectClose(first["running_var"]!.data, [0.9467783, 0.9564216, 0.9682931]);
    const second = run(bn, { ...start, ...first }, wave([2, 3, 2, 2], 0.5), { training: true }).updates;
    const { y, updates } = run(bn, { ...start, ...second }, wave([2, 3, 2, 2]));
    expectClose(
      y.data.slice(0, 12),
      [
        0.9103333, 1.760158, 1.364987, 0.3037477, -0.8504307, 0.009944383, 0.6235012, 0.09137753, -0.6149402, -0.6449881, -1.184472,
        -1.443047,
      ],
    );
    expect(updates).toEqual({});
  });

  it("refuses to train on one element per channel", () => {
    expect(() => run(bn, start, wave([1, 3]), { training: true })).toThrow(/more than one element per channel/);
  });
});

it("groupNorm equals PyTorch's", () => {
  const { y } = run(nn.groupNorm(2, 4), { weight: wave([4], 1), bias: wave([4], 2) }, wave([2, 4, 3]));
  expectClose(
    y.data.slice(12),
    [
      1.050386, -0.3062068, 0.1180777, 0.5444419, 0.9192387, -0.2836063, -0.5177052, -0.8563307, -1.56151, -1.720304, -0.2006135,
      0.6982119,
    ],
  );
  expect(() => nn.groupNorm(3, 4)).toThrow(InputError);
});

it("rmsNorm divides by the root mean square", () => {
  const { y } = run(nn.rmsNorm(2, { eps: 0 }), { weight: tensor([2], [1, 2]) }, tensor([1, 2], [3, 4]));
  expectClose(y.data, [3 / Math.sqrt(12.5), 8 / Math.sqrt(12.5)]);
});

describe("recurrent cells", () => {
  const weights = (gates: number) => ({
    weight_ih: wave([2 * gates, 3], 0.1),
    weight_hh: wave([2 * gates, 2], 0.2),
    bias_ih: wave([2 * gates], 0.3),
    bias_hh: wave([2 * gates], 0.4),
  });
  const step = (cell: nn.Cell, gates: number): Tree<AnyTensor> => {
    const given: Tree<Tensor> = { ...weights(gates), x: wave([2, 3]), h: wave([2, 2], 1), c: wave([2, 2], 2) };
    const program = trace(({ params: p }) => ({ outputs: cell.step(p, p["x"]!, { h: p["h"]!, c: p["c"]! }) }), {
      params: mapTree(given, ({ shape }) => ({ shape })),
    });
    return interpret(program, { params: given }).outputs;
  };

  it("equal PyTorch's", () => {
    expectClose(step(nn.rnnCell(3, 2), 1)["h"]!.data, [0.992112, 0.7705132, -0.8426642, 0.9992874]);
    expectClose(step(nn.gruCell(3, 2), 3)["h"]!.data, [-0.1733577, 0.8591624, -0.06578854, -0.8947003]);
    const { h, c } = step(nn.lstmCell(3, 2), 4);
    expectClose(h!.data, [-0.3749775, 0.1813712, -0.223342, -0.1980213]);
    expectClose(c!.data, [-0.5319744, 0.6479436, -0.2311879, -0.9104113]);
  });

  it("run along sequences", () => {
    const { y } = run(nn.recurrent(nn.lstmCell(3, 2)), weights(4), wave([2, 4, 3]));
    expect(y.shape).toEqual([2, 4, 2]);
    expectClose(y.data.slice(8), [-0.04017334, 0.2709362, -0.467091, 0.3428174, -0.6476424, 0.02747107, -0.3665074, 0.4884757]);
  });
});

describe("attention", () => {
  const inWeight = wave([12, 4]);
  const inBias = wave([12], 1);
  const params: Tree<Tensor> = {
    "q_proj.weight": rows(inWeight, 0, 4),
    "k_proj.weight": rows(inWeight, 4, 8),
    "v_proj.weight": rows(inWeight, 8, 12),
    "q_proj.bias": rows(inBias, 0, 4),
    "k_proj.bias": rows(inBias, 4, 8),
    "v_proj.bias": rows(inBias, 8, 12),
    "o_proj.weight": wave([4, 4], 2),
    "o_proj.bias": wave([4], 3),
  };
  const x = wave([2, 3, 4], 0.5);

  it("equals PyTorch's, with and without the causal mask", () => {
    expectClose(
      run(nn.attention(4, { heads: 2 }), params, x).y.data.slice(12),
      [
        -4.161864, -3.498831, 1.251675, 4.925484, -0.6466783, 0.5829118, 1.561218, 1.133793, -3.025497, -1.571713, 1.921081,
        3.625622,
      ],
    );
    expectClose(
      run(nn.attention(4, { heads: 2, causal: true }), params, x).y.data.slice(12),
      [
        1.450782, 2.617733, 1.370452, -1.079782, -0.06842594, 1.268098, 1.625007, 0.5083799, -3.025497, -1.571713, 1.921081,
        3.625622,
      ],
    );
  });

  it("with shared key-value heads equals attention whose key-value heads are copies", () => {
    const half = (path: string) => ({
      [`${path}.weight`]: rows(params[`${path}.weight`]!, 0, 2),
      [`${path}.bias`]: rows(params[`${path}.bias`]!, 0, 2),
    });
    const twice = (t: Tensor) => tensor([t.shape[0]! * 2, ...t.shape.slice(1)], [...t.data, ...t.data]);
    const shared = { ...params, ...half("k_proj"), ...half("v_proj") };
    const copied = mapTree(shared, (t, path) => (path.startsWith("k_") || path.startsWith("v_") ? twice(t) : t));
    const grouped = run(nn.attention(4, { heads: 2, keyValueHeads: 1, causal: true }), shared, x).y;
    expectClose(grouped.data, [...run(nn.attention(4, { heads: 2, causal: true }), copied, x).y.data]);
  });

  it("refuses sizes that do not divide", () => {
    expect(() => nn.attention(5, { heads: 2 })).toThrow(InputError);
    expect(() => nn.attention(8, { heads: 4, keyValueHeads: 3 })).toThrow(/keyValueHeads 3/);
  });
});

describe("composition", () => {
  const net = nn.sequential({
    fc: nn.linear(3, 3),
    bn: nn.batchNorm(3),
    body: nn.residual(nn.sequential({ fc: nn.linear(3, 3, { bias: false }), relu: nn.relu })),
  });

  it("names params by path and hands updates up", () => {
    expect(Object.keys(net.params)).toEqual([
      "fc.weight",
      "fc.bias",
      "bn.weight",
      "bn.bias",
      "bn.running_mean",
      "bn.running_var",
      "body.body.fc.weight",
    ]);
    expect(nn.trainable(net)).toEqual(["fc.weight", "fc.bias", "bn.weight", "bn.bias", "body.body.fc.weight"]);
    const { updates } = run(net, nn.initParams(net, createRng(1)), wave([4, 3]), { training: true });
    expect(Object.keys(updates)).toEqual(["bn.running_mean", "bn.running_var"]);
  });

  it("adds the shortcut", () => {
    const double = nn.residual(nn.lambda((x) => x));
    expect([...run(double, {}, tensor([2], [1, -2])).y.data]).toEqual([2, -4]);
  });

  it("draws each param from the stream of its path", () => {
    const one = nn.initParams(net, createRng(5));
    const more = nn.initParams(nn.sequential({ extra: nn.linear(2, 2), fc: nn.linear(3, 3) }), createRng(5));
    expect(more["fc.weight"]).toEqual(one["fc.weight"]);
    expect(nn.initParams(net, createRng(6))["fc.weight"]).not.toEqual(one["fc.weight"]);
  });

  it("declares sparse layouts by path", () => {
    expect(nn.paramSpecs(net, { "fc.weight": { kind: "csr", capacity: 4 } })["fc.weight"]).toEqual({
      shape: [3, 3],
      layout: { kind: "csr", capacity: 4 },
    });
  });
});

describe("dropout", () => {
  const two = nn.sequential({ a: nn.dropout(0.5), b: nn.dropout(0.5) });
  const ones = tensor([1000], new Float32Array(1000).fill(1));
  const key = intTensor([2], [3, 4]);

  it("draws independently at each place, depends on the key alone, and rests outside training", () => {
    const { y } = run(two, {}, ones, { training: true, key });
    const kept = [...y.data].filter((v) => v === 4).length;
    expect([...y.data].every((v) => v === 0 || v === 4)).toBe(true);
    expect(Math.abs(kept - 250)).toBeLessThan(4 * Math.sqrt(1000 * 0.25 * 0.75));
    expect(run(two, {}, ones, { training: true, key }).y).toEqual(y);
    expect(run(two, {}, ones, { training: true, key: intTensor([2], [3, 5]) }).y).not.toEqual(y);
    expect(run(two, {}, ones).y).toEqual(ones);
  });

  it("needs a key and a rate below 1", () => {
    expect(() => run(two, {}, ones, { training: true })).toThrow(/random key/);
    expect(() => nn.dropout(1)).toThrow(OptionError);
  });
});

it("embedding gathers rows", () => {
  const { y } = run(nn.embedding(3, 2), { weight: tensor([3, 2], [1, 2, 3, 4, 5, 6]) }, intTensor([1, 3], [2, 0, 2]));
  expect(y.shape).toEqual([1, 3, 2]);
  expect([...y.data]).toEqual([5, 6, 1, 2, 5, 6]);
});

it("depthwise convolves each channel alone, and is not prunable", () => {
  const layer = nn.depthwise(2, 1, { bias: false });
  expect(layer.params["weight"]).toMatchObject({ shape: [2, 1, 1, 1], role: "depthwise", prunable: false });
  expect([...run(layer, { weight: tensor([2, 1, 1, 1], [2, -1]) }, tensor([1, 2, 1, 2], [1, 2, 3, 4])).y.data]).toEqual([
    2, 4, -3, -4,
  ]);
});

describe("initialisers", () => {
  const deviation = (v: Float32Array) => Math.sqrt(v.reduce((s, x) => s + x * x, 0) / v.length);
  const shape = [64, 32, 3, 3];
  const golden: [string, nn.Initialiser, number][] = [
    ["kaimingNormal", nn.kaimingNormal(), Math.sqrt(2 / 288)],
    ["kaimingNormal out", nn.kaimingNormal({ mode: "out" }), Math.sqrt(2 / 576)],
    ["kaimingUniform", nn.kaimingUniform(), Math.sqrt(2 / 288)],
    ["xavierNormal", nn.xavierNormal(), Math.sqrt(2 / 864)],
    ["xavierUniform", nn.xavierUniform(), Math.sqrt(2 / 864)],
    ["torchUniform", nn.torchUniform, Math.sqrt(1 / 3 / 288)],
  ];
  it.each(golden)("%s has its standard deviation", (_, init, expected) => {
    expect(deviation(init(shape, createRng(3))) / expected).toBeCloseTo(1, 1.7);
  });

  it("torchUniform stays within 1 / sqrt(fan in) and reaches it", () => {
    const most = Math.max(...nn.torchUniform([100, 25], createRng(1)).map(Math.abs));
    expect(most).toBeLessThanOrEqual(0.2);
    expect(most).toBeGreaterThan(0.199);
  });

  it("with a mask, scale each row by its live inputs", () => {
    const mask = Uint8Array.from({ length: 2 * 4000 }, (_, i) => Number(i < 4000 || i % 4 === 0));
    const v = nn.kaimingNormal()([2, 4000], createRng(2), mask);
    expect(deviation(v.slice(0, 4000)) / Math.sqrt(2 / 4000)).toBeCloseTo(1, 1);
    expect(deviation(v.slice(4000)) / Math.sqrt(2 / 1000)).toBeCloseTo(1, 1);
    expect(() => nn.kaimingNormal()([2, 4], createRng(1), new Uint8Array(3))).toThrow(OptionError);
  });
});
