/** Typed views over one memory. Kernels and their references work on the same addresses: a byte address p is f32[p / 4]. */
export interface Views {
  readonly f32: Float32Array;
  readonly i32: Int32Array;
  readonly u32: Uint32Array;
  readonly u8: Uint8Array;
  readonly f64: Float64Array;
}
