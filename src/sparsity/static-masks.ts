/** What every method with a static mask has in common after its first step: nothing more happens. */
import { mapTree } from "../core/index.js";
import type { Updater } from "./types.js";

/**
 * The half of an updater that never changes its masks: never due; an update, if asked for, gives the masks back and no births.
 *
 *     const updater = { ...card, init: () => ({ masks }), ...staticMasks };
 */
export const staticMasks: Pick<Updater<undefined>, "isDue" | "update"> = {
  isDue: () => false,
  update: ({ masks }) => ({
    masks,
    born: mapTree(masks, ({ shape, data }) => ({ shape, data: new Uint8Array(data.length) })),
  }),
};
