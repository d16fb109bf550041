import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import jpeg from "jpeg-js";
import { readSafetensors, readTflite, readCifar } from "../../formats/index.js";
import { importTflite } from "./index.js";
import { atBatch } from "../passes/batch.js";
import { createEngine } from "../../engine/index.js";
import { specsOf } from "../../engine/testing/agree.js";
import { resnet } from "../../models/index.js";
const D = "/work/shared/data/";
const engine = await createEngine({ threads: 1 });
const dt: any = { FLOAT32: "f32", UINT8: "u8", INT32: "i32", INT8: "i8" };
function fromGraph(stem: string): any {
  const g = JSON.parse(readFileSync(stem + ".graph.json", "utf8"));
  const w = readSafetensors(readFileSync(stem + ".safetensors")).tensors;
  return { description: "", inputs: g.inputs, outputs: g.outputs,
    tensors: g.tensors.map((t: any) => ({ name: t.name, dtype: dt[t.dtype], shape: t.shape, ...(t.weight ? { data: w[t.weight] } : {}), ...(t.scale ? { quantization: { scale: t.scale, zeroPoint: t.zero_point, axis: t.quant_dim } } : {}) })),
    operators: g.ops.map((o: any) => ({ op: o.op, inputs: o.inputs, outputs: o.outputs, options: { ...o.attrs, activation: o.attrs?.fusedActivationFunction ?? "NONE", dilationW: o.attrs?.dilationWFactor ?? 1, dilationH: o.attrs?.dilationHFactor ?? 1, filterW: o.attrs?.filterWidth, filterH: o.attrs?.filterHeight } })) };
}
function evaluate(m: any, images: Float32Array, labels: ArrayLike<number>, per: number, batch: number, offset = 0) {
  const p = atBatch(m.program, batch);
  const store = engine.params(specsOf(p), m.params); const plan = engine.compile(p, store, { frozen: true });
  const n = labels.length; let hit = 0;
  const name = Object.keys(p.inputs)[0]!;
  for (let i = 0; i < n; i += batch) {
    const y: any = Object.values(plan.run({ [name]: images.subarray(i * per, (i + batch) * per) }))[0];
    const k = y.data.length / batch;
    for (let b = 0; b < batch; b++) { let best = 0; for (let j = 1; j < k; j++) if (y.data[b * k + j] > y.data[b * k + best]) best = j; if (best === labels[i + b]! + offset) hit++; }
  }
  plan.close(); store.close(); return hit / n;
}
// cifar
const c = readCifar(gunzipSync(readFileSync(D + "cifar10/test_batch_first2000.bin.gz"))) as any;
console.log(Object.keys(c));
const px = c.images ?? c.data ?? c.pixels; const lab = c.labels;
const raw = Float32Array.from(px.data ?? px);
let t = performance.now();
const r8 = importTflite(readTflite(readFileSync(D + "mlperf-tiny/pretrainedResnet.tflite")));
console.log("resnet8", r8.batch, r8.inputs, evaluate(r8, raw, lab.data ?? lab, 3072, 50), performance.now() - t);
const r8b = importTflite(fromGraph(D + "mlperf-tiny/pretrainedResnet"));
console.log("resnet8 graph.json", evaluate(r8b, raw, lab.data ?? lab, 3072, 50));
function pil(im: any, ch: number, yy: number, xx: number, s: number): number {
  const taps = (o: number, n: number) => { const c = (o + 0.5) * s; const lo = Math.max(0, Math.floor(c - s + 0.5)); const hi = Math.min(n, Math.floor(c + s + 0.5)); const w: number[] = []; let t = 0; for (let i = lo; i < hi; i++) { const d = Math.abs((i + 0.5 - c) / s); const k = Math.max(0, 1 - d); w.push(k); t += k; } return { lo, w: w.map((k) => k / t) }; };
  const a = taps(yy, im.height), b = taps(xx, im.width); let v = 0;
  a.w.forEach((wy, i) => { let r = 0; b.w.forEach((wx, j) => { r += wx * im.data[4 * ((a.lo + i) * im.width + b.lo + j) + ch]!; }); v += wy * Math.round(r); });
  return Math.round(v);
}
// imagenet
const lines = readFileSync(D + "imagenet-sample/labels.csv", "utf8").trim().split("\n").slice(1).map((l) => l.split(","));
const labels = lines.map((l) => +l[1]!);
for (const [stem, size] of process.argv[2]==="v1" ? [["mobilenet_v1_0.25_128_quant", 128]] as const : [["mobilenet_v1_0.25_128_quant", 128], ["mobilenet_v2_1.0_224_quant", 224]] as const) {
  const m = stem.includes("v1") ? importTflite(readTflite(readFileSync(D + "mobilenet/" + stem + ".tflite")), {activations:"rounded"}) : importTflite(fromGraph(D + "mobilenet/" + stem), {activations:"rounded"});
  const x = new Float32Array(labels.length * 3 * size * size);
  lines.forEach((l, i) => {
    const im = jpeg.decode(readFileSync(D + "imagenet-sample/images/" + l[0]), { useTArray: true });
    const s = im.width / size;
    for (let ch = 0; ch < 3; ch++) for (let yy = 0; yy < size; yy++) for (let xx = 0; xx < size; xx++) {
      let v: number;
      if (process.argv[3]) { v = pil(im, ch, yy, xx, s); } else if (s === 1) v = im.data[4 * (yy * im.width + xx) + ch]!;
      else { const fy = Math.max(0,(yy + 0.5) * s - 0.5), fx = Math.max(0,(xx + 0.5) * s - 0.5); const y0 = Math.floor(fy), x0 = Math.floor(fx); const y1 = Math.min(y0 + 1, im.height - 1), x1 = Math.min(x0 + 1, im.width - 1); const a = fy - y0, b = fx - x0; const at = (r: number, c: number) => im.data[4 * (r * im.width + c) + ch]!; v = Math.round((1 - a) * ((1 - b) * at(y0, x0) + b * at(y0, x1)) + a * ((1 - b) * at(y1, x0) + b * at(y1, x1))); }
      x[((i * 3 + ch) * size + yy) * size + xx] = (v - 128) / 128;
    }
  });
  t = performance.now();
  console.log(stem, m.batch, m.inputs, evaluate(m, x, labels, 3 * size * size, 10, 1), performance.now() - t);
}
engine.close();
