/** Channel groups: what belongs together, cut = masked, permuted = the same function, refusals. */
import { describe, expect, it } from "vitest";
import { createRng, type Rng, type Tensor, type Tree, tensor } from "../../core/index.js";
import { interpret } from "../interpret.js";
import * as ops from "../ops/index.js";
import { trace } from "../trace.js";
import type { Program } from "../types.js";
import { type ChannelGraph, channelGraph, describeChannels } from "./channel-groups.js";
import { reshapeBlocks } from "./channel-rules.js";
import { cutChannels, cutParams, maskChannels } from "./cut-channels.js";
import { permuteChannels } from "./permute-channels.js";

const randomParams = (program: Program, rng: Rng): Tree<Tensor> =>
  Object.fromEntries(
    Object.entries(program.params).map(([path, p]) => {
      const { shape } = program.values[p.value]!;
      const positive = path.includes("var");
      return [
        path,
        tensor(
          shape,
          Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => (positive ? 0.5 + rng.uniform() : rng.normal())),
        ),
      ];
    }),
  );
const randomInputs = (program: Program, rng: Rng): Tree<Tensor> =>
  Object.fromEntries(
    Object.entries(program.inputs).map(([name, id]) => [
      name,
      tensor(
        program.values[id]!.shape,
        Float32Array.from({ length: program.values[id]!.shape.reduce((a, b) => a * b, 1) }, () => rng.normal()),
      ),
    ]),
  );
const run = (program: Program, params: Tree<Tensor>, inputs: Tree<Tensor>) => interpret(program, { params, inputs }).outputs["y"]!;

/** Cuts half of every group, and checks that the smaller network computes bit for bit what the masked one does. */
function checkCut(program: Program, seed = 1): { graph: ChannelGraph; before: number; after: number } {
  const rng = createRng(seed);
  const graph = channelGraph(program);
  const params = randomParams(program, rng);
  const inputs = randomInputs(program, rng);
  const units = graph.groups.flatMap(({ units: list }) =>
    [...rng.permutation(list.length)].slice(0, Math.floor(list.length / 2)).map((i) => list[i]!),
  );
  const cut = cutChannels(program, units);
  const small = cutParams(params, cut);
  expect(Array.from(run(cut.program, small, inputs).data)).toEqual(
    Array.from(run(program, maskChannels(params, units), inputs).data),
  );
  const count = (tree: Tree<Tensor>) => Object.values(tree).reduce((n, { data }) => n + data.length, 0);
  return { graph, before: count(params), after: count(small) };
}

/** Puts every group into a random order, and checks that the function stays. */
function checkPermuted(program: Program, seed = 2): void {
  const rng = createRng(seed);
  const params = randomParams(program, rng);
  const inputs = randomInputs(program, rng);
  let moved = params;
  for (const group of channelGraph(program).groups) moved = permuteChannels(moved, group, rng.permutation(group.units.length));
  const [a, b] = [run(program, params, inputs).data, run(program, moved, inputs).data];
  const size = Math.max(...Array.from(a, Math.abs));
  for (let i = 0; i < a.length; i++) expect(Math.abs(a[i]! - b[i]!)).toBeLessThanOrEqual(1e-5 * size);
  expect(moved).not.toEqual(params);
}

const conv = (o: number, i: number, k: number) => ({ shape: [o, i, k, k] });
/** Residual add with a padding shortcut, concat, split, depthwise with multiplier 2, grouped convolution, flatten into linear. */
const everything = trace(
  ({ params: p, inputs }) => {
    const x = inputs["x"]!;
    const a = ops.relu(
      ops.batchNormInference(ops.conv2d(x, p["a.weight"]!, { padding: 1 }), p["g"]!, p["b"]!, p["mean"]!, p["var"]!, 1e-5),
    );
    const wide = ops.conv2d(a, p["b.weight"]!, { padding: 1, stride: 2 });
    const shortcut = ops.pad(ops.slice(a, [0, 0, 0, 0], a.shape, [1, 1, 2, 2]), [0, 2, 0, 0], [0, 2, 0, 0]);
    const stream = ops.relu(ops.add(wide, shortcut));
    const both = ops.concat([stream, ops.sigmoid(ops.conv2d(stream, p["c.weight"]!))], 1);
    const half = ops.sliceAxis(both, 1, 4, 12);
    const depth = ops.conv2d(half, p["d.weight"]!, { groups: 8, padding: 1 });
    const grouped = ops.conv2d(depth, p["e.weight"]!, { groups: 4 });
    const pooled = ops.maxPool2d(ops.add(grouped, ops.reshape(p["e.bias"]!, [1, 8, 1, 1])), { kernel: 2 });
    return { outputs: { y: ops.linear(ops.reshape(pooled, [2, -1]), p["f.weight"]!, p["f.bias"]!) } };
  },
  {
    inputs: { x: { shape: [2, 3, 8, 8] } },
    params: {
      "a.weight": conv(4, 3, 3),
      g: { shape: [4] },
      b: { shape: [4] },
      mean: { shape: [4] },
      var: { shape: [4] },
      "b.weight": conv(8, 4, 3),
      "c.weight": conv(6, 8, 1),
      "d.weight": conv(16, 1, 3),
      "e.weight": conv(8, 4, 1),
      "e.bias": { shape: [8] },
      "f.weight": { shape: [5, 32] },
      "f.bias": { shape: [5] },
    },
  },
);

/** Attention of 4 query heads over 2 key-value heads of size 3, and a gated feed-forward, with rmsNorm. */
const attention = trace(
  ({ params: p, inputs }) => {
    const x = inputs["x"]!;
    const n = ops.rmsNorm(x, p["norm"]!, 1e-6);
    const heads = (v: ops.Operand & object, count: number) => ops.transpose(ops.reshape(v, [2, 5, count, 3]), [0, 2, 1, 3]);
    const repeat = (v: ops.Operand & object) =>
      ops.reshape(ops.broadcastTo(ops.reshape(v, [2, 2, 1, 5, 3]), [2, 2, 2, 5, 3]), [2, 4, 5, 3]);
    const q = heads(ops.linear(n, p["q.weight"]!, p["q.bias"]!), 4);
    const k = repeat(heads(ops.linear(n, p["k.weight"]!), 2));
    const v = repeat(heads(ops.linear(n, p["v.weight"]!), 2));
    const shares = ops.softmax(ops.affine(ops.matmul(q, k, { transposeB: true }), 0.5, 0), -1);
    const mixed = ops.reshape(ops.transpose(ops.matmul(shares, v), [0, 2, 1, 3]), [2, 5, 12]);
    const stream = ops.add(x, ops.linear(mixed, p["o.weight"]!));
    const gated = ops.mul(ops.silu(ops.linear(stream, p["gate.weight"]!)), ops.linear(stream, p["up.weight"]!));
    return { outputs: { y: ops.add(stream, ops.linear(gated, p["down.weight"]!)) } };
  },
  {
    inputs: { x: { shape: [2, 5, 6] } },
    params: {
      norm: { shape: [6] },
      "q.weight": { shape: [12, 6] },
      "q.bias": { shape: [12] },
      "k.weight": { shape: [6, 6] },
      "v.weight": { shape: [6, 6] },
      "o.weight": { shape: [6, 12] },
      "gate.weight": { shape: [8, 6] },
      "up.weight": { shape: [8, 6] },
      "down.weight": { shape: [6, 8] },
    },
  },
);

describe("channel groups", () => {
  it("follow residual adds, padding shortcuts, concat, split, depthwise, groups and flattening", () => {
    const { graph, before, after } = checkCut(everything);
    expect(after).toBeLessThan(before * 0.6);
    // Channels 0..3 of the first convolution are channels 2..5 of the stream; the concat puts the stream first.
    const first = graph.groups
      .flatMap(({ units }) => units)
      .find(({ members }) => members.some((m) => m.path === "a.weight" && m.axis === 0 && m.indices.includes(0)))!;
    expect(first.members).toContainEqual({ path: "b.weight", axis: 0, indices: [2] });
    expect(first.members).toContainEqual({ path: "c.weight", axis: 1, indices: [2] });
    const { held } = graph;
    expect(held.find(({ path, axis }) => path === "a.weight" && axis === 1)?.why).toContain('the input "x" is given from outside');
    expect(held.find(({ path, axis }) => path === "f.weight" && axis === 0)?.why).toContain('the output "y" is promised');
  });
  it("follow a transposed convolution", () => {
    const attrs = { stride: [2, 2], padding: [0, 0, 0, 0], dilation: [1, 1], groups: 1 };
    const program = trace(
      ({ params: p, inputs }) => {
        const a = ops.relu(ops.conv2d(inputs["x"]!, p["a.weight"]!));
        const up = ops.relu(ops.conv2dInputGrad(a, p["up.weight"]!, [1, 6, 8, 8], attrs));
        return { outputs: { y: ops.conv2d(up, p["c.weight"]!) } };
      },
      {
        inputs: { x: { shape: [1, 2, 4, 4] } },
        params: { "a.weight": conv(4, 2, 1), "up.weight": conv(4, 6, 2), "c.weight": conv(3, 6, 1) },
      },
    );
    const { graph } = checkCut(program);
    expect(graph.groups.map(({ units }) => units.length)).toEqual([4, 6]);
  });
  it("keep the function when their units change places", () => {
    checkPermuted(everything);
    checkPermuted(attention);
  });
  it("cut whole key-value heads with their query heads, and the gated feed-forward; the stream under a norm is held", () => {
    const { graph } = checkCut(attention, 3);
    expect(graph.groups.map(({ units }) => units.length).sort()).toEqual([2, 8]);
    const heads = graph.groups.find(({ units }) => units.length === 2)!;
    expect(heads.units[1]!.members).toEqual([
      { path: "q.weight", axis: 0, indices: [6, 7, 8, 9, 10, 11] },
      { path: "q.bias", axis: 0, indices: [6, 7, 8, 9, 10, 11] },
      { path: "k.weight", axis: 0, indices: [3, 4, 5] },
      { path: "v.weight", axis: 0, indices: [3, 4, 5] },
      { path: "o.weight", axis: 1, indices: [6, 7, 8, 9, 10, 11] },
    ]);
    expect(graph.held.find(({ path, axis }) => path === "down.weight" && axis === 0)).toBeDefined();
  });
  it("cut heads whose queries, keys and values come from one product", () => {
    const fused = trace(
      ({ params: p, inputs }) => {
        const qkv = ops.reshape(ops.linear(inputs["x"]!, p["qkv.weight"]!, p["qkv.bias"]!), [2, 5, 3, 4, 2]);
        const apart = ops.transpose(qkv, [2, 0, 3, 1, 4]);
        const part = (i: number) => ops.reshape(ops.sliceAxis(apart, 0, i, i + 1), [2, 4, 5, 2]);
        const shares = ops.softmax(ops.matmul(part(0), part(1), { transposeB: true }), -1);
        const mixed = ops.reshape(ops.transpose(ops.matmul(shares, part(2)), [0, 2, 1, 3]), [2, 5, 8]);
        return { outputs: { y: ops.linear(mixed, p["o.weight"]!) } };
      },
      {
        inputs: { x: { shape: [2, 5, 6] } },
        params: { "qkv.weight": { shape: [24, 6] }, "qkv.bias": { shape: [24] }, "o.weight": { shape: [6, 8] } },
      },
    );
    const { graph } = checkCut(fused, 3);
    expect(graph.groups.map(({ units }) => units.length)).toEqual([4]);
    expect(graph.groups[0]!.units[1]!.members).toEqual([
      { path: "qkv.weight", axis: 0, indices: [2, 3, 10, 11, 18, 19] },
      { path: "qkv.bias", axis: 0, indices: [2, 3, 10, 11, 18, 19] },
      { path: "o.weight", axis: 1, indices: [2, 3] },
    ]);
    checkPermuted(fused);
  });
  it("print what one unit removes and why", () => {
    const text = describeChannels(channelGraph(everything));
    expect(text).toContain("removes 1 position of a.weight, axis 0");
    expect(text).toMatch(/because pad shifts positions \(operation \d+\)/);
    expect(text).toMatch(/held: f\.weight, axis 0: the output "y" is promised to the caller/);
  });
  it("carry constants that have one number per channel, and keep those in place", () => {
    const program = trace(
      ({ params: p, inputs }) => {
        const h = ops.linear(inputs["x"]!, p["a.weight"]!);
        return { outputs: { y: ops.linear(ops.mul(h, ops.constant(h.graph, [4], [1, 2, 3, 4])), p["b.weight"]!) } };
      },
      { inputs: { x: { shape: [1, 3] } }, params: { "a.weight": { shape: [4, 3] }, "b.weight": { shape: [2, 4] } } },
    );
    checkCut(program);
    const [group] = channelGraph(program).groups;
    expect(group!.ordered).toBe(true);
    expect(() => permuteChannels(randomParams(program, createRng(1)), group!, [0, 1, 2, 3])).toThrow("must keep their places");
  });
});

describe("cuts that are refused", () => {
  const graph = channelGraph(everything);
  const unit = graph.groups[0]!.units[0]!;
  it("name the reason", () => {
    expect(() => cutChannels(everything, [{ members: [{ path: "a.weight", axis: 1, indices: [0] }] }])).toThrow(
      'cannot be removed: the input "x" is given from outside',
    );
    expect(() => cutChannels(everything, [{ members: unit.members.slice(0, 1) }])).toThrow(/also removes position \d+ of/);
    expect(() => cutChannels(everything, [{ members: [{ path: "no", axis: 0, indices: [0] }] }])).toThrow('no param "no"');
    expect(() => cutChannels(everything, [{ members: [{ path: "a.weight", axis: 0, indices: [4] }] }])).toThrow("no position 4");
    const all = graph.groups.flatMap(({ units }) => units);
    expect(() => cutChannels(everything, all)).toThrow("nothing would be left of");
  });
  it("an operation without a rule holds its axes", () => {
    const program = trace(({ params: p, inputs }) => ({ outputs: { y: ops.topK(ops.linear(inputs["x"]!, p["w"]!), 2).values } }), {
      inputs: { x: { shape: [1, 3] } },
      params: { w: { shape: [4, 3] } },
    });
    expect(channelGraph(program).groups).toEqual([]);
    expect(channelGraph(program).held[0]!.why).toContain("topK has no rule for cutting");
  });
});

it("reshapes fall into blocks", () => {
  expect(reshapeBlocks([2, 8, 4, 4], [2, 128])).toEqual([
    { from: [0], to: [0] },
    { from: [1, 2, 3], to: [1] },
  ]);
  expect(reshapeBlocks([2, 5, 12], [10, 4, 3])).toEqual([
    { from: [0, 1], to: [0] },
    { from: [2], to: [1, 2] },
  ]);
});
