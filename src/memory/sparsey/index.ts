/** Sparsey: codes by familiarity, stored in one trial. */
export * from "./code-selection.js";
export * from "./hierarchy.js";
export * from "./label-readout.js";
export * from "./mac.js";
export { type Permanence, permanenceWeight } from "./synapses.js";
