/** How well a written model does, run from its file. */
import { createLoader, type Dataset } from "../../src/data/index.js";
import type { Engine } from "../../src/engine/index.js";
import { createSession, type ModelFile } from "../../src/runtime/index.js";

/** Accuracy of a model file as a session runs it. */
export async function accuracyOfFile(engine: Engine, file: ModelFile, test: Dataset, batchSize: number): Promise<number> {
  const session = await createSession(file, { engine });
  const [input] = Object.keys(session.inputs) as [string];
  const [output] = Object.keys(file.program.one.outputs) as [string];
  let right = 0;
  try {
    for (const { inputs, labels, count } of createLoader(test, { batchSize }).epoch(0)) {
      const { data } = (await session.run({ [input]: inputs }))[output]!;
      const classes = data.length / batchSize;
      for (let i = 0; i < count; i++) {
        let best = 0;
        for (let k = 1; k < classes; k++) if (data[i * classes + k]! > data[i * classes + best]!) best = k;
        if (best === labels[i]) right++;
      }
    }
  } finally {
    session.close();
  }
  return right / test.count;
}
