/** Scratch memory of the Winograd transforms: apart from their sources, which no plan needs. */

/** Bytes of scratch memory that the transforms need. */
export const WINOGRAD_SCRATCH = 2048;

/** Planes up to this many rows and columns of tiles have room in the scratch memory, zeros around them. */
export const MOST_TILES = 64;

/** Bytes of scratch memory that the transforms of single images need. */
export const WINOGRAD_SINGLE_SCRATCH = 1024 + (MOST_TILES * 4 + 2) * (MOST_TILES * 4 + 4) * 4;
