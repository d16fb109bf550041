/**
 * A training step of ResNet-20 beside PyTorch 1.13 in float64. The script:
 *
 *     class Block(Module):  # conv1, bn1, conv2, bn2; 3x3, no bias; d = out - in channels
 *         def forward(s,x): y=s.bn2(s.conv2(relu(s.bn1(s.conv1(x)))))
 *                           return relu(y+(x if s.d==0 else F.pad(x[:,:,::2,::2],(0,0,0,0,s.d//2,s.d//2))))
 *     class Net(Module):    # conv1, bn1, layer1..3 of three blocks with 16, 32, 64 channels, linear
 *         def forward(s,x): return s.linear(s.layer3(s.layer2(s.layer1(relu(s.bn1(s.conv1(x)))))).mean((2,3)))
 *     wave = lambda shape, seed: [sin(1.3 i + seed)] in float32
 *     for k,(n,p) in enumerate(net.named_parameters()):
 *         p.copy_(wave(p.shape,k)*(.1 if p.dim()!=1 else .2)+(1 if 'bn' in n and n.endswith('weight') else 0))
 *     net=net.double(); y=net(wave((4,3,8,8),0).double()); l=cross_entropy(y,tensor([0,3,7,9])); l.backward()
 *     print(l, y[2]); print(g.norm(), g.flatten()[:3]) for five gradients
 *     print(net.layer2[0].bn1.running_var[:3]); net.eval(); print(net(x)[1][:4])
 */
import { expect, it } from "vitest";
import { type AnyTensor, intTensor, mapTree, sizeOf, type Tree, tensor } from "../core/index.js";
import { paramSpecs, trainable } from "../nn/index.js";
import { crossEntropy, interpret, trace, valueAndGrad } from "../program/index.js";
import { forward, inferenceProgram, resnet } from "./index.js";

const sine = (shape: readonly number[], seed: number, scale = 1, shift = 0): AnyTensor =>
  tensor(
    shape,
    Array.from(
      { length: sizeOf(shape) },
      (_, i) => Math.fround(Math.fround(Math.sin(1.3 * i + seed)) * Math.fround(scale)) + shift,
    ),
  );
const expectClose = (actual: ArrayLike<number>, golden: readonly number[]): void => {
  golden.forEach((g, i) => {
    expect(Math.abs(actual[i]! - g), `element ${i}: ${actual[i]} beside ${g}`).toBeLessThanOrEqual(
      2e-5 * Math.max(0.05, Math.abs(g)),
    );
  });
};

it("resnet20 equals PyTorch's: loss, logits, gradients, running statistics, evaluation", () => {
  const model = resnet({ inputShape: [3, 8, 8] });
  const paths = trainable(model.module);
  const params = mapTree(model.module.params, ({ shape, kind }, path) => {
    if (kind === "statistic") return tensor(shape, new Float32Array(sizeOf(shape)).fill(path.endsWith("var") ? 1 : 0));
    return sine(shape, paths.indexOf(path), shape.length === 1 ? 0.2 : 0.1, kind === "norm" && path.endsWith("weight") ? 1 : 0);
  });
  const program = trace(
    ({ params: p, inputs }) => {
      const { logits, updates } = forward(model, p, inputs["x"]!, true);
      const loss = crossEntropy(logits, inputs["labels"]!);
      const { grads } = valueAndGrad(loss, Object.fromEntries(paths.map((path) => [path, p[path]!])));
      return { outputs: { ...grads, loss, logits }, updates };
    },
    { inputs: { x: { shape: [4, 3, 8, 8] }, labels: { shape: [4], dtype: "i32" } }, params: paramSpecs(model.module) },
  );
  const x = sine([4, 3, 8, 8], 0);
  const { outputs, updates } = interpret(program, { params, inputs: { x, labels: intTensor([4], [0, 3, 7, 9]) }, double: true });
  expectClose(outputs["loss"]!.data, [2.1127292393598545]);
  expectClose(
    outputs["logits"]!.data.slice(20),
    [0.6553353, -1.497674, -0.7788722, 1.348405, 0.8504596, -1.228652, -0.8929667, 1.150323, 0.9352509, -1.109186],
  );
  const gradients: [string, number, number[]][] = [
    ["conv1.weight", 1435.43, [49.95505, -25.28576, -67.26422]],
    ["layer1.1.bn2.weight", 5.035985, [-2.437652, -0.05547263, 1.262013]],
    ["layer2.0.conv1.weight", 178.1343, [0.985367, -0.03504554, -0.05903424]],
    ["layer3.2.conv2.weight", 0.8188529, [0.0006255376, 0.002578888, -0.003100542]],
    ["linear.bias", 0.3561224, [-0.1102762, 0.01721223, 0.02931907]],
  ];
  for (const [path, norm, first] of gradients) {
    const g = outputs[path]!.data;
    expectClose([Math.hypot(...g), g[0]!, g[1]!, g[2]!], [norm, ...first]);
  }
  expectClose(updates["layer2.0.bn1.running_var"]!.data, [0.9270067, 0.9291628, 0.9191795]);
  const after: Tree<AnyTensor> = { ...params, ...updates };
  const evaluated = interpret(inferenceProgram(model, 4), { params: after, inputs: { x }, double: true }).outputs["logits"]!;
  expectClose(evaluated.data.slice(10), [0.8728246, -0.9400044, -0.9381613, 0.7741111]);
});
