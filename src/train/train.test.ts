/** The training loop: resuming, storages that agree, what methods leave behind, and what is refused. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createRng, InputError, OptionError, tensor } from "../core/index.js";
import { createEngine, type Engine } from "../engine/index.js";
import { methods } from "../methods/index.js";
import { convnet, mlp } from "../models/index.js";
import { initParams } from "../nn/index.js";
import { adam, constantRate, sgd } from "../optim/index.js";
import type { Value } from "../program/index.js";
import { countKept, type Mask, maskOf, type Updater } from "../sparsity/index.js";
import { CSR_DENSITY, createHolder, type StorageChoice, type TrainOptions } from "./index.js";
import { EPOCHS, optionsOf, PER_EPOCH, pictures, run, small, training } from "./testing/runs.js";

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine();
});
afterAll(() => engine.close());

const options = (more: Partial<TrainOptions>): TrainOptions => optionsOf(engine, more);

const GRADUAL = { sparsity: 0.8, end: 16, every: 3 };
const TWO = { kind: "block", rows: 2, cols: 1 };
const METHODS: Readonly<Record<string, () => Updater | undefined>> = {
  dense: () => undefined,
  set: () => methods["set"]!.create({ sparsity: 0.8, every: 3 }),
  rigl: () => methods["rigl"]!.create({ sparsity: 0.8, every: 3, until: 16 }),
  "gradual, stored values": () => methods["gradual-magnitude"]!.create({ sparsity: 0.8, end: 16, every: 3 }),
  "gradual, frozen": () => methods["gradual-magnitude"]!.create({ sparsity: 0.8, end: 16, every: 3, ranking: "frozen" }),
  snip: () => methods["snip"]!.create({ sparsity: 0.8 }),
  "gradual, frozen, 2x1 blocks": () => methods["gradual-magnitude"]!.create({ ...GRADUAL, ranking: "frozen", pattern: TWO }),
  "one-shot, 4x1 blocks": () => methods["one-shot-magnitude"]!.create({ sparsity: 0.8, at: 4, pattern: { ...TWO, rows: 4 } }),
};

describe.each(Object.keys(METHODS))("%s", (name) => {
  const storages: StorageChoice[] = name === "dense" || name === "gradual, stored values" ? ["auto"] : ["auto", "masked", "csr"];

  it.each(storages)("resumed from any epoch ends with the bits of an unbroken run, storage %s", async (storage) => {
    for (const optimizer of [sgd({ momentum: 0.9, decay: 1e-3, nesterov: true }), adam({})]) {
      const whole = await run(options({ updater: METHODS[name]!(), storage, optimizer, rate: constantRate(0.02) }));
      expect(whole.checkpoints).toHaveLength(EPOCHS);
      for (let done = 1; done < EPOCHS; done++) {
        const rest = await run(
          options({ updater: METHODS[name]!(), storage, optimizer, rate: constantRate(0.02), resume: whole.checkpoints[done - 1] }),
        );
        expect(rest.losses).toEqual(whole.losses.slice(done * PER_EPOCH));
        expect(rest.trained).toEqual(whole.trained);
        expect(rest.checkpoints).toEqual(whole.checkpoints.slice(done));
      }
    }
  });

  it("learns, and keeps what its schedule says; pruned weights are exactly zero", async () => {
    const updater = METHODS[name]!();
    const { trained, losses } = await run(
      options({
        updater,
        epochs: 10,
        rate: constantRate(0.1),
        model: convnet({ inputShape: [1, 8, 8], channels: [8, 12], classes: 4 }),
      }),
    );
    expect(losses.at(-1)!).toBeLessThan(losses[0]! * 0.8);
    expect(trained.accuracy).toBeGreaterThan(0.5);
    for (const [path, mask] of Object.entries(trained.masks)) {
      const { data } = trained.params[path]!;
      for (let i = 0; i < data.length; i++) if (!mask.data[i]) expect(Object.is(data[i], 0) || Object.is(data[i], -0)).toBe(true);
      const live = data.reduce((sum, w) => sum + (w === 0 ? 0 : 1), 0);
      expect(live).toBeGreaterThan(countKept(mask) * 0.8);
    }
    const kept = Object.values(trained.masks).reduce((sum, mask) => sum + countKept(mask), 0);
    const all = Object.values(trained.masks).reduce((sum, mask) => sum + mask.data.length, 0);
    if (updater) expect(1 - kept / all).toBeCloseTo(0.8, 1);
  });
});

describe("storages", () => {
  // SET draws its new positions over index arrays in csr storage, over masks in masked storage: equally random, not the same.
  it.each(["rigl", "snip", "gradual, frozen"])("masked and csr give the same training, %s", async (name) => {
    const [masked, csr] = await Promise.all(
      ["masked", "csr"].map((storage) => run(options({ updater: METHODS[name]!(), storage: storage as StorageChoice }))),
    );
    expect(csr!.losses).toHaveLength(masked!.losses.length);
    csr!.losses.forEach((loss, i) => {
      expect(loss).toBeCloseTo(masked!.losses[i]!, 4);
    });
    expect(csr!.trained.masks).toEqual(masked!.trained.masks);
  });

  it("a frozen gradual run goes from masked to csr when it is sparse enough, and back never", () => {
    const model = small();
    const params = initParams(model.module, createRng(1));
    const paths = Object.keys(model.module.params).filter((path) => model.module.params[path]!.prunable);
    const masksAt = (density: number) =>
      Object.fromEntries(
        paths.map((path) => [
          path,
          maskOf(
            params[path]!.shape,
            Uint8Array.from({ length: params[path]!.data.length }, (_, i) => (i % 100 < density * 100 ? 1 : 0)),
          ),
        ]),
      );
    const none = (masks: Record<string, Mask>) =>
      Object.fromEntries(Object.entries(masks).map(([path, mask]) => [path, maskOf(mask.shape, new Uint8Array(mask.data.length))]));
    const used = engine.memory().used;
    const holder = createHolder(
      { engine, model, optimizer: sgd({ momentum: 0.9 }), batchSize: 4, storage: "auto", stored: false },
      { values: params, masks: masksAt(0.9) },
    );
    expect(holder.storage).toBe("masked");
    const batch = { inputs: training.inputs.slice(0, 256) as Float32Array, labels: training.labels.slice(0, 4) };
    const feed = { lr: tensor([], [0.01]) };
    holder.step(batch, feed, [1, 1]);
    const dense = holder.snapshot();
    const masks = masksAt(CSR_DENSITY - 0.1);
    holder.remask({ masks, born: none(masks) }, false);
    expect(holder.storage).toBe("csr");
    const sparse = holder.snapshot();
    for (const path of paths) {
      for (let i = 0; i < masks[path]!.data.length; i++) {
        expect(sparse.values[path]!.data[i]).toBe(masks[path]!.data[i] ? dense.values[path]!.data[i] : 0);
        expect(sparse.values[`${path}:momentum`]!.data[i]).toBe(
          masks[path]!.data[i] ? dense.values[`${path}:momentum`]!.data[i] : 0,
        );
      }
    }
    holder.step(batch, feed, [1, 2]);
    holder.close();
    expect(engine.memory().used).toBe(used);
  });

  it("csr takes memory by live values", () => {
    const model = mlp({ inputShape: [400], hidden: [400, 400], classes: 4 });
    const params = initParams(model.module, createRng(1));
    const masks = Object.fromEntries(
      ["fc1.weight", "fc2.weight"].map((path) => [
        path,
        maskOf(
          params[path]!.shape,
          Uint8Array.from({ length: 160_000 }, (_, i) => (i % 50 === 0 ? 1 : 0)),
        ),
      ]),
    );
    const bytes = (storage: StorageChoice) => {
      const holder = createHolder(
        { engine, model, optimizer: sgd({ momentum: 0.9 }), batchSize: 4, storage, stored: false },
        { values: params, masks },
      );
      const { params: held } = holder.bytes();
      holder.close();
      return held;
    };
    // Two layers of 160,000 weights at 98 %, each with momentum; biases and the last layer are dense.
    expect(bytes("csr")).toBeLessThan(2 * 2 * 3200 * 4 + 4 * 4 * 3000);
    expect(bytes("masked")).toBeGreaterThan(2 * 3 * 160_000 * 4);
  });
});

describe.each(["masked", "csr"] as StorageChoice[])("a topology update in %s storage", (storage) => {
  it("leaves born weights and their slots at zero, pruned ones too, and the rest as they were", () => {
    const model = small();
    const rng = createRng(5);
    const params = initParams(model.module, rng);
    const path = "conv2.weight";
    const shape = params[path]!.shape;
    const random = (density: number) =>
      maskOf(
        shape,
        Uint8Array.from({ length: params[path]!.data.length }, () => (rng.uniform() < density ? 1 : 0)),
      );
    const holder = createHolder(
      { engine, model, optimizer: adam({}), batchSize: 4, storage, stored: false },
      { values: params, masks: { [path]: random(0.3) } },
    );
    const batch = { inputs: training.inputs.slice(0, 256) as Float32Array, labels: training.labels.slice(0, 4) };
    const feed = (step: number) => adam({}).feed(step, 0.01);
    // The second mask keeps fewer weights, the third more than the memory of the first holds.
    for (const density of [0.2, 0.28, 0.6]) {
      holder.step(batch, feed(0), [1, 1]);
      const before = holder.snapshot();
      const old = holder.masks[path]!;
      const mask = random(density);
      const born = maskOf(
        shape,
        mask.data.map((bit, i) => (bit && !old.data[i] ? 1 : 0)),
      );
      expect(countKept(born)).toBeGreaterThan(0);
      holder.remask({ masks: { [path]: mask }, born: { [path]: born } }, false);
      const after = holder.snapshot();
      for (const held of [path, ...Object.keys(after.values).filter((other) => other.startsWith(`${path}:`))]) {
        after.values[held]!.data.forEach((value, i) => {
          expect(value).toBe(mask.data[i] && old.data[i] ? before.values[held]!.data[i] : 0);
        });
      }
      expect(Object.keys(after.values).filter((other) => other.startsWith(`${path}:`))).toHaveLength(2);
      expect(holder.masks[path]).toEqual(mask);
    }
    holder.close();
  });
});

describe("stored values", () => {
  it("of pruned weights survive until they come back, while their slots are cleared", () => {
    const model = small();
    const params = initParams(model.module, createRng(5));
    const path = "conv2.weight";
    const { shape, data } = params[path]!;
    const half = (odd: number) =>
      maskOf(
        shape,
        Uint8Array.from({ length: data.length }, (_, i) => (i % 2 === odd ? 1 : 0)),
      );
    const holder = createHolder(
      { engine, model, optimizer: sgd({ momentum: 0.9 }), batchSize: 4, storage: "auto", stored: true },
      { values: params, masks: { [path]: half(0) } },
    );
    const batch = { inputs: training.inputs.slice(0, 256) as Float32Array, labels: training.labels.slice(0, 4) };
    holder.step(batch, { lr: tensor([], [0.1]) }, [1, 1]);
    const weights = holder.weights()[path]!.data.slice();
    for (let i = 1; i < data.length; i += 2) expect(weights[i]).toBe(data[i]);
    holder.remask({ masks: { [path]: half(1) }, born: { [path]: half(1) } }, true);
    expect(holder.weights()[path]!.data).toEqual(weights);
    expect(holder.snapshot().values[`${path}:momentum`]!.data.every((v) => v === 0)).toBe(true);
    holder.close();
  });

  it("need masked storage", () => {
    const model = small();
    const start = { values: initParams(model.module, createRng(5)), masks: {} };
    expect(() => createHolder({ engine, model, optimizer: sgd(), batchSize: 4, storage: "csr", stored: true }, start)).toThrow(
      /storage: masked/,
    );
  });
});

describe("refused with a reason", () => {
  const fails = async (more: Partial<TrainOptions>, kind: typeof InputError | typeof OptionError, message: RegExp) => {
    const used = engine.memory().used;
    await expect(run(options(more))).rejects.toThrow(kind);
    await expect(run(options(more))).rejects.toThrow(message);
    expect(engine.memory().used).toBe(used);
  };

  it("a loss that is no longer finite", () =>
    fails({ rate: constantRate(1e30) }, InputError, /the loss is (NaN|-?Infinity) at step \d+; lower the learning rate/));
  it("examples of another shape", () =>
    fails(
      { model: convnet({ inputShape: [1, 9, 9], classes: 4 }) },
      InputError,
      /takes examples of \[1,9,9\], the dataset patterns 1 has \[1,8,8\]/,
    ));
  it("more classes than the model has", () =>
    fails(
      { model: convnet({ inputShape: [1, 8, 8], channels: [4], classes: 3 }) },
      OptionError,
      /classes.*at least the 4 classes/,
    ));
  it("no epochs", () => fails({ epochs: 0 }, OptionError, /train\.epochs/));
  it("a batch larger than the data", () => fails({ batchSize: 65 }, OptionError, /at most the 64 examples/));
  it("a batch that needs more memory than there is, leaving none behind", () => {
    const used = engine.memory().used;
    const start = { values: initParams(small().module, createRng(1)), masks: {} };
    const make = () =>
      createHolder({ engine, model: small(), optimizer: sgd(), batchSize: 20_000_000, storage: "auto", stored: false }, start);
    expect(make).toThrow(/out of WebAssembly memory/);
    expect(engine.memory().used).toBe(used);
  });
  it("csr storage for a method that changes gradients", () =>
    fails({ storage: "csr", updater: { ...METHODS["set"]!()!, gradients: (grads) => grads } }, InputError, /changes gradients/));
  it("a hook of a method that returns what is no param, or another shape", async () => {
    const set = METHODS["set"]!()!;
    await fails(
      { updater: { ...set, gradients: (g) => ({ nothing: g["fc.weight"] ?? Object.values(g)[0]! }) } },
      InputError,
      /no param/,
    );
    const other = (w: Readonly<Record<string, Value>>) => ({ "conv1.weight": w["conv2.weight"]! });
    await fails({ updater: { ...set, forwardParams: other } }, InputError, /forwardParams of "conv1.weight"/);
  });

  it("a checkpoint of another run, a damaged one, and a file that is none", async () => {
    const { checkpoints } = await run(options({ updater: METHODS["set"]!(), epochs: 1 }));
    const good = checkpoints[0]!;
    const same = { resume: good, updater: METHODS["set"]!(), epochs: 1 };
    await run(options(same));
    const others: Partial<TrainOptions>[] = [
      { epochs: 2 },
      { seed: 8 },
      { updater: methods["set"]!.create({ sparsity: 0.7, every: 3 }) },
      { updater: METHODS["rigl"]!() },
      { rate: constantRate(0.01) },
      { storage: "masked" },
      { batchSize: 8 },
    ];
    for (const other of others) await fails({ ...same, ...other }, InputError, /run with other settings/);
    const damaged = good.slice();
    damaged[good.length - 3]! ^= 1;
    await fails({ ...same, resume: damaged }, InputError, /checksum does not fit its bytes/);
    await fails({ resume: good.slice(0, good.length - 1), epochs: 1, updater: METHODS["set"]!() }, InputError, /./);
    await fails({ resume: new TextEncoder().encode("not a checkpoint at all") }, InputError, /./);
  });
});

it("the same seed gives the same run, another seed another", async () => {
  const losses = async (seed: number) => (await run(options({ updater: METHODS["set"]!(), seed, epochs: 1 }))).losses;
  const first = await losses(1);
  expect(await losses(1)).toEqual(first);
  expect(await losses(2)).not.toEqual(first);
});

it("two threads train to the bits of one", async () => {
  const two = await createEngine({ threads: 2 });
  const [a, b] = await Promise.all(
    [engine, two].map((own) => run(options({ engine: own, updater: METHODS["set"]!(), epochs: 2 }))),
  );
  expect(b!.trained).toEqual(a!.trained);
  two.close();
});

it("evaluation counts every example once, also in a last batch that is not full", () => {
  const model = mlp({ inputShape: [1, 8, 8], hidden: [], classes: 4 });
  const params = initParams(model.module, createRng(3));
  const holder = createHolder(
    { engine, model, optimizer: sgd(), batchSize: 4, storage: "auto", stored: false },
    { values: params, masks: {} },
  );
  const data = pictures(300, 9);
  const { accuracy, loss, examples } = holder.evaluate(data);
  let right = 0;
  let sum = 0;
  const [w, b] = [params["fc1.weight"]!.data, params["fc1.bias"]!.data];
  for (let n = 0; n < 300; n++) {
    const logits = [0, 1, 2, 3].map((o) => {
      let z = b[o]!;
      for (let k = 0; k < 64; k++) z += w[o * 64 + k]! * data.inputs[n * 64 + k]!;
      return z;
    });
    if (logits.indexOf(Math.max(...logits)) === data.labels[n]) right++;
    sum += Math.log(logits.reduce((t, z) => t + Math.exp(z), 0)) - logits[data.labels[n]!]!;
  }
  expect(examples).toBe(300);
  expect(accuracy).toBeCloseTo(right / 300, 10);
  expect(loss).toBeCloseTo(sum / 300, 4);
  holder.close();
});
