/** Copies, fills and gathers of flat memory. */
import type { Template } from "./emit.js";

export function copies(): Template {
  return {
    kernels: [
      { name: "copy", params: ["bytes: usize", "x: usize", "y: usize"], body: "memory.copy(y, x, bytes);" },
      { name: "zero", params: ["bytes: usize", "y: usize"], body: "memory.fill(y, 0, bytes);" },
      {
        name: "fill",
        params: ["n: i32", "value: f32", "y: usize"],
        body: "const e = y + usize(n) * 4; for (; y < e; y += 4) store<f32>(y, value);",
      },
      {
        // y[i] = x[perm[i]], perm in bytes
        name: "permute",
        params: ["n: i32", "perm: usize", "x: usize", "y: usize"],
        body: "for (let i: i32 = 0; i < n; ++i) { store<f32>(y, load<f32>(x + usize(load<u32>(perm)))); perm += 4; y += 4; }",
      },
    ],
  };
}
