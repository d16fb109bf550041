/** What a paper's folder imports: the types, and the statistics that its claims are judged by. */
export * from "./statistics.js";
export * from "./types.js";
