/** What a random program may do next to images: convolutions of every kind, pools, residual blocks. */
import { add, avgPool2d, conv2d, maxPool2d, mean, relu, type Value } from "../../program/index.js";
import { type Draw, type Steps, unary } from "./random-steps.js";

/** Weights of convolutions of more would take more time than they tell. */
const MOST_CHANNELS = 128;

/** Continuations of a [n, c, h, w] value. */
export function images(d: Draw, v: Value): Steps {
  if (v.shape.length !== 4) return [];
  const [, c, h, w] = v.shape as [number, number, number, number];
  if (c > MOST_CHANNELS) return [];
  const biased = (o: number) => (d.coin() ? { bias: d.weight([o]) } : {});
  const point = () => {
    const o = d.pick([4, 8, d.size(30)]);
    return conv2d(v, d.weight([o, c, 1, 1]), { ...biased(o), stride: d.pick([1, 1, 2]) });
  };
  const any = () => {
    const groups = d.pick([1, 1, 1, c, c % 2 === 0 ? 2 : 1]);
    const o = groups * d.pick([1, 1, 2, 4]) * (groups === 1 ? d.size(6) : 1);
    const side = () => d.size(3) - 1;
    const padding = d.pick([
      [0, 0, 0, 0],
      [1, 1, 1, 1],
      [2, 2, 2, 2],
      [side(), side(), side(), side()],
    ]);
    const dilation = d.coin() ? [1, 1] : [d.size(2), d.size(2)];
    const [kh, kw] = [d.pick([1, 2, 3, 3, 5]), d.pick([1, 2, 3, 3, 4])];
    const tall = dilation[0]! * (kh - 1) + 1 > h + padding[0]! + padding[2]!;
    const wide = dilation[1]! * (kw - 1) + 1 > w + padding[1]! + padding[3]!;
    if (tall || wide) return point();
    const stride = d.coin() ? 1 : [d.size(3), d.size(3)];
    return conv2d(v, d.weight([o, c / groups, kh, kw], groups > 1), { padding, dilation, stride, groups, ...biased(o) });
  };
  const same = () => {
    const o = d.pick([c, 8, 16, d.size(20)]);
    return conv2d(v, d.weight([o, c, 3, 3]), { padding: 1, ...biased(o) });
  };
  const depthwise = () =>
    conv2d(v, d.weight([c, 1, 3, 3], true), { padding: 1, groups: c, stride: d.pick([1, 1, 2]), ...biased(c) });
  const residual = () => {
    const k = d.pick([1, 3]);
    const y = conv2d(unary(d, v), d.weight([c, c, k, k]), { padding: (k - 1) / 2, ...biased(c) });
    return relu(d.coin() ? add(y, v) : add(v, y));
  };
  const separable = () => {
    const o = d.pick([8, d.size(24)]);
    return conv2d(d.pick([relu, (u: Value) => u])(depthwise()), d.weight([o, c, 1, 1]), biased(o));
  };
  const found: Steps = [any, any, any, point, point, same, same, () => relu(same()), depthwise, separable, residual, residual];
  const room = Math.min(h, w);
  if (room >= 2) {
    const pool = () => {
      const kernel = d.pick([2, 3, [2, 1], [1, 2]].filter((k) => (typeof k === "number" ? k : 2) <= room));
      const padding = typeof kernel === "number" ? d.pick([0, 1, [1, 0, 0, 1]]) : 0;
      const options = { kernel, stride: d.pick([1, 2, [2, 1]]), padding };
      return d.coin() ? maxPool2d(v, options) : avgPool2d(v, { ...options, countPad: d.coin() });
    };
    found.push(pool, pool);
  }
  found.push(() => mean(v, [2, 3], d.coin()));
  return found;
}
