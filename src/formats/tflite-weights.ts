/** The weights of a TFLite file as the reals they stand for. */
import { FormatError, sizeOf, type Tree } from "../core/index.js";
import type { NamedArray } from "./array.js";
import { type Quantization, readTflite, type TfliteModel } from "./tflite.js";

/** real = scale (q - zeroPoint). @throws FormatError when there is neither one scale nor one per slice of the axis */
export function dequantise(array: NamedArray, { scale, zeroPoint, axis }: Quantization): NamedArray<"f32"> {
  const { shape } = array;
  if (scale.length > 1 && scale.length !== shape[axis])
    throw new FormatError("tflite", `${scale.length} scales for axis ${axis} of [${shape.join(", ")}]`);
  const inner = sizeOf(shape.slice(axis + 1));
  const data = Float32Array.from(array.data as ArrayLike<number | bigint>, (q, i) => {
    const c = scale.length > 1 ? Math.floor(i / inner) % scale.length : 0;
    return scale[c]! * (Number(q) - (zeroPoint[c] ?? zeroPoint[0] ?? 0));
  });
  return { dtype: "f32", shape, data };
}

/** The constants of a model, by tensor number: names of their own, quantised ones as reals, and where sparse ones were stored. */
export function tfliteConstants({
  tensors,
}: TfliteModel): ({ readonly name: string; readonly array: NamedArray; readonly mask?: Uint8Array } | undefined)[] {
  const taken = new Set<string>();
  return tensors.map(({ name, data, mask, quantization }, i) => {
    if (!data) return undefined;
    // A fused operator lists every name that went into it.
    let own = name.split(";")[0] || `tensor${i}`;
    if (taken.has(own)) own = `${own}#${i}`;
    taken.add(own);
    const array = quantization && data.dtype !== "f32" ? dequantise(data, quantization) : data;
    return { name: own, array, ...(mask ? { mask } : {}) };
  });
}

/**
 * All constants of a TFLite file by name, in the file's own layout (convolutions [O, kh, kw, C], depthwise [1, kh, kw, C]);
 * quantised ones as float32.
 * @throws FormatError when the file is damaged
 */
export function loadTflite(bytes: Uint8Array): { tensors: Tree<NamedArray>; masks: Tree<Uint8Array> } {
  const found = tfliteConstants(readTflite(bytes)).filter((c) => c !== undefined);
  return {
    tensors: Object.fromEntries(found.map(({ name, array }) => [name, array])),
    masks: Object.fromEntries(found.flatMap(({ name, mask }) => (mask ? [[name, mask] as const] : []))),
  };
}
