/** The engine against the machine's roofline, PyTorch and jax-js, on one and two threads. */
import type { Row, SuiteOptions } from "../row.js";
import { products } from "./products.js";
import { againstJax, scaling, trainingSteps } from "./training.js";
import { wideLayer } from "./wide.js";

/** All comparisons of the engine. */
export async function* suite(options: SuiteOptions): AsyncGenerator<Row> {
  const counts = [1, 2].filter((threads) => options.threads === undefined || options.threads === threads);
  for (const threads of counts) {
    options.say(`products on ${threads} thread(s)`);
    yield* products(options, threads);
  }
  for (const threads of counts) {
    options.say(`training steps on ${threads} thread(s)`);
    yield* trainingSteps(options, threads);
  }
  if (counts.includes(2)) {
    options.say("two threads against one");
    yield* scaling(options);
  }
  if (!counts.includes(1)) return;
  options.say("jax-js");
  yield* againstJax(options);
  options.say("a wide layer");
  yield* wideLayer(options);
}
