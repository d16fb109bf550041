/** Plans and their execution: liveness, sparse lowering, kernel choice, threads. */
export type { CompileOptions, Engine, EngineOptions } from "./engine.js";
export { createEngine } from "./engine.js";
export { checkInt8Param, type Int8Param } from "./int8-param.js";
export { blockRows, type Live, liveOf, liveUnder } from "./live.js";
export type { Decision } from "./lowering.js";
export { ParamStore } from "./params.js";
export type { InputData, Plan } from "./plan.js";
export { liveCount, type Topology } from "./topology.js";
