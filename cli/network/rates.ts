/** A simple model of dense speed: nanoseconds per multiplication by kind of layer, from one small network timed on this machine. */
import { createRng, type Tensor, tensor } from "../../src/core/index.js";
import type { Engine } from "../../src/engine/index.js";
import { anyBatch, conv2d, linear, mean, type Product, trace } from "../../src/program/index.js";
import { createSession, layerTimes, packModel } from "../../src/runtime/index.js";
import { fillersOf } from "./file.js";

/** Kinds that differ in speed. */
export type RateKind = "conv" | "pointwise" | "depthwise" | "linear";

/** Nanoseconds per multiplication. */
export type Rates = Readonly<Record<RateKind, number>>;

const shapes: Readonly<Record<RateKind, readonly number[]>> = {
  conv: [64, 64, 3, 3],
  depthwise: [64, 1, 3, 3],
  pointwise: [128, 64, 1, 1],
  linear: [256, 128],
};
const SIDE = 16;

/** The kind of a layer as far as speed goes. */
export const rateKind = ({ kind, uses }: Product, shape: readonly number[]): RateKind =>
  kind === "linear" || (kind === "conv" && uses === 1)
    ? "linear"
    : kind === "conv"
      ? shape[2] === 1 && shape[3] === 1
        ? "pointwise"
        : "conv"
      : "depthwise";

/** Times the small network at a batch size. */
export async function measureRates(engine: Engine, batch: number, now: () => number): Promise<Rates> {
  const program = anyBatch((n) =>
    trace(
      ({ params: p, inputs }) => {
        const a = conv2d(inputs["x"]!, p["conv"]!, { padding: 1 });
        const b = conv2d(a, p["depthwise"]!, { padding: 1, groups: 64 });
        const c = conv2d(b, p["pointwise"]!, {});
        return { outputs: { y: linear(mean(c, [2, 3]), p["linear"]!) } };
      },
      {
        inputs: { x: { shape: [n, 64, SIDE, SIDE] } },
        params: Object.fromEntries(Object.entries(shapes).map(([path, shape]) => [path, { shape }])),
      },
    ),
  );
  const rng = createRng(1);
  const params: Record<string, Tensor> = {};
  for (const [path, shape] of Object.entries(shapes)) {
    params[path] = tensor(shape);
    params[path].data.forEach((_, i, data) => {
      data[i] = 0.1 * rng.normal();
    });
  }
  const file = packModel({ program, params });
  const session = await createSession(file, { engine, kernels: "dense" });
  try {
    session.run(fillersOf(file, batch));
    const times = layerTimes(session.plan(batch), now);
    const rate = (kind: RateKind) => {
      const uses = kind === "linear" ? 1 : SIDE * SIDE;
      return (1e6 * times[kind]!) / (params[kind]!.data.length * uses * batch);
    };
    return { conv: rate("conv"), pointwise: rate("pointwise"), depthwise: rate("depthwise"), linear: rate("linear") };
  } finally {
    session.close();
  }
}
