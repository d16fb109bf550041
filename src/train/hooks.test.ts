/** Methods that change the forward weights or the gradients, and weights held in blocks. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createRng, mapTree, tensor } from "../core/index.js";
import { createEngine, type Engine } from "../engine/index.js";
import { methods } from "../methods/index.js";
import { initParams } from "../nn/index.js";
import { constantRate, sgd } from "../optim/index.js";
import { add, affine, mul, sign, straightThrough } from "../program/index.js";
import { bornOf, type Mask, maskOf, selectMasks, type Updater } from "../sparsity/index.js";
import { createHolder } from "./index.js";
import { EPOCHS, optionsOf, PER_EPOCH, run, small, training } from "./testing/runs.js";

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine();
});
afterAll(() => engine.close());

const NM = { kind: "nm", keep: 2, of: 4 } as const;
const DECAY = 0.02;

/** SR-STE, Zhou et al. 2021, arXiv:2102.04010, eq. 9: dense gradients past the mask, and a decay of what the mask prunes. */
function srSte(): Updater {
  const card = methods["set"]!.card;
  const choose: Updater["init"] = ({ params, infos }) => {
    const prunable = Object.fromEntries(Object.entries(infos).filter(([, info]) => info.prunable));
    const scores = mapTree(prunable, (_, path) => params[path]!.data.map(Math.abs));
    return {
      masks: selectMasks(
        NM,
        scores,
        prunable,
        mapTree(prunable, () => 0.5),
      ),
    };
  };
  return {
    name: "sr-ste",
    card,
    needsGradients: false,
    maskedValues: "stored",
    targetSparsity: () => 0.5,
    init: choose,
    isDue: (step) => Number.isInteger(step) && step > 0,
    update(input) {
      const { masks } = choose(input) as { masks: Record<string, Mask> };
      return { masks, born: bornOf(masks, input.masks) };
    },
    forwardParams: (params, masks) => mapTree(masks, (m, path) => straightThrough(mul(params[path]!, m), params[path]!)),
    gradients: (grads, params, masks) =>
      mapTree(masks, (m, path) => add(grads[path]!, mul(mul(affine(m, -1, 1), params[path]!), DECAY))),
  };
}

describe("a straight-through method", () => {
  it("moves pruned weights by the dense gradient and the decay, others by the gradient", () => {
    const model = small();
    const values = initParams(model.module, createRng(5));
    const paths = ["conv1.weight", "conv2.weight"];
    const masks = Object.fromEntries(
      paths.map((path) => {
        const { shape, data } = values[path]!;
        return [
          path,
          maskOf(
            shape,
            Uint8Array.from({ length: data.length }, (_, i) => (i % 3 === 0 ? 0 : 1)),
          ),
        ];
      }),
    );
    const common = { engine, model, optimizer: sgd(), batchSize: 4, storage: "auto", stored: true } as const;
    const holder = createHolder({ ...common, hooks: srSte() }, { values, masks });
    const batch = { inputs: training.inputs.slice(0, 256) as Float32Array, labels: training.labels.slice(0, 4) };
    const dense = holder.gradients(batch, paths);
    // The same gradients come from the plain loop, whose forward pass multiplies by the masks as well.
    const plain = createHolder(common, { values, masks });
    for (const path of paths)
      plain.gradients(batch, paths)[path]!.data.forEach((g, i) => {
        expect(dense[path]!.data[i]).toBeCloseTo(g, 6);
      });
    holder.step(batch, { lr: tensor([], [0.1]) }, [1, 1]);
    const after = holder.weights();
    let pruned = 0;
    for (const path of paths) {
      values[path]!.data.forEach((w, i) => {
        const kept = masks[path]!.data[i]!;
        pruned += kept ? 0 : Math.abs(dense[path]!.data[i]!);
        const gradient = dense[path]!.data[i]! + (kept ? 0 : DECAY * w);
        expect(after[path]!.data[i]).toBeCloseTo(w - 0.1 * gradient, 5);
      });
    }
    expect(pruned).toBeGreaterThan(0);
    holder.close();
    plain.close();
  });

  it("trains, resumes with the bits of an unbroken run, and ends 2:4", async () => {
    const options = (more = {}) => optionsOf(engine, { updater: srSte(), rate: constantRate(0.05), ...more });
    const whole = await run(options());
    for (let done = 1; done < EPOCHS; done++) {
      const rest = await run(options({ resume: whole.checkpoints[done - 1] }));
      expect(rest.losses).toEqual(whole.losses.slice(done * PER_EPOCH));
      expect(rest.trained).toEqual(whole.trained);
    }
    expect(whole.losses.at(-1)!).toBeLessThan(whole.losses[0]!);
    for (const [path, { shape, data }] of Object.entries(whole.trained.masks)) {
      const columns = data.length / shape[0]!;
      for (let r = 0; r < shape[0]!; r++)
        for (let c = 0; c + 4 <= columns; c += 4)
          expect(
            data.slice(r * columns + c, r * columns + c + 4).reduce((a, b) => a + b, 0),
            path,
          ).toBe(2);
    }
  });
});

it("a penalty on the gradient is the step that it says", () => {
  const model = small();
  const values = initParams(model.module, createRng(5));
  const common = { engine, model, optimizer: sgd(), batchSize: 4, storage: "auto", stored: false } as const;
  const batch = { inputs: training.inputs.slice(0, 256) as Float32Array, labels: training.labels.slice(0, 4) };
  const [bare, lasso] = [undefined, { gradients: srSte().gradients! }].map((_, i) => {
    const gradients: Updater["gradients"] = (grads, params) => ({
      "conv2.weight": add(grads["conv2.weight"]!, mul(sign(params["conv2.weight"]!), 0.5)),
    });
    const holder = createHolder({ ...common, ...(i === 1 ? { hooks: { gradients } } : {}) }, { values, masks: {} });
    holder.step(batch, { lr: tensor([], [0.1]) }, [1, 1]);
    const weights = holder.weights();
    holder.close();
    return weights;
  });
  for (const path of Object.keys(values))
    values[path]!.data.forEach((w, i) => {
      const expected = bare![path]!.data[i]! - (path === "conv2.weight" ? 0.05 * Math.sign(w) : 0);
      expect(lasso![path]!.data[i]).toBeCloseTo(expected, 6);
    });
});

describe("masks made of blocks", () => {
  const model = small();
  const values = initParams(model.module, createRng(5));
  const path = "conv2.weight";
  const { shape, data } = values[path]!;
  const columns = data.length / shape[0]!;
  const mask = (rows: number, seed: number): Mask => {
    const rng = createRng(seed);
    const bits = new Uint8Array(data.length);
    for (let r = 0; r < shape[0]!; r += rows)
      for (let c = 0; c < columns; c++) if (rng.uniform() < 0.25) for (let b = 0; b < rows; b++) bits[(r + b) * columns + c] = 1;
    return maskOf(shape, bits);
  };
  const make = (masks: Readonly<Record<string, Mask>>, more = {}) =>
    createHolder(
      { engine, model, optimizer: sgd({ momentum: 0.9 }), batchSize: 4, storage: "auto", stored: false, ...more },
      { values, masks },
    );
  const batch = { inputs: training.inputs.slice(0, 256) as Float32Array, labels: training.labels.slice(0, 4) };

  it.each([2, 4])("of %i rows are held in blocks, and train as single entries do", (rows) => {
    const masks = { [path]: mask(rows, 1) };
    const [blocks, single] = [make(masks), make(masks, { single: true })];
    expect(blocks.blocks[path]).toBe(rows);
    expect(single.blocks[path]).toBe(1);
    for (let step = 0; step < 4; step++) {
      const losses = [blocks, single].map((holder) => holder.step(batch, { lr: tensor([], [0.05]) }, [1, step]).loss);
      expect(losses[0]).toBeCloseTo(losses[1]!, 5);
    }
    const [a, b] = [blocks.snapshot(), single.snapshot()];
    for (const held of Object.keys(a.values))
      a.values[held]!.data.forEach((v, i) => {
        expect(v).toBeCloseTo(b.values[held]!.data[i]!, 5);
      });
    blocks.close();
    single.close();
  });

  it("change their form when the masks do, and keep weights and slots", () => {
    const holder = make({ [path]: mask(4, 1) });
    for (const [rows, seed] of [
      [4, 2],
      [2, 3],
      [1, 4],
      [4, 5],
    ] as const) {
      // biome-ignore format: a table
      holder.step(batch, { lr: tensor([], [0.05]) }, [1, seed]);
      const before = holder.snapshot();
      const [old, next] = [holder.masks[path]!, mask(rows, seed)];
      holder.remask({ masks: { [path]: next }, born: bornOf({ [path]: next }, { [path]: old }) }, false);
      expect(holder.blocks[path]).toBe(rows);
      const after = holder.snapshot();
      for (const held of [path, `${path}:momentum`])
        after.values[held]!.data.forEach((v, i) => {
          expect(v).toBe(next.data[i] && old.data[i] ? before.values[held]!.data[i] : 0);
        });
    }
    holder.close();
  });
});
