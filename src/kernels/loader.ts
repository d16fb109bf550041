/**
 * Loads the engine's WebAssembly module: picks the flavour that this machine can run, with shared memory where threads are possible.
 */
import { InputError, OptionError, requireInteger, requireOneOf } from "../core/index.js";
import { flavors, int8Bytes, moduleBytes } from "./embedded.js";
import { signatures, version } from "./generated/signatures.js";
import type { Views } from "./reference/views.js";
import type { Flavor } from "./templates/emit.js";
import type { Int8Flavor } from "./templates/int8/arithmetic.js";

/** The name of a kernel. */
export type KernelName = keyof typeof signatures;

/** Kernel functions (numbers in the order of their parameters; `scratch`, where a kernel has one, is last) and the dispatcher. */
export type KernelExports = Readonly<Record<KernelName, (...args: number[]) => void>> & {
  /** Runs the instructions in [pc, end). */
  readonly exec: (pc: number, end: number, scratch: number) => void;
  /** Runs a plan on `threads` threads; 1 = a thread was lost. */
  readonly run: (threads: number, plan: number, scratch: number, bytes: number) => number;
  readonly serve: (tid: number, ticket: number) => void;
  /** First address that no part of the module uses. */
  readonly heapBase: WebAssembly.Global;
  /** Hash of the signatures that the module was built with. */
  readonly version: WebAssembly.Global;
};

/** A loaded module and its memory. */
export interface Kernels {
  readonly exports: KernelExports;
  readonly memory: WebAssembly.Memory;
  /** The compiled module: what a worker instantiates on the same memory. */
  readonly module: WebAssembly.Module;
  readonly flavor: Flavor;
  /** Whether the memory is shared, so that threads can work on it. */
  readonly shared: boolean;
  /** Most pages of 64 KiB that the memory may grow to. */
  readonly maximumPages: number;
  readonly signatures: typeof signatures;
  /**
   * Loads the int8 kernels onto the same memory; until then their instructions trap. Every build gives the same bits; plans that were packed
   * for one build run on that build alone.
   * @param flavor all but `plain` need relaxed SIMD; default: relaxed where the host has it
   * @returns the build that is loaded, and its bytes: threads make their own instance from a copy in the shared memory
   */
  loadInt8(flavor?: Int8Flavor): Promise<Int8Module>;
  /** Tells whoever waits for other threads in the middle of a plan, every quarter of a second. */
  onWait(told: () => void): void;
  /** The build that `loadInt8` loaded. */
  readonly int8: Int8Module | undefined;
  /** Typed views over the whole memory; call it again after anything may have grown the memory. */
  views(): Views;
}

/** The loaded module of the int8 kernels. */
export interface Int8Module {
  readonly flavor: Int8Flavor;
  readonly bytes: Uint8Array;
}

/** Options of `loadKernels`. */
export interface LoadOptions {
  /** `plain` is bit-exact against the references; `relaxed` fuses multiply and add; `auto` (default) takes relaxed where it runs. */
  readonly flavor?: "auto" | Flavor | undefined;
  /** Shared memory, needed by threads. Default: wherever SharedArrayBuffer exists (in a browser: a cross-origin isolated page). */
  readonly shared?: boolean | undefined;
  /** A memory to use instead of a new one; its sharing decides `shared`. */
  readonly memory?: WebAssembly.Memory | undefined;
  /** First size of a new memory in pages of 64 KiB, at least 1. Default 64. */
  readonly pages?: number | undefined;
  /** Most pages of a new memory, at most 65536 (4 GiB). Default: the most that the host grants. */
  readonly maximumPages?: number | undefined;
}

/** Bytes of a WebAssembly page. */
export const PAGE = 65536;
const MOST_PAGES = 65536;

/** A module with one function `f32x4.relaxed_madd`: valid exactly where relaxed SIMD is on. */
const RELAXED_PROBE = new Uint8Array([
  0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 8, 1, 0x60, 3, 0x7b, 0x7b, 0x7b, 1, 0x7b, 3, 2, 1, 0, 10, 13, 1, 11, 0, 0x20, 0, 0x20, 1,
  0x20, 2, 0xfd, 0x85, 2, 0x0b,
]);

/** Whether this host runs relaxed SIMD. */
export function hasRelaxedSimd(): boolean {
  return WebAssembly.validate(RELAXED_PROBE);
}

/** Whether this host can share memory between threads. */
export function canShareMemory(): boolean {
  return typeof SharedArrayBuffer === "function" && (globalThis as { crossOriginIsolated?: boolean }).crossOriginIsolated !== false;
}

/**
 * Makes the module's imported memory a non-shared one (limits flag 3, shared with maximum, becomes 1, with maximum), in place.
 * @throws InputError when the module has no such import
 */
export function unshareMemory(bytes: Uint8Array): void {
  let at = 8;
  const leb = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++]!;
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const id = bytes[at++];
    const end = leb() + at;
    if (id !== 2) {
      at = end;
      continue;
    }
    for (let left = leb(); left > 0; left--) {
      for (let name = 0; name < 2; name++) {
        const length = leb();
        at += length;
      }
      const kind = bytes[at++];
      if (kind === 0) {
        leb(); // a function's type
        continue;
      }
      if (kind !== 2) break;
      if (bytes[at] === 3) {
        bytes[at] = 1;
        return;
      }
    }
    break;
  }
  throw new InputError(
    "unshareMemory: expected a module that imports a shared memory, found none; rebuild with npm run build:kernels",
  );
}

const compiled = new Map<string, Promise<WebAssembly.Module>>();

function moduleFor(flavor: Flavor, shared: boolean): Promise<WebAssembly.Module> {
  const key = `${flavor} ${shared}`;
  let module = compiled.get(key);
  if (!module) {
    const bytes = moduleBytes(flavor);
    if (!shared) unshareMemory(bytes);
    module = WebAssembly.compile(bytes);
    compiled.set(key, module);
  }
  return module;
}

/** Compiles and instantiates the int8 kernels. @returns what runs one of their instructions */
async function int8Kernels(memory: WebAssembly.Memory, flavor: Int8Flavor, shared: boolean) {
  const bytes = await int8Bytes(flavor);
  if (!shared) unshareMemory(bytes);
  const { instance } = await WebAssembly.instantiate(bytes, { env: { memory } });
  const exports = instance.exports as unknown as { readonly one: (pc: number) => void; readonly version: WebAssembly.Global };
  if (exports.version?.value !== version)
    throw new InputError("loadInt8: the compiled int8 kernels and their signatures differ; run npm run build:kernels");
  return { one: exports.one, module: { flavor, bytes } };
}

/** Some hosts refuse to reserve 4 GiB: halve the maximum until granted. */
function createMemory(
  initial: number,
  maximum: number | undefined,
  shared: boolean,
): { memory: WebAssembly.Memory; maximum: number } {
  for (let most = maximum ?? MOST_PAGES; ; most = Math.max(initial, Math.floor(most / 2))) {
    try {
      return { memory: new WebAssembly.Memory({ initial, maximum: most, shared }), maximum: most };
    } catch (cause) {
      if (maximum !== undefined || most <= initial) {
        const mib = (pages: number) => `${(pages * PAGE) / 1048576} MiB`;
        throw new InputError(
          `loadKernels: expected a WebAssembly memory of ${mib(initial)} that may grow to ${mib(most)}, the host refused it; ask for fewer pages`,
          { cause },
        );
      }
    }
  }
}

/**
 * Loads the kernels.
 *
 * @param options see LoadOptions
 * @returns the kernels over their memory
 * @throws OptionError for options out of range, or `flavor: "relaxed"` where the host lacks relaxed SIMD, or `shared: true` where it lacks
 *         SharedArrayBuffer; InputError when the host refuses the memory
 */
export async function loadKernels(options: LoadOptions = {}): Promise<Kernels> {
  const { memory: given, pages = 64, maximumPages } = options;
  const wanted = requireOneOf("loadKernels.flavor", options.flavor ?? "auto", ["auto", "plain", "relaxed"]);
  requireInteger("loadKernels.pages", pages, 1, MOST_PAGES);
  if (maximumPages !== undefined) requireInteger("loadKernels.maximumPages", maximumPages, pages, MOST_PAGES);
  const relaxed = flavors.includes("relaxed") && hasRelaxedSimd();
  if (wanted === "relaxed" && !relaxed)
    throw new OptionError("loadKernels.flavor", "a flavour that this host runs (plain)", wanted);
  const flavor: Flavor = wanted === "auto" ? (relaxed ? "relaxed" : "plain") : wanted;
  const isShared = (memory: WebAssembly.Memory) =>
    typeof SharedArrayBuffer === "function" && (memory.buffer as unknown) instanceof SharedArrayBuffer;
  const shared = given ? isShared(given) : (options.shared ?? canShareMemory());
  if (shared && !given && !canShareMemory()) {
    throw new OptionError(
      "loadKernels.shared",
      "false: this host has no shared memory (a page must be cross-origin isolated)",
      shared,
    );
  }
  const made = given ? { memory: given, maximum: MOST_PAGES } : createMemory(pages, maximumPages, shared);
  const module = await moduleFor(flavor, shared);
  let int8: Int8Module | undefined;
  const loading = new Map<Int8Flavor, ReturnType<typeof int8Kernels>>();
  let one: (pc: number) => void = () => {
    throw new InputError("kernels: an int8 instruction, and no int8 kernels are loaded; call loadInt8 first");
  };
  let waits = () => {};
  const extension = (pc: number) => (pc ? one(pc) : waits());
  const instance = await WebAssembly.instantiate(module, { env: { memory: made.memory, extension } });
  const exports = instance.exports as unknown as KernelExports;
  if (exports.version?.value !== version) {
    throw new InputError("loadKernels: the compiled kernels and their signatures differ; run npm run build:kernels");
  }
  const { memory } = made;
  let views: Views | undefined;
  return {
    exports,
    memory,
    module,
    flavor,
    shared,
    maximumPages: made.maximum,
    signatures,
    onWait(told) {
      waits = told;
    },
    get int8() {
      return int8;
    },
    async loadInt8(asked) {
      // Which builds of the float kernels there are has no say here: a bundle may carry the plain one alone.
      const relaxedRuns = hasRelaxedSimd();
      const build = asked ?? (relaxedRuns ? "relaxed" : "plain");
      if (build !== "plain" && !relaxedRuns)
        throw new OptionError("loadInt8.flavor", "a flavour that this host runs (plain)", build);
      if (!loading.has(build)) loading.set(build, int8Kernels(memory, build, shared));
      const loaded = await loading.get(build)!;
      one = loaded.one;
      int8 = loaded.module;
      return int8;
    },
    views() {
      const buffer = memory.buffer;
      if (views?.u8.buffer !== buffer) {
        views = {
          f32: new Float32Array(buffer),
          i32: new Int32Array(buffer),
          u32: new Uint32Array(buffer),
          u8: new Uint8Array(buffer),
          f64: new Float64Array(buffer),
        };
      }
      return views;
    },
  };
}
