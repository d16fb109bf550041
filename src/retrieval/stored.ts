import { fromHalf } from "../core/index.js";
import { recordStart, valueBytes } from "./forward.js";
import type { Store } from "./store.js";

/** The stored vector of document `d`, padding left out. */
export function storedVector(store: Store, d: number): { indices: number[]; values: number[] } {
  const { wideCoords: wide, values: kind } = store.header;
  const { docQuads: quads, forward } = store.arrays();
  const view = new DataView(forward.buffer, forward.byteOffset, forward.byteLength);
  const coordBytes = wide ? 4 : 2;
  const width = valueBytes(kind);
  let at = recordStart({ kind, wide, quads }, d);
  let scale = 1;
  if (kind === "u8") {
    scale = view.getFloat32(at, true);
    at += 4;
  }
  const indices: number[] = [];
  const values: number[] = [];
  for (let q = quads[d]!; q < quads[d + 1]!; q++, at += 4 * (coordBytes + width)) {
    for (let lane = 0; lane < 4; lane++) {
      const c = wide ? view.getUint32(at + 4 * lane, true) : view.getUint16(at + 2 * lane, true);
      const place = at + 4 * coordBytes + lane * width;
      const v =
        kind === "f16"
          ? fromHalf(view.getUint16(place, true))
          : kind === "u8"
            ? Math.fround(scale * view.getUint8(place))
            : view.getFloat32(place, true);
      if (v > 0) {
        indices.push(c);
        values.push(v);
      }
    }
  }
  return { indices, values };
}
