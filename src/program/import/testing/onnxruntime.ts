/** onnxruntime-node, the reference of every import and export test; absent where its binary is not installed. */
import type { AnyTensor, Tree } from "../../../core/index.js";

/** Output data by name. */
export interface Output {
  readonly dims: readonly number[];
  readonly data: ArrayLike<number>;
}

type Runtime = typeof import("onnxruntime-node");

/** undefined where the package or its binary is missing. */
export const runtime: Runtime | undefined = await import("onnxruntime-node").then(
  (m) => ("default" in m && m.default ? (m.default as Runtime) : m),
  () => undefined,
);

/** An input: numbers with their ONNX element type. */
export interface Fed {
  readonly type: "float32" | "int64" | "int32" | "bool" | "uint8";
  readonly shape: readonly number[];
  readonly data: ArrayLike<number>;
}

const holders = {
  float32: (d: ArrayLike<number>) => Float32Array.from(d),
  int64: (d: ArrayLike<number>) => BigInt64Array.from(Array.from(d), BigInt),
  int32: (d: ArrayLike<number>) => Int32Array.from(d),
  uint8: (d: ArrayLike<number>) => Uint8Array.from(d),
  bool: (d: ArrayLike<number>) => Uint8Array.from(d),
};

/** Runs a model there. */
export async function runOnnx(bytes: Uint8Array, inputs: Tree<Fed>): Promise<Tree<Output>> {
  if (!runtime) throw new Error("onnxruntime-node is not installed");
  const session = await runtime.InferenceSession.create(bytes, { intraOpNumThreads: 1, interOpNumThreads: 1, logSeverityLevel: 4 });
  const feeds = Object.fromEntries(
    Object.entries(inputs).map(([name, { type, shape, data }]) => [
      name,
      new runtime!.Tensor(type, holders[type](data) as Float32Array, shape),
    ]),
  );
  const results = await session.run(feeds);
  const out: Record<string, Output> = {};
  for (const [name, t] of Object.entries(results))
    out[name] = { dims: t.dims, data: Array.from(t.data as unknown as ArrayLike<number>, Number) };
  await session.release();
  return out;
}

/** Fed numbers as the tensor that an imported program takes. */
export function tensorOf({ type, shape, data }: Fed): AnyTensor {
  if (type === "int64" || type === "int32") return { shape, dtype: "i32", data: Int32Array.from(data) };
  if (type === "uint8") return { shape, dtype: "u8", data: Uint8Array.from(data) };
  return { shape, dtype: "f32", data: Float32Array.from(data) };
}

/** Greatest difference, relative to the greatest expected number (at least 1e-3). */
export function worst(got: ArrayLike<number>, expected: ArrayLike<number>): number {
  let most = 1e-3;
  let gap = got.length === expected.length ? 0 : Number.POSITIVE_INFINITY;
  for (let i = 0; i < expected.length; i++) {
    most = Math.max(most, Math.abs(expected[i]!));
    const d = Math.abs(got[i]! - expected[i]!);
    gap = Math.max(gap, Number.isNaN(d) ? Number.POSITIVE_INFINITY : d);
  }
  return gap / most;
}
