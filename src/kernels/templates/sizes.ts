/** Sizes that templates and the code that calls their kernels share: numbers alone, so that a page gets no template with them. */

/** gemm_*: depth of a packed block: an 8-column panel of B (8 KB) stays in the first-level cache. */
export const KC = 256;
/** gemm_*: about this many rows of A are packed at a time (192 KB: second-level cache). */
export const MC = 192;
/** gemm_*: columns of B packed at a time (1 MB). */
export const NC = 1024;
/** Bytes of scratch memory that gemm_* need. */
export const GEMM_SCRATCH = (KC * MC + KC * NC) * 4 + 1024;

/** Bytes of scratch memory that the Winograd transforms of four images need. */
export const WINOGRAD_SCRATCH = 2048;
/** Winograd of single images: planes up to this many rows and columns of tiles have room in the scratch memory, zeros around them. */
export const MOST_TILES = 64;
/** Bytes of scratch memory that the Winograd transforms of single images need. */
export const WINOGRAD_SINGLE_SCRATCH = 1024 + (MOST_TILES * 4 + 2) * (MOST_TILES * 4 + 4) * 4;

/** Rows of a block of the packed matrix times one vector. */
export const PACKED_ROWS = 28;
