/** Recurrent cells and layers: plain RNN, LSTM, GRU. Params and gate order are PyTorch's. */
import type { Tree } from "../core/index.js";
import * as ops from "../program/index.js";
import { biasDef, weightDef } from "./dense.js";
import { type Initialiser, uniformWithin } from "./initialise.js";
import type { Module, ParamDef } from "./module.js";

type Value = ops.Value;

/** State of a recurrent cell by name: h, and for an LSTM c; each [N, hidden]. */
export type State = Tree<Value>;

/** A cell: one step of a recurrent network. */
export interface Cell {
  readonly hidden: number;
  /** Names of the state values, `h` first. */
  readonly state: readonly string[];
  readonly params: Tree<ParamDef>;
  /** @param x [N, inputs] */
  step(p: Tree<Value>, x: Value, state: State): State;
}

const columns = (x: Value, i: number, width: number): Value => ops.sliceAxis(x, 1, i * width, (i + 1) * width);

function cellParams(
  inputs: number,
  hidden: number,
  gates: number,
  init: Initialiser = uniformWithin(1 / Math.sqrt(hidden)),
): Tree<ParamDef> {
  const rows = gates * hidden;
  return {
    weight_ih: weightDef([rows, inputs], "recurrent", init),
    weight_hh: weightDef([rows, hidden], "recurrent", init),
    bias_ih: biasDef(rows, "recurrent", hidden),
    bias_hh: biasDef(rows, "recurrent", hidden),
  };
}

const fromInput = (p: Tree<Value>, x: Value): Value => ops.linear(x, p["weight_ih"]!, p["bias_ih"]);
const fromState = (p: Tree<Value>, h: Value): Value => ops.linear(h, p["weight_hh"]!, p["bias_hh"]);

/** h' = tanh(W_ih x + b_ih + W_hh h + b_hh). Elman 1990. Params: weight_ih, weight_hh, bias_ih, bias_hh. */
export const rnnCell = (inputs: number, hidden: number, { init }: { init?: Initialiser } = {}): Cell => ({
  hidden,
  state: ["h"],
  params: cellParams(inputs, hidden, 1, init),
  step: (p, x, { h }) => ({ h: ops.tanh(ops.add(fromInput(p, x), fromState(p, h!))) }),
});

/**
 *     i, f, g, o = split(W_ih x + b_ih + W_hh h + b_hh)
 *     c' = sigmoid(f) c + sigmoid(i) tanh(g),  h' = sigmoid(o) tanh(c')
 *
 * Hochreiter and Schmidhuber 1997; Gers et al. 2000. Params as rnnCell, with 4 * hidden rows.
 */
export const lstmCell = (inputs: number, hidden: number, { init }: { init?: Initialiser } = {}): Cell => ({
  hidden,
  state: ["h", "c"],
  params: cellParams(inputs, hidden, 4, init),
  step(p, x, { h, c }) {
    const all = ops.add(fromInput(p, x), fromState(p, h!));
    const [i, f, g, o] = [0, 1, 2, 3].map((k) => columns(all, k, hidden)) as [Value, Value, Value, Value];
    const next = ops.add(ops.mul(ops.sigmoid(f), c!), ops.mul(ops.sigmoid(i), ops.tanh(g)));
    return { h: ops.mul(ops.sigmoid(o), ops.tanh(next)), c: next };
  },
});

/**
 *     r, z = sigmoid of the first two thirds of W_ih x + b_ih + W_hh h + b_hh
 *     n = tanh(W_in x + b_in + r (W_hn h + b_hn)),  h' = (1 - z) n + z h
 *
 * Cho et al. 2014, in PyTorch's form. Params as rnnCell, with 3 * hidden rows.
 */
export const gruCell = (inputs: number, hidden: number, { init }: { init?: Initialiser } = {}): Cell => ({
  hidden,
  state: ["h"],
  params: cellParams(inputs, hidden, 3, init),
  step(p, x, { h }) {
    const [own, past] = [fromInput(p, x), fromState(p, h!)];
    const gate = (k: number) => ops.sigmoid(ops.add(columns(own, k, hidden), columns(past, k, hidden)));
    const [r, z] = [gate(0), gate(1)];
    const n = ops.tanh(ops.add(columns(own, 2, hidden), ops.mul(r, columns(past, 2, hidden))));
    return { h: ops.add(n, ops.mul(z, ops.sub(h!, n))) };
  },
});

/** Runs a cell along x [N, T, inputs] from a zero state. Returns h at every step: [N, T, hidden]. */
export const recurrent = (cell: Cell): Module => ({
  params: cell.params,
  apply(p, x) {
    const zero = ops.constant(x.graph, [x.shape[0]!, cell.hidden], 0);
    const start: State = Object.fromEntries(cell.state.map((name) => [name, zero]));
    const { ys } = ops.scan(
      (state: State, at) => {
        const next = cell.step(p, at["x"]!, state);
        return { carry: next, y: { h: next["h"]! } };
      },
      start,
      { x: ops.transpose(x, [1, 0, 2]) },
    );
    return ops.transpose(ys["h"]!, [1, 0, 2]);
  },
});
