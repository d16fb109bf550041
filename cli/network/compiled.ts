/** A network compiled for one batch size: dense or sparse per layer, as told. */
import type { Tree } from "../../src/core/index.js";
import type { Decision, Engine, Plan } from "../../src/engine/index.js";
import { forward, type Model } from "../../src/models/index.js";
import { paramSpecs } from "../../src/nn/index.js";
import { type ParamLayout, type Program, trace } from "../../src/program/index.js";
import { type Network, nonZerosOf } from "./model-file.js";

/** A network that can be run. */
export interface CompiledNetwork {
  readonly batch: number;
  readonly plan: Plan;
  readonly decisions: readonly Decision[];
  /** Logits of a batch, [batch, classes]; the same array at every call. @param inputs [batch, ...inputShape] */
  run(inputs: Float32Array): Float32Array;
  close(): void;
}

/** Compressed layouts for these params. */
export const layoutsOf = ({ params }: Network, sparse: Iterable<string>): Tree<ParamLayout> =>
  Object.fromEntries([...sparse].map((path) => [path, { kind: "csr", capacity: Math.max(1, nonZerosOf(params[path]!)) }]));

/** The inference program of a model: input `x`, output `logits`. */
export const programOf = (model: Model, batch: number, layouts: Tree<ParamLayout> = {}): Program =>
  trace(({ params, inputs }) => ({ outputs: { logits: forward(model, params, inputs["x"]!, false).logits } }), {
    inputs: { x: { shape: [batch, ...model.inputShape] } },
    params: paramSpecs(model.module, layouts),
  });

/**
 * Compiles a network for inference.
 *
 * @param sparse paths to keep compressed; all others are dense
 * @param winograd false gives the same sums as the sparse kernels, bit for bit
 */
export function compileNetwork(engine: Engine, network: Network, batch: number, { sparse, winograd = true }: { sparse: Iterable<string>; winograd?: boolean }): CompiledNetwork {
  const { model, params } = network;
  const layouts = layoutsOf(network, sparse);
  const store = engine.params(paramSpecs(model.module, layouts), params);
  try {
    const plan = engine.compile(programOf(model, batch, layouts), store, { frozen: true, winograd });
    return {
      batch,
      plan,
      decisions: plan.decisions,
      run: (inputs) => plan.run({ x: inputs })["logits"]!.data,
      close() {
        plan.close();
        store.close();
      },
    };
  } catch (error) {
    store.close();
    throw error;
  }
}
