/** What a page (or Node's main thread) and the thread that holds the engine say to each other. */
import type { AnyTensor, Tree } from "../core/index.js";
import type { SentError } from "./errors.js";
import type { ModelSpecs } from "./io.js";
import type { LayerTiming } from "./layers.js";
import type { LayerTimes } from "./timings.js";

/** How the engine is started. */
export interface EngineRequest {
  readonly threads: number;
}

/** How compressed weights run, as in `createSession`. */
export type KernelChoice = "measured" | "sparse" | "dense";

/** What the caller learns of a loaded model. */
export interface LoadedFacts {
  readonly specs: ModelSpecs;
  readonly metadata: Tree<string>;
  readonly layers: readonly LayerTiming[];
  /** Times that were measured now, by layer key. */
  readonly measured: readonly (readonly [key: string, times: LayerTimes])[];
}

/** What the caller learns of an engine. */
export interface EngineFacts {
  /** Threads that walk each plan. */
  readonly threads: number;
  /** Whether the engine's memory is shared between threads. */
  readonly shared: boolean;
}

/** Requests; the answer to each carries its `id`. */
export type Request =
  | { readonly id: number; readonly kind: "open"; readonly engine: EngineRequest }
  | {
      readonly id: number;
      readonly kind: "load";
      readonly session: number;
      readonly bytes: Uint8Array;
      readonly kernels: KernelChoice;
      readonly known: readonly (readonly [key: string, times: LayerTimes])[];
      readonly plans?: number | undefined;
    }
  | {
      readonly id: number;
      readonly kind: "run";
      readonly session: number;
      readonly batch: number;
      readonly inputs: Tree<AnyTensor["data"]>;
    }
  | { readonly id: number; readonly kind: "close"; readonly session: number };

/** Answers. A run gives its input buffers back, to be filled again. */
export type Answer =
  | { readonly id: number; readonly ok: unknown; readonly inputs?: Tree<AnyTensor["data"]> }
  | { readonly id: number; readonly error: SentError };

/** Outputs of a run. */
export type Outputs = Tree<AnyTensor>;
