/** What importers take and give. */
import type { DType, Tensor, Tree } from "../../core/index.js";
import type { ExternalData } from "../../formats/index.js";
import type { Mask } from "../interpret.js";
import type { BatchProgram } from "../passes/batch.js";

/** Options of `importOnnx`. */
export interface ImportOptions {
  /**
   * Sizes of symbolic dims by symbol, or by place as `input.axis` (`x.2`) where the file gives no symbol. The first dim of the
   * inputs is the batch and stays open unless it is named here.
   */
  readonly dims?: Readonly<Record<string, number>>;
  /** Gives the files that hold tensors beside the model. */
  readonly external?: ExternalData;
  /** Most elements of one stored tensor, default 2^28. */
  readonly tensorLimit?: number;
}

/** What an input or output of an imported program looks like. */
export interface Port {
  /** At batch 1 where the batch is open. */
  readonly shape: readonly number[];
  readonly dtype: DType;
}

/** An imported model. */
export interface Imported {
  /** For `atBatch`, sessions and `packModel`. With a fixed batch nothing in it grows. */
  readonly program: BatchProgram;
  /** `any`, or the one batch that it runs at and why. */
  readonly batch: "any" | { readonly fixed: number; readonly reason: string };
  readonly params: Tree<Tensor>;
  /** Of params that were stored as sparse tensors: 1 where an element was stored. */
  readonly masks: Tree<Mask>;
  readonly inputs: Tree<Port>;
  readonly outputs: Tree<Port>;
}

/** An operator of a model that cannot be imported. */
export interface Unsupported {
  /** With its domain where that is not the standard one: `com.microsoft.FusedMatMul`. */
  readonly operator: string;
  /** How many nodes use it. */
  readonly count: number;
  /** Names of the first of them. */
  readonly nodes: readonly string[];
  /** Supported operators of similar name. */
  readonly nearby: readonly string[];
}
