/** Sparse distributed representations: their mathematics, stores of codes, and Sparsey's associative memory. */
export * from "./bits.js";
export { type CodeLayout, type CodeStore, type CodeStoreOptions, createCodeStore } from "./code-store.js";
export { createKWinnerEncoder, type KWinnerEncoder, type KWinnerOptions } from "./encoder.js";
export { exactBinomial, exactHypergeometricTail, type Rational, rationalLog, rationalToNumber } from "./exact.js";
export * from "./figures.js";
export * from "./monte-carlo.js";
export * from "./overlap-reference.js";
export * from "./probability.js";
export * from "./sparsey/index.js";
export {
  logBinomial,
  logBinomialPmf,
  logBinomialUpperTail,
  logFactorial,
  logHypergeometricPmf,
  logHypergeometricTail,
  logSumExp,
} from "./stable.js";
export * from "./threshold.js";
export * from "./union.js";
