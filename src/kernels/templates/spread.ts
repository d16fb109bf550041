/** One value per channel (a vector of four images, or one float) written over all pixels of a plane. */
import type { Template } from "./emit.js";

const params = ["c: i32", "h: i32", "w: i32", "x: usize", "y: usize", "ps: usize", "rs: usize"] as const;

export function spread(): Template {
  return {
    kernels: [
      {
        name: "spread_n4",
        params,
        body: `for (let i: i32 = 0; i < c; ++i) { const v = v128.load(x); x += 16; let p = y;
 for (let r: i32 = 0; r < h; ++r) { const e = p + usize(w) * 16; for (let o = p; o < e; o += 16) v128.store(o, v); p += rs; }
 y += ps; }`,
      },
      {
        name: "spread_n1",
        params,
        body: `for (let i: i32 = 0; i < c; ++i) { const v = load<f32>(x); x += 4; let p = y;
 for (let r: i32 = 0; r < h; ++r) { const e = p + usize(w) * 4; for (let o = p; o < e; o += 4) store<f32>(o, v); p += rs; }
 y += ps; }`,
      },
    ],
  };
}
