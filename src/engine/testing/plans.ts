/** Plans of a test file, closed after its last test. */
import { afterAll } from "vitest";
import type { AnyTensor, Tree } from "../../core/index.js";
import type { ParamSpec, Program } from "../../program/index.js";
import type { Engine } from "../engine.js";
import type { Plan } from "../plan.js";

const opened: (() => void)[] = [];
afterAll(() => {
  for (const close of opened.splice(0)) close();
});

/** A plan and its params. */
export function compile(
  on: Engine,
  program: Program,
  specs: Tree<ParamSpec>,
  initial: Tree<AnyTensor>,
  frozen = false,
): { plan: Plan; store: ReturnType<Engine["params"]> } {
  const store = on.params(specs, initial);
  const plan = on.compile(program, store, { frozen });
  opened.push(() => {
    plan.close();
    store.close();
  });
  return { plan, store };
}
