/** An index in memory: the file's bytes inside the kernels' memory, its arrays as views, and everything checked once. */
import { FormatError, InputError } from "../core/index.js";
import { wasmBase64 } from "../kernels/generated/retrieval.js";
import { type IndexHeader, readHeader } from "./format.js";
import { recordStart, valueBytes } from "./forward.js";
import { xxHash32 } from "./hash.js";
import type { StringTable } from "./strings.js";

/** First byte of the file in memory: below lie the kernels' own constants. */
export const FILE_BASE = 65536;
const PAGE = 65536;
/** 32-bit addresses end here. */
const MAX_PAGES = 65536;

/** Memory with room for a file at `FILE_BASE`; `bytes` is that room. */
export interface FileMemory {
  readonly memory: WebAssembly.Memory;
  readonly shared: boolean;
  readonly bytes: Uint8Array;
}

/** @throws InputError when a file of `fileBytes` bytes and the room to search it pass 4 GiB: checked before one is built, too */
export function requireRoom(fileBytes: number): void {
  if (Math.ceil((FILE_BASE + fileBytes) / PAGE) > MAX_PAGES - 1024)
    throw new InputError(
      `index: a file of ${fileBytes} bytes does not fit 32-bit memory with room to search; split the collection into several indexes`,
    );
}

/**
 * Memory for a file of `fileBytes` bytes.
 *
 * @param shared a SharedArrayBuffer that several threads search at once
 * @throws InputError when the file and the room to search it pass 4 GiB, or memory is refused
 */
export function reserve(fileBytes: number, shared: boolean): FileMemory {
  requireRoom(fileBytes);
  const pages = Math.ceil((FILE_BASE + fileBytes) / PAGE);
  let memory: WebAssembly.Memory;
  try {
    memory = new WebAssembly.Memory({ initial: pages, maximum: MAX_PAGES, shared });
  } catch (cause) {
    throw new InputError(
      `index: this machine refused ${Math.round((pages * PAGE) / 2 ** 20)} MiB of memory; close something, or split the collection`,
      { cause },
    );
  }
  return { memory, shared, bytes: new Uint8Array(memory.buffer, FILE_BASE, fileBytes) };
}

/** Adds `bytes` of room behind what the memory holds; returns its address. @throws InputError when memory is refused */
export function extend(memory: WebAssembly.Memory, bytes: number): number {
  const at = memory.buffer.byteLength;
  try {
    memory.grow(Math.ceil(bytes / PAGE));
  } catch (cause) {
    throw new InputError(
      `index: no ${Math.round(bytes / 2 ** 20)} MiB more memory to search with (4 GiB is the most); use fewer threads, or split the collection`,
      { cause },
    );
  }
  return at;
}

const compiled = new Map<string, Promise<WebAssembly.Module>>();

/** The search kernels' module, compiled once; for shared memory its import is declared shared. */
export const kernelModule = (shared: boolean): Promise<WebAssembly.Module> => compileOnce(wasmBase64, shared);

/** Compiles a module once. */
export function compileOnce(base64: string, shared: boolean): Promise<WebAssembly.Module> {
  const key = `${shared} ${base64}`;
  let module = compiled.get(key);
  if (!module) {
    const bytes = decodeBase64(base64);
    module = WebAssembly.compile(shared ? declareShared(bytes) : bytes);
    compiled.set(key, module);
  }
  return module;
}

function decodeBase64(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}

/** Sets the shared bit of the limits of the imported memory `env.memory`: loads and stores are the same instructions. */
function declareShared(wasm: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const name = [3, 0x65, 0x6e, 0x76, 6, 0x6d, 0x65, 0x6d, 0x6f, 0x72, 0x79, 2, 1];
  for (let i = 8; i + name.length <= wasm.length; i++) {
    if (name.every((b, j) => wasm[i + j] === b)) {
      wasm[i + name.length - 1] = 3;
      return wasm;
    }
  }
  throw new Error("retrieval kernels: the module does not import a memory with a maximum");
}

/** The arrays of an index, as views on the memory at the time of asking (growing plain memory moves it). */
export interface StoreArrays {
  readonly docQuads: Uint32Array;
  readonly forward: Uint8Array;
  readonly listBlocks: Uint32Array;
  readonly blockStarts: Uint32Array;
  readonly postings: Uint32Array;
  readonly blockMin: Float32Array;
  readonly blockStep: Float32Array;
  readonly listTerms: Uint32Array;
  readonly termCoords: Uint16Array | Uint32Array;
  readonly termStarts: Uint16Array | Uint32Array;
  readonly listEntries: Uint32Array;
  readonly entries: Uint8Array;
  readonly neighbours?: Uint32Array;
}

/** An open index. */
export interface Store {
  readonly memory: WebAssembly.Memory;
  readonly shared: boolean;
  readonly header: IndexHeader;
  readonly fileBytes: number;
  /** fresh views of every array */
  arrays(): StoreArrays;
  /** ids, payloads and vocabulary, outside the kernels' memory */
  readonly ids?: StringTable;
  readonly payloads?: StringTable;
  readonly tokens?: StringTable;
  /** blocks of the list that has most */
  readonly mostBlocks: number;
}

const fail = (problem: string): never => {
  throw new FormatError("index file", `${problem}; the file is damaged, build it again`);
};

/**
 * Checks a file that lies in `memory` and gives its arrays: checksums of every section, then every offset and number
 * that a search will follow. After this no search can leave the arrays.
 * @throws FormatError when the file is damaged
 */
export function openStore(file: FileMemory): Store {
  const { memory, shared } = file;
  const fileBytes = file.bytes.length;
  const header = readHeader(file.bytes, fileBytes);
  for (const [name, s] of Object.entries(header.sections)) {
    if (xxHash32(file.bytes.subarray(s.at, s.at + s.bytes)) !== s.hash) fail(`section ${name}: its checksum differs`);
  }
  const arrays = () => viewsOf(memory.buffer, header);
  const mostBlocks = checkArrays(header, arrays());
  const table = (name: string, count: number): { [key: string]: StringTable } => {
    if (!header.sections[name]) return {};
    const offsets = section(memory.buffer, header, `${name}Offsets`, Uint32Array).slice();
    const bytes = section(memory.buffer, header, name, Uint8Array).slice();
    if (offsets.length !== count + 1) fail(`section ${name}Offsets has ${offsets.length} numbers, expected ${count + 1}`);
    ascending(`${name}Offsets`, offsets, bytes.length);
    return { [name]: { offsets, bytes } };
  };
  const { docs, dim } = header;
  return {
    memory,
    shared,
    header,
    fileBytes,
    arrays,
    mostBlocks,
    ...table("ids", docs),
    ...table("payloads", docs),
    ...table("tokens", dim),
  };
}

type ArrayOf<A> = { readonly BYTES_PER_ELEMENT: number; new (buffer: ArrayBufferLike, at: number, length: number): A };

function section<A>(buffer: ArrayBufferLike, header: IndexHeader, name: string, kind: ArrayOf<A>): A {
  const s = header.sections[name];
  if (!s) return fail(`section ${name} is missing`);
  if (s.bytes % kind.BYTES_PER_ELEMENT !== 0)
    fail(`section ${name}: ${s.bytes} bytes are no multiple of ${kind.BYTES_PER_ELEMENT}`);
  return new kind(buffer, FILE_BASE + s.at, s.bytes / kind.BYTES_PER_ELEMENT);
}

function viewsOf(buffer: ArrayBufferLike, header: IndexHeader): StoreArrays {
  const get = <A>(name: string, kind: ArrayOf<A>) => section(buffer, header, name, kind);
  return {
    docQuads: get("docQuads", Uint32Array),
    forward: get("forward", Uint8Array),
    listBlocks: get("listBlocks", Uint32Array),
    blockStarts: get("blockStarts", Uint32Array),
    postings: get("postings", Uint32Array),
    blockMin: get("blockMin", Float32Array),
    blockStep: get("blockStep", Float32Array),
    listTerms: get("listTerms", Uint32Array),
    termCoords: header.wideCoords ? get("termCoords", Uint32Array) : get("termCoords", Uint16Array),
    termStarts: header.wideStarts ? get("termStarts", Uint32Array) : get("termStarts", Uint16Array),
    listEntries: get("listEntries", Uint32Array),
    entries: get("entries", Uint8Array),
    ...(header.neighbours > 0 ? { neighbours: get("neighbours", Uint32Array) } : {}),
  };
}

function ascending(name: string, a: Uint32Array, end: number): void {
  if (a[0] !== 0 || a[a.length - 1] !== end) fail(`section ${name} runs from ${a[0]} to ${a[a.length - 1]}, expected 0 to ${end}`);
  for (let i = 1; i < a.length; i++) if (a[i]! < a[i - 1]!) fail(`section ${name} decreases at ${i}`);
}

function below(name: string, a: ArrayLike<number>, limit: number, except = -1): void {
  for (let i = 0; i < a.length; i++)
    if (a[i]! >= limit && a[i] !== except) fail(`section ${name}: ${a[i]} at ${i} is not below ${limit}`);
}

function checkArrays(header: IndexHeader, a: StoreArrays): number {
  const { docs, dim, values, wideCoords } = header;
  const blocks = a.blockMin.length;
  for (const [name, array] of [
    ["docQuads", a.docQuads],
    ["listBlocks", a.listBlocks],
    ["listTerms", a.listTerms],
    ["listEntries", a.listEntries],
  ] as const) {
    const expect = (name === "docQuads" ? docs : dim) + 1;
    if (array.length !== expect) fail(`section ${name} has ${array.length} numbers, expected ${expect}`);
  }
  ascending("docQuads", a.docQuads, a.docQuads[docs]!);
  const expected = recordStart({ kind: values, wide: wideCoords, quads: a.docQuads }, docs);
  if (a.forward.length !== expected) fail(`section forward has ${a.forward.length} bytes, expected ${expected}`);
  ascending("listBlocks", a.listBlocks, blocks);
  if (a.blockStep.length !== blocks || a.blockStarts.length !== blocks + 1) fail("sections of blocks have different lengths");
  ascending("blockStarts", a.blockStarts, a.postings.length);
  below("postings", a.postings, docs);
  ascending("listTerms", a.listTerms, a.termCoords.length);
  below("termCoords", a.termCoords, dim);
  const stride = header.wideBlocks ? 3 : 2;
  if (a.entries.length % stride !== 0) fail(`section entries: ${a.entries.length} bytes are no multiple of ${stride}`);
  ascending("listEntries", a.listEntries, a.entries.length / stride);
  if (a.termStarts.length !== a.termCoords.length + dim) fail("section termStarts has the wrong length");
  let most = 0;
  for (let c = 0; c < dim; c++) {
    const count = a.listBlocks[c + 1]! - a.listBlocks[c]!;
    most = Math.max(most, count);
    const entries = a.listEntries[c + 1]! - a.listEntries[c]!;
    let last = 0;
    for (let t = a.listTerms[c]! + c; t <= a.listTerms[c + 1]! + c; t++) {
      const s = a.termStarts[t]!;
      if (s < last || s > entries) fail(`section termStarts: ${s} in list ${c}`);
      last = s;
    }
    for (let e = a.listEntries[c]! * stride; e < a.listEntries[c + 1]! * stride; e += stride) {
      const b = header.wideBlocks ? a.entries[e]! | (a.entries[e + 1]! << 8) : a.entries[e]!;
      if (b >= count) fail(`section entries: block ${b} of ${count} in list ${c}`);
    }
  }
  if (a.neighbours && a.neighbours.length !== docs * header.neighbours) fail("section neighbours has the wrong length");
  if (a.neighbours) below("neighbours", a.neighbours, docs, 0xffffffff);
  checkCoordinates(header, a);
  return most;
}

/** Coordinates of the forward index: the dense query is read at each of them. */
function checkCoordinates({ docs, dim, values, wideCoords }: IndexHeader, a: StoreArrays): void {
  if (!wideCoords && dim === 65536) return;
  const quadBytes = 4 * ((wideCoords ? 4 : 2) + valueBytes(values));
  const place = { kind: values, wide: wideCoords, quads: a.docQuads };
  const half = new Uint16Array(a.forward.buffer, a.forward.byteOffset, a.forward.length >>> 1);
  const word = new Uint32Array(a.forward.buffer, a.forward.byteOffset, a.forward.length >>> 2);
  const coords = wideCoords ? word : half;
  const shift = wideCoords ? 2 : 1;
  for (let d = 0; d < docs; d++) {
    let at = recordStart(place, d) + (values === "u8" ? 4 : 0);
    for (let q = a.docQuads[d]!; q < a.docQuads[d + 1]!; q++, at += quadBytes) {
      const i = at >>> shift;
      if (coords[i]! >= dim || coords[i + 1]! >= dim || coords[i + 2]! >= dim || coords[i + 3]! >= dim)
        fail(`section forward: document ${d} has a coordinate of at least ${dim}`);
    }
  }
}
