/** Downloads that are verified by checksum and kept. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { InputError } from "../core/index.js";
import { folderSource, sha256, writeAtomic } from "./files.node.js";
import type { FileSource } from "./sources.js";

/** One file that can be downloaded. */
export interface RemoteFile {
  readonly name: string;
  /** Of the file as it is kept. */
  readonly sha256: string;
  /** Largest size accepted, in bytes. */
  readonly limit: number;
}

/** An archive that holds the files. */
export interface RemoteArchive {
  readonly url: string;
  readonly sha256: string;
  /** Largest size accepted, in bytes. */
  readonly limit: number;
  /** The files of the verified archive, by their names without folders. */
  unpack(bytes: Uint8Array): Promise<ReadonlyMap<string, Uint8Array>>;
}

/** Where files come from, tried in this order. */
export interface Remote {
  readonly files: readonly RemoteFile[];
  /** Addresses to which a file's name is appended. */
  readonly mirrors: readonly string[];
  readonly archives: readonly RemoteArchive[];
}

/** Longest time without an answer, and for a whole file, in milliseconds. */
const TIMES = { answer: 15_000, file: 600_000 };

/** Fetches a whole file of known checksum. @throws InputError or the network's error */
async function fetchVerified(
  url: string,
  expected: { sha256: string; limit: number },
  fetch: typeof globalThis.fetch,
): Promise<Uint8Array> {
  const stop = new AbortController();
  const late = (limit: number) => setTimeout(() => stop.abort(new InputError(`took longer than ${limit / 1000} s`)), limit);
  const timers = [late(TIMES.answer), late(TIMES.file)];
  try {
    const response = await fetch(url, { signal: stop.signal });
    clearTimeout(timers[0]);
    if (!response.ok || !response.body) throw new InputError(`answered ${response.status} ${response.statusText}`);
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      size += chunk.length;
      if (size > expected.limit) throw new InputError(`sends more than the ${expected.limit} bytes expected`);
      chunks.push(chunk);
    }
    const bytes = Buffer.concat(chunks, size);
    const sum = sha256(bytes);
    if (sum !== expected.sha256) throw new InputError(`sent ${size} bytes with sha256 ${sum}, expected ${expected.sha256}`);
    return bytes;
  } finally {
    timers.forEach(clearTimeout);
  }
}

function describeFailure(url: string, error: unknown): string {
  const { message, cause } = error as Error;
  return `${url}: ${message}${cause instanceof Error ? ` (${cause.message})` : ""}`;
}

/**
 * Remote files, kept in `folder`. Each is verified by its checksum when it comes and whenever it is read again; a damaged one is
 * fetched again.
 * @param fetch  the network
 * @throws InputError (on read) that lists every address with what went wrong there
 */
export function downloadSource(where: string, folder: string, remote: Remote, fetch: typeof globalThis.fetch): FileSource {
  const keep = async (file: RemoteFile, bytes: Uint8Array) => {
    await mkdir(folder, { recursive: true });
    await writeAtomic(join(folder, file.name), bytes);
  };
  const kept = async (file: RemoteFile) => {
    const bytes = await folderSource(folder).read(file.name);
    return bytes && sha256(bytes) === file.sha256 ? bytes : null;
  };

  async function fetchFile(file: RemoteFile): Promise<Uint8Array> {
    const failures: string[] = [];
    for (const mirror of remote.mirrors) {
      try {
        const bytes = await fetchVerified(mirror + file.name, file, fetch);
        await keep(file, bytes);
        return bytes;
      } catch (error) {
        failures.push(describeFailure(mirror + file.name, error));
      }
    }
    for (const archive of remote.archives) {
      try {
        const unpacked = await archive.unpack(await fetchVerified(archive.url, archive, fetch));
        for (const one of remote.files) {
          const bytes = unpacked.get(one.name);
          if (!bytes || sha256(bytes) !== one.sha256) throw new InputError(`the archive does not hold the expected ${one.name}`);
          await keep(one, bytes);
        }
        return unpacked.get(file.name)!;
      } catch (error) {
        failures.push(describeFailure(archive.url, error));
      }
    }
    throw new InputError(
      `${where}: ${file.name} cannot be downloaded.\n  ${failures.join("\n  ")}\n  Put the file into ${folder}, or give a local folder as source.`,
    );
  }

  // One file at a time: an archive brings the others with it.
  let last: Promise<unknown> = Promise.resolve();
  return {
    where,
    async read(name) {
      const file = remote.files.find((one) => one.name === name);
      if (!file) return null;
      const mine = last.then(async () => (await kept(file)) ?? fetchFile(file));
      last = mine.catch(() => undefined);
      return mine;
    },
  };
}

/** True when all remote files lie in `folder`; `downloadSource` checks their content. */
export async function isDownloaded(folder: string, remote: Remote): Promise<boolean> {
  for (const { name } of remote.files) if ((await folderSource(folder).read(name)) === null) return false;
  return true;
}
