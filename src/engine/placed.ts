/** Where values lie, and how steps speak of them. */
import type { Layout, Planes } from "./layout.js";
import type { Access, Buffer } from "./step.js";

/**
 * Where a value lies. `clean`: everything outside the pixels of its planes is zero. `part`: a slice of a longer value, whose units' slices are not its
 * own units'.
 */
export interface Placed {
  readonly buffer: Buffer;
  readonly offset: number;
  readonly layout: Layout;
  clean: boolean;
  readonly part?: boolean;
}

/** A value that lies in planes. */
export type PlacedPlanes = Placed & { layout: Planes };

/** Samples per strip of a columns layout. */
export const STRIP = 32;

/** The address of a placed value, once buffers have theirs. */
export const at = (placed: Placed): number => placed.buffer.address + placed.offset;
/** Each unit uses its own slice of a value. */
export const local = (placed: Placed): Access => ({ buffer: placed.buffer, local: !placed.part });
/** The whole of a value is used by every unit. */
export const whole = (placed: Placed): Access => ({ buffer: placed.buffer, local: false });
