/**
 * Golden values from PyTorch 1.13. wave(shape, seed) is sin(1.3 i + seed) in float32; the script:
 *
 *     x=wave(2,4,5,6); w=wave(4,2,3,2,seed=1); b=wave(4,seed=2)
 *     y=F.conv2d(x,w,b,stride=(2,1),padding=(1,2),dilation=(1,2),groups=2); (y*wave(*y.shape,seed=3)).sum().backward()
 *     print(y[1,3], w.grad[3], x.grad[1,2], b.grad)
 *     bn=BatchNorm2d(3); bn.weight.data=wave(3,seed=1); bn.bias.data=wave(3,seed=2); x=wave(2,3,2,2); y=bn(x)
 *     (y*wave(2,3,2,2,seed=3)).sum().backward(); print(y[0], x.grad[0], bn.weight.grad, bn.bias.grad)
 *     x=wave(1,1,5,5); y=F.max_pool2d(x,3,2,1); (y*wave(1,1,3,3,seed=1)).sum().backward(); print(y, x.grad)
 *     print(F.avg_pool2d(x,3,2,1), F.avg_pool2d(x,3,2,1,count_include_pad=False))
 *     x=wave(3,4); t=tensor([2,0,3]); l=F.cross_entropy(x*3,t,label_smoothing=0.1); l.backward()
 *     print(l, x.grad, F.cross_entropy(x*3,t)); print(F.layer_norm(wave(2,4,3),(3,),wave(3,seed=1),wave(3,seed=2))[1])
 *     x=wave(5)*3; print(F.gelu(x,approximate='tanh'), F.silu(x), F.softplus(x), erf(x), sigmoid(x))
 */
import { describe, expect, it } from "vitest";
import { type AnyTensor, intTensor } from "../../core/index.js";
import { gradients } from "../grad.js";
import { evaluate, numbers, wave } from "../testing/evaluate.js";
import * as ops from "./index.js";

function expectClose(actual: AnyTensor | readonly number[] | undefined, golden: readonly number[]): void {
  const values = Array.isArray(actual) ? actual : numbers(actual as AnyTensor);
  expect(values.length).toBe(golden.length);
  golden.forEach((g, i) => {
    expect(Math.abs(values[i]! - g), `element ${i}: ${values[i]} beside ${g}`).toBeLessThanOrEqual(2e-6 * Math.max(1, Math.abs(g)));
  });
}
const part = (t: AnyTensor | undefined, from: number, count: number) => numbers(t).slice(from, from + count);

describe("against PyTorch", () => {
  it("convolves with stride, padding, dilation and groups, forward and backward", () => {
    const out = evaluate(
      ({ x, w, b, weights }) => {
        const y = ops.conv2d(x!, w!, { stride: [2, 1], padding: [1, 2], dilation: [1, 2], groups: 2, bias: b });
        const [dx, dw, db] = gradients(ops.sum(ops.mul(y, weights!)), [x!, w!, b!]);
        return { y, dx: dx!, dw: dw!, db: db! };
      },
      { x: wave([2, 4, 5, 6]), w: wave([4, 2, 3, 2], 1), b: wave([4], 2), weights: wave([2, 4, 3, 8], 3) },
    );
    expect(out["y"]!.shape).toEqual([2, 4, 3, 8]);
    expectClose(
      part(out["y"], 7 * 24, 24),
      [
        1.217518, 0.9061353, 0.04038474, -2.756805, -2.062999, 1.105375, 1.135443, 0.6992218, -2.275164, -1.13691, 0.3902013,
        2.70616, 0.5098578, -2.981117, -2.286214, -0.7033113, 1.175997, -0.5791055, -1.986158, -2.788156, -0.05322868, 2.211949,
        1.247584, -0.7170142,
      ],
    );
    expectClose(
      part(out["dw"], 36, 12),
      [6.915214, -9.413851, -10.89241, 6.335148, 1.722389, 3.432013, -4.073662, -1.88202, -5.971711, 9.48094, 10.91309, -8.075726],
    );
    expectClose(
      part(out["dx"], 180, 30),
      [
        0.1082499, 0.2520525, 0.02659754, -0.2378229, -0.1538322, 0.1555229, 0.2034107, -0.3220015, -0.3756808, 0.1210133,
        0.4404225, 0.1146119, -0.2523958, -0.1063223, 0.1955137, 0.2109216, -0.08267108, -0.2551505, 0.2092799, 0.4293967,
        0.0204463, -0.418458, -0.2443204, 0.2877472, 0.1749303, -0.1327622, -0.2459577, 0.001175374, 0.2465866, 0.1307479,
      ],
    );
    expectClose(out["db"], [-0.3141851, -0.323319, -0.3174367, -0.296811]);
  });

  it("normalises batches, forward and backward", () => {
    const out = evaluate(
      ({ x, gamma, beta, weights }) => {
        const { y } = ops.batchNorm(x!, gamma!, beta!);
        const [dx, dgamma, dbeta] = gradients(ops.sum(ops.mul(y, weights!)), [x!, gamma!, beta!]);
        return { y, dx: dx!, dgamma: dgamma!, dbeta: dbeta! };
      },
      { x: wave([2, 3, 2, 2]), gamma: wave([3], 1), beta: wave([3], 2), weights: wave([2, 3, 2, 2], 3) },
    );
    expectClose(
      part(out["y"], 0, 12),
      [
        0.914126, 2.181443, 1.592138, 0.009543511, -1.103734, 0.06217729, 0.8936206, 0.172529, -0.5134635, -0.5511553, -1.227877,
        -1.55223,
      ],
    );
    expectClose(
      part(out["dx"], 0, 12),
      [
        0.1875136, 0.02139624, -0.1732745, -0.1113055, 0.0406926, 0.1546566, 0.04348025, -0.1299628, 0.03891103, -0.0582007,
        -0.0698138, 0.02108496,
      ],
    );
    expectClose(out["dgamma"], [-4.945228, -5.747424, -6.036639]);
    expectClose(out["dbeta"], [0.01678437, -0.07197726, -0.08422947]);
  });

  it("pools, forward and backward", () => {
    const out = evaluate(
      ({ x, weights }) => {
        const max = ops.maxPool2d(x!, { kernel: 3, stride: 2, padding: 1 });
        const avg = ops.avgPool2d(x!, { kernel: 3, stride: 2, padding: 1 });
        const bare = ops.avgPool2d(x!, { kernel: 3, stride: 2, padding: 1, countPad: false });
        return { max, dx: gradients(ops.sum(ops.mul(max, weights!)), [x!])[0]!, avg, bare };
      },
      { x: wave([1, 1, 5, 5]), weights: wave([1, 1, 3, 3], 1) },
    );
    expectClose(out["max"], [0.9985433, 0.9985433, -0.6877661, 0.9985433, 0.9985433, -0.4193609, 0.9287952, 0.9287952, -0.2142525]);
    const dx = new Array<number>(25).fill(0);
    Object.assign(dx, { 3: -0.4425204, 6: 0.521634, 16: -0.04015344, 19: 0.938, 24: -0.9193285 });
    expectClose(out["dx"], dx);
    expectClose(
      out["avg"],
      [0.2419135, 0.1423454, -0.3512257, 0.4616597, 0.05427333, -0.5033382, 0.3471357, -0.07309601, -0.2910027],
    );
    expectClose(
      out["bare"],
      [0.5443054, 0.2135181, -0.7902578, 0.6924896, 0.05427333, -0.7550073, 0.7810554, -0.109644, -0.654756],
    );
  });

  it("takes cross-entropy with smoothed labels", () => {
    const out = evaluate(
      ({ x, labels }) => {
        const loss = ops.crossEntropy(ops.mul(x!, 3), labels!, { smoothing: 0.1 });
        return { loss, dx: gradients(loss, [x!])[0]!, hard: ops.crossEntropy(ops.mul(x!, 3), labels!) };
      },
      { x: wave([3, 4]), labels: intTensor([3], [2, 0, 3]) },
    );
    expectClose(out["loss"], [2.581279]);
    expectClose(out["hard"], [2.55084]);
    expectClose(
      out["dx"],
      [
        0.01696829, 0.7306579, -0.7279577, -0.01966859, -0.9221267, 0.05257042, 0.7885897, 0.08096634, -0.02137422, -0.02058239,
        0.1282469, -0.0862902,
      ],
    );
  });

  it("normalises layers", () => {
    const { y } = evaluate(({ x, g, b }) => ({ y: ops.layerNorm(x!, g!, b!) }), {
      x: wave([2, 4, 3]),
      g: wave([3], 1),
      b: wave([3], 2),
    });
    expectClose(
      part(y, 12, 12),
      [
        2.04232, -0.9389663, -0.8614427, 1.162268, 0.6225637, -0.3976012, 0.01750115, -0.3672961, -1.58703, 2.015974, -0.3123592,
        -0.5034535,
      ],
    );
  });

  it("bends elementwise", () => {
    const out = evaluate(
      ({ x }) => {
        const t = ops.mul(x!, 3);
        return { gelu: ops.gelu(t), silu: ops.silu(t), softplus: ops.softplus(t), erf: ops.erf(t), sigmoid: ops.sigmoid(t) };
      },
      { x: wave([5]) },
    );
    expectClose(out["gelu"], [0.0, 2.885565, 1.451976, -0.04016844, -0.01018379]);
    expectClose(out["silu"], [0.0, 2.738577, 1.274951, -0.2325658, -0.1748355]);
    expectClose(out["softplus"], [Math.LN2, 2.944726, 1.739594, 0.1195896, 0.06824306]);
    expectClose(out["erf"], [0.0, 0.9999565, 0.9712638, -0.9964765, -0.9998219]);
    expectClose(out["sigmoid"], [0.5, 0.9473835, 0.8244083, 0.1127155, 0.06596658]);
  });
});
