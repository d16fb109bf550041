/** Layer and RMS normalisation along the last axis, and their gradients. */
import type { Operation } from "../../program/index.js";
import { cutRows } from "../cut.js";
import { ROWS } from "../layout.js";
import { at, type Lowering, local, ONE, type Placed, whole } from "../lowering.js";

const last = (l: Lowering, value: number) => {
  const shape = l.type(value).shape;
  const axis = shape.at(-1)!;
  return { outer: l.size(value) / axis, axis, inner: 1, so: axis * 4, sa: 4 };
};

/** Layer or RMS normalisation over the last axis. */
export function lowerLayerNorm(l: Lowering, operation: Operation): void {
  const rms = operation.op === "rmsNorm";
  const [x, gamma, beta] = operation.inputs as [number, number, number];
  const [y] = operation.outputs as [number];
  const eps = operation.attrs["eps"] as number;
  const { outer, axis, inner, so, sa } = last(l, x);
  const a = l.rows(x);
  const g = l.rows(gamma);
  const b = rms ? undefined : l.rows(beta);
  const to = l.allocate(y, ROWS);
  const mean = l.temporary(outer * 4, "row means");
  const inv = l.temporary(outer * 4, "row 1/deviations");
  const cut = cutRows(l, outer, axis);
  l.step({
    name: operation.op,
    domain: cut.domain,
    reads: [local(a), whole(g), ...(b ? [whole(b)] : [])],
    writes: [local(to), { buffer: mean, local: true }, { buffer: inv, local: true }],
    emit(call, { unit }) {
      const { from, count } = cut.range(unit);
      const [x, y] = [at(a) + from * so, at(to) + from * so];
      const common = { outer: count, axis, inner, eps, x, so, sa, gamma: at(g), y, yo: so, ya: sa, inv: inv.address + from * 4 };
      if (b) call("layernorm", { ...common, beta: at(b), mean: mean.address + from * 4 });
      else call("rmsnorm", common);
    },
  });
}

/** dx, dgamma (and dbeta) of layer or RMS normalisation; row statistics are taken anew. */
export function lowerLayerNormGrad(l: Lowering, operation: Operation): void {
  const rms = operation.op === "rmsNormGrad";
  const [dy, x, gamma] = operation.inputs as [number, number, number];
  const eps = operation.attrs["eps"] as number;
  const { outer, axis, inner, so, sa } = last(l, x);
  const d = l.rows(dy);
  const a = l.rows(x);
  const g = l.rows(gamma);
  const [dx, dgamma, dbeta] = operation.outputs.map((v) => l.allocate(v, ROWS)) as [Placed, Placed, Placed];
  const mean = l.temporary(outer * 4, "row means");
  const inv = l.temporary(outer * 4, "row 1/deviations");
  const scratch = l.temporary(outer * axis * 4, "normalised rows");
  l.step({
    name: operation.op,
    domain: ONE,
    reads: [whole(d), whole(a), whole(g)],
    writes: [
      whole(dx),
      whole(dgamma),
      ...(rms ? [] : [whole(dbeta)]),
      ...[mean, inv, scratch].map((buffer) => ({ buffer, local: false })),
    ],
    emit(call) {
      const dims = { outer, axis, inner };
      const source = { x: at(a), so, sa };
      const flow = { dy: at(d), dyo: so, da: sa };
      const out = { dx: at(dx), xo: so, xa: sa };
      if (rms) {
        call("rmsnorm", { ...dims, eps, ...source, gamma: at(g), y: scratch.address, yo: so, ya: sa, inv: inv.address });
        call("rmsnorm_grad", { ...dims, ...flow, ...source, gamma: at(g), inv: inv.address, ...out });
        call("rmsnorm_grad_params", { ...dims, ...flow, ...source, inv: inv.address, dgamma: at(dgamma), acc: 0 });
        return;
      }
      call("layernorm", {
        ...dims,
        eps,
        ...source,
        gamma: at(g),
        beta: 0,
        y: scratch.address,
        yo: so,
        ya: sa,
        mean: mean.address,
        inv: inv.address,
      });
      call("layernorm_grad", { ...dims, ...flow, ...source, gamma: at(g), mean: mean.address, inv: inv.address, ...out });
      call("layernorm_grad_params", {
        ...dims,
        ...flow,
        ...source,
        mean: mean.address,
        inv: inv.address,
        dgamma: at(dgamma),
        dbeta: at(dbeta),
        acc: 0,
      });
    },
  });
}
