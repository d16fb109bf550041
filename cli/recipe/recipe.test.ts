import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InputError } from "../../src/core/index.js";
import { methodOptions } from "./method.js";
import { editDistance, nearest } from "./nearest.js";
import { checkRecipe, plannedEntries, quickened, readRecipe } from "./recipe.js";

const good = `name: test
seed: 3
data:
  set: fashion-mnist
  train: 1000
model:
  family: convnet
train:
  epochs: 4
  batch: 128
  schedule: { rate: 0.1 }
entries:
  - { name: dense, method: dense }
  - { name: small dense, method: small-dense, density: 0.1 }
  - method: rigl
    sparsity: [0.9, 0.95]
    options: { every: 100, until: 75% }
quick:
  data: { train: 100 }
  train: { epochs: 1 }
`;

/** The message for the good recipe with one piece replaced. */
function problem(from: string, to: string): string {
  expect(good).toContain(from);
  try {
    readRecipe(good.replace(from, to), "r.yaml");
  } catch (error) {
    expect(error).toBeInstanceOf(InputError);
    return (error as Error).message;
  }
  return "no problem";
}

describe("a good recipe", () => {
  const recipe = readRecipe(good, "r.yaml");
  it("gets its defaults", () => {
    expect(recipe.train.optimiser).toEqual({ name: "sgd", momentum: 0.9, nesterov: false, weightDecay: 0 });
    expect(recipe.train.schedule).toEqual({ name: "cosine", rate: 0.1, warmup: 0 });
    expect(recipe.measure).toEqual({ runs: 30 });
    expect(recipe.data.flip).toBe(false);
  });
  it("expands into one network per sparsity", () => {
    expect(plannedEntries(recipe).map(({ id, name, method, sparsity, density }) => [id, name, method, sparsity, density])).toEqual([
      ["dense", "dense", "dense", 0, undefined],
      ["small-dense", "small dense", "small-dense", 0, 0.1],
      ["rigl-90", "rigl 90 %", "rigl", 0.9, undefined],
      ["rigl-95", "rigl 95 %", "rigl", 0.95, undefined],
    ]);
  });
  it("is quickened by its own overrides", () => {
    const quick = quickened(recipe);
    expect([quick.data.train, quick.data.set, quick.train.epochs, quick.train.batch]).toEqual([100, "fashion-mnist", 1, 128]);
    expect(() => quickened(quick)).toThrow('has no "quick" section');
  });
  it("gives a method its options, shares of the training as steps", () => {
    const { method, sparsity, options } = plannedEntries(recipe)[3]!;
    expect(methodOptions(method, sparsity, options, 1000)).toEqual({ sparsity: 0.95, every: 100, until: 750 });
    expect(methodOptions("dense", 0, {}, 1000)).toEqual({});
  });
  it("is the same object from TypeScript", () => expect(checkRecipe(JSON.parse(JSON.stringify(recipe)))).toEqual(recipe));
  it("must not name two entries alike", () => {
    const twice = readRecipe(good.replace("name: small dense", "name: Dense"), "r.yaml");
    expect(() => plannedEntries(twice)).toThrow('two entries are called "Dense"');
  });
});

describe("a bad recipe is refused with file, line, column, key, expected and got", () => {
  it.each([
    [
      "  epochs: 4",
      "  epohcs: 4",
      'r.yaml:9:3: train.epohcs: unknown key; did you mean "epochs"? (keys here: epochs, batch, optimiser, schedule)',
    ],
    ["  epochs: 4", "  epohcs: 4", "train.epochs: missing"],
    ["epochs: 4", "epochs: four", 'r.yaml:9:11: train.epochs: expected an integer in [1, 10000], got "four"'],
    ["epochs: 4", "epochs: 1.5", "r.yaml:9:11: train.epochs: expected an integer in [1, 10000], got 1.5"],
    ["[0.9, 0.95]", "[0.9, 1]", "r.yaml:16:21: entries[2].sparsity[1]: expected a number in [0, 1), got 1"],
    ["[0.9, 0.95]", ".nan", "r.yaml:16:15: entries[2].sparsity: expected a number in [0, 1), got NaN"],
    ["[0.9, 0.95]", "-0.1", "entries[2].sparsity: expected a number in [0, 1), got -0.1"],
    ["rate: 0.1", "rate: fast", 'r.yaml:11:21: train.schedule.rate: expected a number in [1e-12, 100], got "fast"'],
    [
      "schedule: { rate: 0.1 }",
      "schedule: { rate: 0.1, name: cosin }",
      'expected one of constant, cosine, steps, got "cosin"; did you mean "cosine"?',
    ],
    ["name: test", "name: ../test", "r.yaml:1:7: name: expected a name of letters, digits, . _ -"],
    ["  family: convnet", "  family: convnet\n  options: [1]", "model.options: expected a map of options, got [1]"],
    ["every: 100", "every: 0", "r.yaml:17:23: entries[2].options.every: rigl.every: expected an integer of at least 1, got 0"],
    ["every: 100", "evry: 100", "r.yaml:17:16: entries[2].options.evry: rigl.evry: expected no option of this name"],
    ["every: 100", "every: .inf", "entries[2].options.every: expected a finite number, got Infinity"],
    ["method: rigl", "method: rgil", "entries[2].method: expected one of small-dense, dense,"],
    ["method: rigl", "method: rgil", 'got "rgil"; did you mean "rigl"?'],
    ["sparsity: [0.9, 0.95]", "density: 0.1", "entries[2].density: only small-dense has a density"],
    ["method: dense }", "method: dense, sparsity: 0.9 }", "r.yaml:13:35: entries[0].sparsity: dense takes no sparsity"],
    ["density: 0.1", "sparsity: 0.1", "entries[1].density: missing; small-dense needs"],
    [
      "set: fashion-mnist",
      "set: fashion-mist",
      'r.yaml:4:8: data.set: expected one of fashion-mnist, mnist, cifar10, got "fashion-mist"; did you mean "fashion-mnist"?',
    ],
    ["seed: 3", "seed: 3\nseed: 4", "r.yaml:3:1: Map keys must be unique"],
    ["seed: 3", "seed: [3", "r.yaml:"],
    ["seed: 3", "seed: *nothing", "Unresolved alias"],
    ["seed: 3", "seed: null", "seed: expected an integer in [0, 4294967295], got null"],
    ["quick:\n  data: { train: 100 }", "quick:\n  data: { set: mnist }", "quick.data.set: unknown key"],
  ])("%j -> %j", (from, to, message) => expect(problem(from, to)).toContain(message));

  it("lists every problem, one line each", () =>
    expect(problem("  epochs: 4\n  batch: 128", "  epohcs: 4\n  batch: 0").split("\n")).toHaveLength(3));
  it.each(["", "null", "[]", "42", "just text", "- a\n- b"])("%j is no recipe", (text) =>
    expect(() => readRecipe(text, "r.yaml")).toThrow(/r\.yaml:1:1: the recipe: expected a map with the keys/),
  );
  it("of more than a megabyte is not even parsed", () =>
    expect(() => readRecipe("#".repeat(2 ** 20 + 1), "r.yaml")).toThrow("expected at most 1048576 characters"));
  it("that expands without end is stopped", () => {
    const bomb = [
      "a0: &a0 [x, x, x, x, x, x, x, x, x]",
      ...Array.from({ length: 9 }, (_, i) => `a${i + 1}: &a${i + 1} [${Array(9).fill(`*a${i}`).join(", ")}]`),
    ].join("\n");
    expect(() => readRecipe(bomb, "r.yaml")).toThrow(/Excessive alias count/);
  });
});

describe("10,000 mangled recipes", () => {
  it("are read or refused with an InputError, never anything else", () => {
    const cut = fc.tuple(
      fc.nat(good.length),
      fc.nat(12),
      fc.oneof(
        fc.string({ maxLength: 12 }),
        fc.constantFrom(
          "*a",
          "&a",
          "<<: *a",
          "!!binary x",
          "|",
          ">",
          "? ",
          "- ",
          "{",
          "[",
          "\t",
          "%YAML 9",
          "---",
          "...",
          ".inf",
          "1e999",
          "__proto__: 1",
          "constructor:",
        ),
      ),
    );
    let refused = 0;
    fc.assert(
      fc.property(fc.array(cut, { minLength: 1, maxLength: 4 }), (cuts) => {
        let text = good;
        for (const [at, length, put] of cuts) text = text.slice(0, at) + put + text.slice(at + length);
        try {
          plannedEntries(readRecipe(text, "r.yaml"));
        } catch (error) {
          refused++;
          if (!(error instanceof InputError)) throw error;
          expect(error.message).toMatch(/^(r\.yaml|recipe )/);
        }
      }),
      { numRuns: 10_000 },
    );
    expect(refused).toBeGreaterThan(5000);
  });
});

describe("the recipes that come with the project", () => {
  const folder = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "recipes");
  it.each(readdirSync(folder).filter((name) => name.endsWith(".yaml")))("%s is sound, quick included", (name) => {
    const recipe = readRecipe(readFileSync(join(folder, name), "utf8"), name);
    expect(plannedEntries(recipe).length).toBeGreaterThan(0);
    if (recipe.quick) expect(quickened(recipe).train.epochs).toBeLessThanOrEqual(recipe.train.epochs);
  });
});

describe("nearest", () => {
  it("counts edits, by hand", () => {
    expect(editDistance("kitten", "sitting")).toBe(3);
    expect(editDistance("epohcs", "epochs")).toBe(1);
    expect(editDistance("", "abc")).toBe(3);
  });
  it("suggests what is near and nothing else", () => {
    expect(nearest("sparsty", ["sparsity", "density"])).toBe("sparsity");
    expect(nearest("zzz", ["sparsity", "density"])).toBeUndefined();
  });
});
