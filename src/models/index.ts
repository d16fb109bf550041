/** Networks that recipes can name, one file per family, and the meters that walk them. */
export * from "./convnet.js";
export * from "./lenet.js";
export * from "./mlp.js";
export * from "./mobilenet.js";
export * from "./model.js";
export * from "./registry.js";
export * from "./resnet.js";
