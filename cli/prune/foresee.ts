/** What a prune will bring on this machine, told before any pruning is done. */
import { createRng } from "../../src/core/index.js";
import type { Engine } from "../../src/engine/index.js";
import { createSession, leastMs, type ModelFile, packModel, timeLayers } from "../../src/runtime/index.js";
import { pruneChannels, pruneProgram } from "../../src/train/index.js";
import { type Advice, advise } from "../network/advice.js";
import { fillersOf } from "../network/file.js";
import { folded } from "../network/fold.js";
import { forecast } from "../network/forecast.js";
import type { Source } from "../network/source.js";
import type { PrunePlan } from "./options.js";

/**
 * Masks are chosen by magnitude whatever the method, since only their shape matters for time, and every layer is timed with them.
 * @throws InputError, OptionError as the prune itself would, before hours are spent
 */
export async function foresee(engine: Engine, source: Source, plan: PrunePlan, now: () => number): Promise<Advice> {
  const given = folded(source.program, source.params);
  const dense = packModel(given);
  const denseMs = await wholeMs(engine, dense, now);
  const rng = createRng(0);
  if (plan.pattern.kind === "channels") {
    const { exclude, sparsity } = plan;
    const cut = pruneChannels({ ...source, engine, method: "magnitude", exclude, sparsity, rng });
    const cutMs = await wholeMs(engine, packModel(folded(cut.program, cut.params)), now);
    return advise(denseMs, [{ path: "the channels", sparsity, denseMs, sparseMs: cutMs }]);
  }
  const { masks, params } = pruneProgram({
    ...source,
    ...plan,
    engine,
    pattern: plan.pattern,
    method: "magnitude",
    repair: "none",
    rng,
  });
  const thin = folded(source.program, params);
  const layers = timeLayers(engine, thin.program, packModel({ ...thin, masks }).params, 1, now);
  const first = advise(denseMs, layers);
  return first.pays ? first : advise(denseMs, layers, forecast(engine, dense, 1, now, plan.pattern));
}

/** Milliseconds of a whole network at batch 1 with dense kernels. */
async function wholeMs(engine: Engine, file: ModelFile, now: () => number): Promise<number> {
  const session = await createSession(file, { engine, kernels: "dense" });
  try {
    session.run(fillersOf(file, 1));
    return leastMs(() => session.plan(1).step(), now);
  } finally {
    session.close();
  }
}
