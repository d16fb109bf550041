/** What decides how a program is lowered, beside the program. */
import type { Int8Flavor, Tiles } from "../kernels/index.js";

/** What the rules need to know of the machine and of the caller's wishes. */
export interface LoweringOptions {
  readonly threads: number;
  /** Names of the kernels that were fastest on this machine. */
  readonly tiles: Tiles;
  /** Winograd F(4x4) for dense 3x3 convolutions: bounded, not bit-exact against the direct sum. */
  readonly winograd: boolean;
  /** Params and topologies rarely change: index lists may take longer to make. */
  readonly frozen: boolean;
  /** The build of the int8 kernels, where they are loaded. */
  readonly int8?: Int8Flavor | undefined;
}
