/** Two LSTM layers over a sequence: 32 steps of 256 features, 512 hidden, the last state out. Hochreiter and Schmidhuber 1997. */
import type { Model } from "../../../src/models/index.js";
import { lstmCell, type Module, sequential } from "../../../src/nn/index.js";
import { add, concat, constant, linear, mul, reshape, sigmoid, sliceAxis, tanh, type Value } from "../../../src/program/index.js";

export const LSTM = { steps: 32, inputs: 256, hidden: 512, layers: 2 } as const;

/**
 * As nn's recurrent(lstmCell), with the products of all inputs in one: [N, T, inputs] -> [N, T, hidden], or the last state [N, hidden].
 */
function lstmLayer(inputs: number, hidden: number, last: boolean): Module {
  return {
    params: lstmCell(inputs, hidden).params,
    apply(p, x) {
      const [n, steps] = x.shape as [number, number, number];
      const own = linear(x, p["weight_ih"]!, p["bias_ih"]);
      let h: Value = constant(x.graph, [n, hidden], 0);
      let c = h;
      const states: Value[] = [];
      for (let t = 0; t < steps; t++) {
        const now = reshape(sliceAxis(own, 1, t, t + 1), [n, 4 * hidden]);
        const all = t === 0 ? add(now, p["bias_hh"]!) : add(now, linear(h, p["weight_hh"]!, p["bias_hh"]));
        const gate = (k: number) => sliceAxis(all, 1, k * hidden, (k + 1) * hidden);
        const fresh = mul(sigmoid(gate(0)), tanh(gate(2)));
        c = t === 0 ? fresh : add(mul(sigmoid(gate(1)), c), fresh);
        h = mul(sigmoid(gate(3)), tanh(c));
        states.push(reshape(h, [n, 1, hidden]));
      }
      return last ? h : concat(states, 1);
    },
  };
}

/** [32, 256] to the last hidden state [512]: 3.7 million params. */
export function lstm(): Model {
  const { steps, inputs, hidden } = LSTM;
  const module = sequential({ layer0: lstmLayer(inputs, hidden, false), layer1: lstmLayer(hidden, hidden, true) });
  return { name: "lstm", inputShape: [steps, inputs], classes: hidden, module, options: {} };
}
