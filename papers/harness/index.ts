/** What a paper's folder imports: the types, and the statistics that its claims are judged by. */

export * from "./discover.js";
export * from "./json.js";
export * from "./machine.js";
export * from "./pool.js";
export * from "./render.js";
export * from "./reproduce.js";
export * from "./statistics.js";
export * from "./types.js";
