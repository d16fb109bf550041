import { OptionError, requireInteger } from "../core/index.js";
import type { Batch, Loader } from "./loader.js";

/**
 * Keeps up to `depth` items of an iterable ready ahead of the consumer: work of an asynchronous source (files, network, a worker)
 * overlaps with the consumer's. Items come in order; a failure comes where its item would have.
 * @throws OptionError when `depth` is no integer of at least 1
 */
export async function* prefetch<T>(source: Iterable<T> | AsyncIterable<T>, depth: number): AsyncGenerator<T, void, undefined> {
  requireInteger("prefetch.depth", depth, 1);
  const iterator = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
  const ready: Promise<IteratorResult<T>>[] = [];
  let ended = false;
  const ask = () => {
    // An async function, so that a synchronous throw becomes a rejection that waits its turn.
    const next = (async () => iterator.next())();
    next.then(
      (result) => (ended ||= result.done === true),
      () => (ended = true),
    );
    ready.push(next);
  };
  try {
    while (true) {
      while (ready.length < depth && !ended) ask();
      const next = ready.shift();
      if (!next) return;
      const result = await next;
      if (result.done) return;
      if (!ended) ask();
      yield result.value;
    }
  } finally {
    await Promise.allSettled(ready);
    await iterator.return?.();
  }
}

/**
 * The batches of one epoch, `depth` ahead.
 * @throws OptionError when the loader has too few buffers for batches to stay valid: it needs depth + 1
 */
export function prefetchEpoch(loader: Loader, epoch: number, depth: number, from = 0): AsyncGenerator<Batch, void, undefined> {
  if (loader.buffers < depth + 1)
    throw new OptionError("loader.buffers", `at least ${depth + 1} for a prefetch depth of ${depth}`, loader.buffers);
  return prefetch(loader.epoch(epoch, from), depth);
}
