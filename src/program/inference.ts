/** What a runtime needs of programs: the browser's bundle takes this file in place of index.ts. */
export * from "./passes/batch.js";
export * from "./passes/check.js";
export * from "./passes/layouts.js";
export * from "./types.js";
