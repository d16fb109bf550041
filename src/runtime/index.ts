/** Load a model file and run it: dense or sparse per layer by measured time. */
import { type AsyncSession, type LoadOptions, loadInto, openRuntime, type Runtime, type RuntimeOptions } from "./load.js";
import { nodePlatform } from "./platform.node.js";
import type { ModelSource } from "./source.js";

export * from "./shared.js";

/**
 * Loads a model.
 *
 *     const session = await load("model.safetensors", { onProgress: ({ received, total }) => console.log(received, total) });
 *     const { logits } = await session.run({ x: pixels });
 *     await session.close();
 *
 * @param source a URL, a Response, a stream, a Blob or bytes; in Node also a path
 * @throws SourceError when it cannot be fetched or read to its end; FormatError when it is no model file of this version; OptionError
 *   for options out of range; the signal's reason when it is aborted; SessionError when the engine's worker died
 */
export function load(source: ModelSource, options: LoadOptions = {}): Promise<AsyncSession> {
  return loadInto(nodePlatform(), source, options);
}

/**
 * Starts an engine that several sessions share: one memory and one set of threads, their runs one after another.
 *
 *     const runtime = await createRuntime({ threads: 2 });
 *     const [a, b] = await Promise.all([runtime.load(first), runtime.load(second)]);
 *
 * @throws OptionError for options out of range; InputError when a thread does not start
 */
export function createRuntime(options: RuntimeOptions = {}): Promise<Runtime> {
  return openRuntime(nodePlatform(), options);
}
