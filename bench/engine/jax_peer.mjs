/**
 * jax-js on WebAssembly: reads the name of a training step a line, runs it once, answers its milliseconds. Name: conv-step.
 *
 * The step: two 3x3 convolutions (3 -> 16 -> 16 channels at 32 x 32, batch 16) with ReLU, mean over the pixels, a linear layer to
 * 10 classes, cross entropy, gradients of all weights, plain SGD. Not pinned to more than one thread: its backend has none.
 */
import { createInterface } from "node:readline";

globalThis.navigator ??= { hardwareConcurrency: 1 };
const { blockUntilReady, defaultDevice, init, jit, lax, nn, numpy: np, valueAndGrad } = await import("@jax-js/jax");
const { version } = JSON.parse(
  (await import("node:fs")).readFileSync(new URL("../node_modules/@jax-js/jax/package.json", import.meta.url), "utf8"),
);

await init("wasm");
defaultDevice("wasm");

const BATCH = 16;
let seed = 1;
/** Small numbers from a linear congruence: the values do not matter to the time. */
const values = (shape, scale) => {
  const data = new Float32Array(shape.reduce((a, b) => a * b, 1));
  for (let i = 0; i < data.length; i++) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    data[i] = (seed / 2 ** 32 - 0.5) * scale;
  }
  return np.array(data).reshape(shape);
};

let params = [values([16, 3, 3, 3], 0.5), values([16, 16, 3, 3], 0.3), values([16, 10], 0.3)];
const x = values([BATCH, 3, 32, 32], 2);
const y = nn.oneHot(np.array(new Int32Array(BATCH).map((_, i) => i % 10)), 10);
const conv = (a, w) =>
  lax.convGeneralDilated(
    a,
    w,
    [1, 1],
    [
      [1, 1],
      [1, 1],
    ],
  );
const loss = ([a, b, c], input, target) => {
  const h = nn.relu(conv(nn.relu(conv(input, a)), b));
  const logits = np.matmul(np.mean(h, [2, 3]), c);
  return np.mean(np.sum(nn.logSoftmax(logits).mul(target), -1)).mul(-1);
};
const step = jit((p, input, target) => {
  const [value, g] = valueAndGrad(loss)(
    p.map((v) => v.ref),
    input,
    target,
  );
  return [value, p.map((v, i) => v.sub(g[i].mul(0.05)))];
});

console.log(`jax-js ${version} wasm`);
for await (const line of createInterface({ input: process.stdin })) {
  if (line.trim() !== "conv-step") throw new Error(`expected conv-step, got ${line}`);
  const start = performance.now();
  const [value, next] = step(params, x.ref, y.ref);
  await blockUntilReady([value, next]);
  const ms = performance.now() - start;
  value.dispose();
  params = next;
  console.log(ms);
}
