/** LSTM, GRU and RNN, unrolled over the sequence; weights become one param per direction. */
import { InputError, sizeOf } from "../../../core/index.js";
import type { Value } from "../../graph.js";
import * as op from "../../ops/index.js";
import { type NodeView, type Rule, refuse } from "../node.js";

const MOST_STEPS = 4096;

interface Direction {
  /** [gates H, I] */
  readonly w: Value;
  /** The recurrent weight [gates H, H], or the rows of gates from..to. */
  r(from?: number, to?: number): Value;
  /** [gates H], and its rows; undefined without bias */
  readonly wb: Value | undefined;
  rb(from?: number, to?: number): Value | undefined;
  /** [B, H] */
  readonly h: Value;
  readonly c: Value;
  readonly peephole: Value | undefined;
  readonly f: readonly ((x: Value) => Value)[];
}

/** Next state from the step's input product [B, gates H] (bias wb included) and the old state. */
type Cell = (d: Direction, xw: Value, h: Value, c: Value) => { h: Value; c: Value };

const part = (x: Value, i: number, size: number): Value => op.sliceAxis(x, -1, i * size, (i + 1) * size);
const product = (h: Value, r: Value): Value => op.matmul(h, r, { transposeB: true });
const plus = (x: Value, b: Value | undefined): Value => (b ? op.add(x, b) : x);

/** Gates in order i, o, f, c. */
const lstmCell: Cell = ({ r, rb, peephole, f: [f, g, last] }, xw, h, c) => {
  const size = h.shape[1]!;
  const gates = plus(op.add(xw, product(h, r())), rb());
  const peep = (x: Value, state: Value, k: number): Value => (peephole ? op.add(x, op.mul(state, part(peephole, k, size))) : x);
  const i = f!(peep(part(gates, 0, size), c, 0));
  const forget = f!(peep(part(gates, 2, size), c, 2));
  const next = op.add(op.mul(forget, c), op.mul(i, g!(part(gates, 3, size))));
  const o = f!(peep(part(gates, 1, size), next, 1));
  return { h: op.mul(o, last!(next)), c: next };
};

/** Gates in order z, r, h. */
const gruCell =
  (linearBeforeReset: boolean): Cell =>
  ({ r, rb, f: [f, g] }, xw, h, c) => {
    const size = h.shape[1]!;
    if (linearBeforeReset) {
      const hr = plus(product(h, r()), rb());
      const z = f!(op.add(part(xw, 0, size), part(hr, 0, size)));
      const reset = f!(op.add(part(xw, 1, size), part(hr, 1, size)));
      const candidate = g!(op.add(part(xw, 2, size), op.mul(reset, part(hr, 2, size))));
      return { h: op.add(candidate, op.mul(z, op.sub(h, candidate))), c };
    }
    const two = plus(product(h, r(0, 2)), rb(0, 2));
    const z = f!(op.add(part(xw, 0, size), part(two, 0, size)));
    const reset = f!(op.add(part(xw, 1, size), part(two, 1, size)));
    const candidate = g!(op.add(part(xw, 2, size), plus(product(op.mul(reset, h), r(2, 3)), rb(2, 3))));
    return { h: op.add(candidate, op.mul(z, op.sub(h, candidate))), c };
  };

const rnnCell: Cell = ({ r, rb, f: [f] }, xw, h, c) => ({ h: f!(plus(op.add(xw, product(h, r())), rb())), c });

const activation = (name: string): ((x: Value) => Value) => {
  const known: Record<string, (x: Value) => Value> = {
    sigmoid: op.sigmoid,
    tanh: op.tanh,
    relu: op.relu,
    softplus: op.softplus,
    hardsigmoid: (x) => op.clamp(op.affine(x, 0.2, 0.5), 0, 1),
  };
  return known[name.toLowerCase()] ?? refuse(`the activation "${name}"`);
};

/** Rows from..to of one direction of operand i: [directions, rows, ...] -> [rows, ...]. Known weights are cut at import. */
function cut(n: NodeView, i: number, direction: number, from = 0, to = n.shape(i)[1]!): Value {
  const [, rows, ...rest] = n.shape(i) as [number, number, ...number[]];
  const row = sizeOf(rest);
  const first = direction * rows * row;
  const whole = from === 0 && to === rows;
  const name = whole ? `${direction}` : `${direction}.${from}`;
  const known = n.weight(i, { part: { name, from: first + from * row, to: first + to * row }, shape: [to - from, ...rest] });
  if (known) return known;
  const v = n.value(i);
  const starts = v.shape.map((_, d) => (d === 0 ? direction : d === 1 ? from : 0));
  const stops = v.shape.map((s, d) => (d === 0 ? direction + 1 : d === 1 ? to : s));
  return op.reshape(op.slice(v, starts, stops), [to - from, ...rest]);
}

const recurrent =
  (gates: number, cellOf: (n: NodeView) => Cell, defaults: readonly string[]): Rule =>
  (n) => {
    const batchFirst = n.int("layout", 0) !== 0;
    const x = batchFirst ? op.transpose(n.value(0), [1, 0, 2]) : n.value(0);
    if (x.shape.length !== 3) throw new InputError(`expected an input [steps, batch, features], got [${n.shape(0).join(", ")}]`);
    const [steps, batch, features] = x.shape as [number, number, number];
    if (steps > MOST_STEPS || steps < 1) refuse(`a sequence of ${steps} steps (1 to ${MOST_STEPS} are unrolled)`);
    const hidden = n.int("hidden_size", n.shape(2)[2] ?? 0);
    const way = n.text("direction", "forward");
    if (!["forward", "reverse", "bidirectional"].includes(way))
      throw new InputError(`direction is "${way}", expected forward, reverse or bidirectional`);
    const directions = way === "bidirectional" ? 2 : 1;
    const expected = { 1: [directions, gates * hidden, features], 2: [directions, gates * hidden, hidden] } as const;
    for (const i of [1, 2] as const)
      if (n.shape(i).join() !== expected[i].join())
        throw new InputError(`operand ${i} is [${n.shape(i).join(", ")}], expected [${expected[i].join(", ")}]`);
    if (n.has(4) && n.integers(4, "sequence_lens").some((l) => l !== steps))
      refuse("sequences of different lengths (sequence_lens)");
    if (n.float("clip", 0)) refuse("clip");
    if (n.int("input_forget", 0)) refuse("input_forget");
    const names = n.texts("activations") ?? Array.from({ length: directions }, () => defaults).flat();
    const per = defaults.length;
    const cell = cellOf(n);
    const zero = (): Value => op.constant(n.graph, [batch, hidden], 0);
    const state = (i: number, d: number): Value => {
      if (!n.has(i)) return zero();
      if (!batchFirst) return cut(n, i, d);
      const v = op.transpose(n.value(i), [1, 0, 2]);
      return op.reshape(op.sliceAxis(v, 0, d, d + 1), [batch, hidden]);
    };
    const ends: { h: Value; c: Value; ys: Value[] }[] = [];
    for (let d = 0; d < directions; d++) {
      const direction: Direction = {
        w: cut(n, 1, d),
        r: (from = 0, to = gates) => cut(n, 2, d, from * hidden, to * hidden),
        wb: n.has(3) ? cut(n, 3, d, 0, gates * hidden) : undefined,
        rb: (from = 0, to = gates) => (n.has(3) ? cut(n, 3, d, (gates + from) * hidden, (gates + to) * hidden) : undefined),
        h: state(5, d),
        c: state(6, d),
        peephole: n.has(7) ? cut(n, 7, d) : undefined,
        f: names.slice(d * per, (d + 1) * per).map(activation),
      };
      // One product for all steps, then one slice per step.
      const all = plus(product(op.reshape(x, [steps * batch, features]), direction.w), direction.wb);
      let { h, c } = direction;
      const ys = new Array<Value>(steps);
      for (let s = 0; s < steps; s++) {
        const t = way === "reverse" || d === 1 ? steps - 1 - s : s;
        ({ h, c } = cell(direction, op.sliceAxis(all, 0, t * batch, (t + 1) * batch), h, c));
        ys[t] = h;
      }
      ends.push({ h, c, ys });
    }
    const last = (pick: (e: (typeof ends)[number]) => Value): Value => {
      const v = op.stack(ends.map(pick), 0);
      return batchFirst ? op.transpose(v, [1, 0, 2]) : v;
    };
    const outputs: Value[] = [];
    const whole = (): Value => {
      const v = op.stack(
        ends.map(({ ys }) => op.stack(ys, 0)),
        1,
      ); // [steps, directions, batch, hidden]
      return batchFirst ? op.transpose(v, [2, 0, 1, 3]) : v;
    };
    outputs.push(
      n.isUsed(0) ? whole() : last((e) => e.h),
      last((e) => e.h),
    );
    if (gates === 4) outputs.push(last((e) => e.c));
    return outputs;
  };

/** Recurrent layers by name. */
export const recurrentRules: Readonly<Record<string, Rule>> = {
  LSTM: recurrent(4, () => lstmCell, ["Sigmoid", "Tanh", "Tanh"]),
  GRU: recurrent(3, (n) => gruCell(n.int("linear_before_reset", 0) !== 0), ["Sigmoid", "Tanh"]),
  RNN: recurrent(1, () => rnnCell, ["Tanh"]),
};
