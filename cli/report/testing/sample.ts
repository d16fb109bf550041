/** Made-up results of the right form, for tests of the report. No number here was measured. */
import type { EntryResult, RunResults } from "../../run/results.js";

const shapes: readonly (readonly [string, readonly number[]])[] = [
  ["conv0.weight", [16, 1, 3, 3]],
  ["conv1.weight", [32, 16, 3, 3]],
  ["conv2.weight", [64, 32, 3, 3]],
  ["fc0.weight", [128, 3136]],
  ["fc1.weight", [10, 128]],
];

/** One made-up entry. */
export function sampleEntry(name: string, method: string, sparsity: number, accuracy: number): EntryResult {
  const layers = shapes.map(([layer, shape], i) => {
    const params = shape.reduce((a, b) => a * b, 1);
    const share = i === 0 ? 0 : Math.min(0.99, sparsity * (0.85 + 0.05 * i));
    const nonZeros = Math.round(params * (1 - share));
    return {
      name: layer,
      shape,
      params,
      nonZeros,
      sparsity: 1 - nonZeros / params,
      kernel: share > 0.5 ? "csr" : "dense",
      reason: "made up",
      ms: 0.1 * (1.05 - share),
      denseMs: 0.1,
    };
  });
  const params = layers.reduce((sum, layer) => sum + layer.params, 234);
  const nonZeros = layers.reduce((sum, layer) => sum + layer.nonZeros, 234);
  const share = nonZeros / params;
  return {
    id: name.replaceAll(" ", "-"),
    name,
    method,
    seed: 0,
    targetSparsity: sparsity,
    realisedSparsity: sparsity,
    testAccuracy: accuracy,
    params,
    nonZeros,
    bytesOnDisk: Math.round(params * 4 * Math.min(1, 1.5 * share)) + 1000,
    theoreticalFlops: Math.round(9e6 * share),
    denseFlops: 9e6,
    trainingKernels: sparsity === 0 ? "dense" : method === "gradual-magnitude" ? "simulated" : "sparse",
    trainSeconds: 30,
    msBatch1: 0.4 * (0.2 + 0.8 * share),
    msBatch64: 20 * (0.2 + 0.8 * share),
    medians: {
      msBatch1: 0.5 * (0.2 + 0.8 * share),
      msBatch64: 25 * (0.2 + 0.8 * share),
      msBatch1Threads: 0.4 * (0.2 + 0.8 * share),
      msBatch64Threads: 15 * (0.2 + 0.8 * share),
    },
    msBatch1Threads: 0.3 * (0.2 + 0.8 * share),
    msBatch64Threads: 11 * (0.2 + 0.8 * share),
    speedupBatch1: 1 / (0.2 + 0.8 * share),
    speedupBatch64: 1 / (0.2 + 0.8 * share),
    speedupBatch1Threads: 1 / (0.2 + 0.8 * share),
    speedupBatch64Threads: 1 / (0.2 + 0.8 * share),
    speedupSparseLayers: 3.4,
    reloadedEqual: true,
    layers,
    curve: [1, 2, 3, 4, 5].map((epoch) => ({
      epoch,
      trainLoss: 0.9 / epoch + 0.2,
      trainAccuracy: accuracy - 0.2 / epoch,
      testAccuracy: accuracy - 0.15 / epoch ** 1.5 + 0.15 / 5 ** 1.5,
      sparsity: method === "gradual-magnitude" ? sparsity * (1 - (1 - epoch / 5) ** 3) : sparsity,
      seconds: 6,
    })),
    card:
      sparsity === 0
        ? null
        : {
            name: method,
            paper: "1710.01878",
            pattern: "unstructured",
            maskOverTime: "dynamic",
            excluded: ["biases", "normalisation"],
          },
  };
}

/** A made-up run. */
export function sampleResults(): RunResults {
  return {
    format: 1,
    sparseland: "0.0.0",
    machine: { cpu: "Example CPU", cores: 2, memoryGiB: 24, platform: "linux x64", node: "20.0.0", threads: 2 },
    seed: 0,
    recipe: { name: "sample" },
    quick: false,
    entries: [
      sampleEntry("dense", "dense", 0, 0.921),
      { ...sampleEntry("small dense", "small-dense", 0, 0.884), params: 42_000, nonZeros: 42_000, bytesOnDisk: 169_000 },
      ...[0.9, 0.95].flatMap((sparsity, i) => [
        sampleEntry(`static random ${100 * sparsity} %`, "static-random", sparsity, 0.9 - 0.012 * i),
        sampleEntry(`gradual magnitude ${100 * sparsity} %`, "gradual-magnitude", sparsity, 0.917 - 0.006 * i),
        sampleEntry(`SET ${100 * sparsity} %`, "set", sparsity, 0.908 - 0.01 * i),
        sampleEntry(`RigL ${100 * sparsity} %`, "rigl", sparsity, 0.913 - 0.008 * i),
      ]),
    ],
  };
}
