/** What to measure of a trained classifier beside its accuracy: pure functions of logits and labels, and attacks that give logits. */
export * from "./auroc.js";
export * from "./calibration.js";
export * from "./fgsm.js";
export * from "./logits.js";
export * from "./scores.js";
