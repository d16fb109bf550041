/** What search needs of Node: files and threads. */
export { openIndexFile, type ReadOptions, readIndexHeader, readVectors, writeIndexFile } from "./files.node.js";
export { createSearchPool, type SearchPool } from "./threads.node.js";

import { toMemory } from "./assemble.js";
import type { FileMemory } from "./store.js";

/** The pieces of a built index in shared memory, ready for `openIndexMemory` and a search pool, without a file. */
export const indexMemory = (pieces: readonly Uint8Array[]): FileMemory => toMemory(pieces, true);
