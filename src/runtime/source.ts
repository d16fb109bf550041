/** Reads a model's bytes from wherever they are, with progress, an abort signal, and every way in which that can fail. */
import { InputError, show } from "../core/index.js";
import { SourceError } from "./errors.js";

/** Where a model may come from. A string is a URL; in Node also a path. Bytes are copied, never detached. */
export type ModelSource = string | URL | Response | ReadableStream<Uint8Array> | Blob | ArrayBuffer | Uint8Array;

/** How far a load has come. */
export interface LoadProgress {
  /** Bytes so far, after any content encoding was undone. */
  readonly received: number;
  /** Bytes of the whole file; undefined where nobody says (no Content-Length, or an encoded response). */
  readonly total: number | undefined;
}

/** Options of reading. */
export interface SourceOptions {
  /** Told after every chunk. */
  readonly onProgress?: ((progress: LoadProgress) => void) | undefined;
  /** Stops the load; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Default: the global `fetch`. */
  readonly fetch?: typeof globalThis.fetch | undefined;
  /** Most bytes to accept. Default 1 GiB. */
  readonly maxBytes?: number | undefined;
}

/** A stream of bytes, its name for messages, and its length where that is known for sure. */
export interface OpenSource {
  readonly name: string;
  readonly total?: number | undefined;
  readonly stream: ReadableStream<Uint8Array>;
}

const MAX_BYTES = 2 ** 30;

/** Content-Length counts encoded bytes; and other origins may hide their encoding, so there it proves nothing. */
function lengthOf({ headers, type }: Response): number | undefined {
  const encoding = headers.get("content-encoding");
  const length = headers.get("content-length");
  if (length === null || type === "cors" || (encoding !== null && encoding !== "identity")) return undefined;
  return /^\d+$/.test(length) ? Number(length) : undefined;
}

function openResponse(response: Response, name: string): OpenSource {
  if (!response.ok)
    throw new SourceError(
      `load: ${name}: the server answered ${response.status} ${response.statusText}`.trimEnd() +
        "; expected 200 with the model file",
    );
  if (response.bodyUsed) throw new SourceError(`load: ${name}: the response's body was read already; fetch it anew`);
  if (!response.body) throw new SourceError(`load: ${name}: the response has no body`);
  return { name, total: lengthOf(response), stream: response.body };
}

async function openSource(source: Exclude<ModelSource, ArrayBuffer | Uint8Array>, options: SourceOptions): Promise<OpenSource> {
  if (source instanceof Response) return openResponse(source, source.url || "the response");
  if (source instanceof ReadableStream) return { name: "the stream", stream: source };
  if (source instanceof Blob) return { name: "the blob", total: source.size, stream: source.stream() };
  if (typeof source !== "string" && !(source instanceof URL))
    throw new InputError(`load: expected a URL, a Response, a stream, a Blob or bytes, got ${show(source)}`);
  const name = String(source).slice(0, 200);
  const fetcher = options.fetch ?? globalThis.fetch;
  let response: Response;
  try {
    response = await fetcher(source, options.signal ? { signal: options.signal } : {});
  } catch (cause) {
    options.signal?.throwIfAborted();
    throw new SourceError(`load: ${name} could not be fetched: ${messageOf(cause)}`, { cause });
  }
  return openResponse(response, name);
}

function messageOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  return cause.cause instanceof Error ? `${cause.message} (${cause.cause.message})` : cause.message;
}

/** Reads an open source to its end. @throws SourceError, or the signal's reason */
export async function readOpen(open: OpenSource, { onProgress, signal, maxBytes = MAX_BYTES }: SourceOptions): Promise<Uint8Array> {
  const { name, total, stream } = open;
  const tooLarge = (bytes: number) =>
    new SourceError(`load: ${name}: ${bytes} bytes are more than the limit of ${maxBytes}; raise maxBytes if you trust the source`);
  const reader = stream.getReader();
  const stop = () => void reader.cancel(signal?.reason).catch(() => {});
  signal?.addEventListener("abort", stop, { once: true });
  const chunks: Uint8Array[] = [];
  let received = 0;
  try {
    signal?.throwIfAborted();
    if (total !== undefined && total > maxBytes) throw tooLarge(total);
    onProgress?.({ received, total });
    for (;;) {
      let step: ReadableStreamReadResult<Uint8Array>;
      try {
        step = await reader.read();
      } catch (cause) {
        signal?.throwIfAborted();
        const of = total === undefined ? "" : ` of ${total}`;
        throw new SourceError(`load: ${name}: the transfer broke after ${received}${of} bytes: ${messageOf(cause)}`, { cause });
      }
      signal?.throwIfAborted();
      if (step.done) break;
      if (!(step.value instanceof Uint8Array))
        throw new SourceError(`load: ${name}: expected a stream of Uint8Array, got ${show(step.value)}`);
      chunks.push(step.value);
      received += step.value.length;
      if (received > maxBytes) throw tooLarge(received);
      onProgress?.({ received, total });
    }
    if (total !== undefined && received !== total)
      throw new SourceError(
        `load: ${name}: expected ${total} bytes, got ${received}: the transfer was cut short or the length is wrong`,
      );
  } catch (error) {
    void reader.cancel(error).catch(() => {});
    throw error;
  } finally {
    signal?.removeEventListener("abort", stop);
  }
  const bytes = new Uint8Array(received);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

/**
 * All bytes of a source, in memory of their own.
 * @throws SourceError when it cannot be read or is larger than `maxBytes`; the signal's reason when it is aborted
 */
export async function readSource(source: ModelSource, options: SourceOptions = {}): Promise<Uint8Array> {
  options.signal?.throwIfAborted();
  if (!(source instanceof ArrayBuffer) && !(source instanceof Uint8Array))
    return readOpen(await openSource(source, options), options);
  const bytes = new Uint8Array(source.byteLength);
  if (bytes.length > (options.maxBytes ?? MAX_BYTES))
    throw new SourceError(`load: ${bytes.length} bytes are more than the limit of ${options.maxBytes ?? MAX_BYTES}`);
  bytes.set(source instanceof ArrayBuffer ? new Uint8Array(source) : source);
  options.onProgress?.({ received: bytes.length, total: bytes.length });
  return bytes;
}
