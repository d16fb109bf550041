/** Building an index: prune, group, summarise, encode. */
import { InputError, OptionError, type Rng, requireInteger, requireNumber, requireOneOf } from "../core/index.js";
import { fixedBlocker, geometricBlocker, headsOf } from "./blocks.js";
import { checkMatrix, type SparseMatrix, transpose } from "./csr.js";
import { encodeForward, type ForwardIndex, type ValueKind } from "./forward.js";
import { buildLists, type Lists } from "./lists.js";
import { pruneLists } from "./prune.js";

/** How an index is built. The names in brackets are the paper's or the authors' code's. */
export interface BuildOptions {
  /** postings per list, on average with `global` pruning, at most with `fixed` [lambda, n_postings]; 4000 */
  readonly postingsPerList?: number;
  /** static pruning; `global` */
  readonly pruning?: "global" | "fixed";
  /** cap of a list as a multiple of `postingsPerList`, for `global` [max_fraction]; 3 */
  readonly maxFraction?: number;
  /** centroids per document of a list, in (0, 1] [centroid_fraction]; 0.1 */
  readonly centroidFraction?: number;
  /** groups of at most this many documents are dissolved [min_cluster_size]; 2 */
  readonly minClusterSize?: number;
  /** groups of more than this many documents are grouped again; 0 leaves them, as in the paper; 16 */
  readonly maxClusterSize?: number;
  /** nearness to a centroid: `inner` product as in the paper, or `cosine`; `cosine` */
  readonly similarity?: "inner" | "cosine";
  /** most blocks of one list, at most 65536 [beta]; 65536 */
  readonly maxBlocks?: number;
  /** coordinates of a document that decide its group [doc_cut]; 15 */
  readonly documentCut?: number;
  /** share of a block's mass that its summary keeps, in (0, 1] [alpha, summary_energy]; 0.4 */
  readonly summaryEnergy?: number;
  /** keep this many entries per summary instead (ablation) */
  readonly summaryCount?: number;
  /** `nearest`, or `up`: then with `summaryEnergy` 1 and `heapFactor` 1 skipping is exact */
  readonly summaryRounding?: "nearest" | "up";
  /** `geometric`, or `fixed` blocks in document order (ablation) */
  readonly blocking?: "geometric" | "fixed";
  /** how the forward index stores weights; `f16` */
  readonly values?: ValueKind;
  /** stored nearest neighbours per document, found with the index itself [n_knn]; 0 */
  readonly neighbours?: number;
}

/** The options with every default filled in. */
export type BuildConfig = Required<Omit<BuildOptions, "summaryCount">> & { readonly summaryCount: number | null };

/** Fills in defaults. @throws OptionError when an option is outside its range */
export function buildConfig(options: BuildOptions): BuildConfig {
  const fraction = (name: string, value: number) => {
    if (!(value > 0 && value <= 1)) throw new OptionError(`index.${name}`, "a number in (0, 1]", value);
    return value;
  };
  const { summaryCount } = options;
  return {
    postingsPerList: requireInteger("index.postingsPerList", options.postingsPerList ?? 4000, 1, 0xffffffff),
    pruning: requireOneOf("index.pruning", options.pruning ?? "global", ["global", "fixed"]),
    maxFraction: requireNumber("index.maxFraction", options.maxFraction ?? 3, 1),
    centroidFraction: fraction("centroidFraction", options.centroidFraction ?? 0.1),
    minClusterSize: requireInteger("index.minClusterSize", options.minClusterSize ?? 2),
    maxClusterSize: requireInteger("index.maxClusterSize", options.maxClusterSize ?? 16),
    similarity: requireOneOf("index.similarity", options.similarity ?? "cosine", ["inner", "cosine"]),
    maxBlocks: requireInteger("index.maxBlocks", options.maxBlocks ?? 65536, 1, 65536),
    documentCut: requireInteger("index.documentCut", options.documentCut ?? 15, 1, 255),
    summaryEnergy: fraction("summaryEnergy", options.summaryEnergy ?? 0.4),
    summaryCount: summaryCount == null ? null : requireInteger("index.summaryCount", summaryCount, 1),
    summaryRounding: requireOneOf("index.summaryRounding", options.summaryRounding ?? "nearest", ["nearest", "up"]),
    blocking: requireOneOf("index.blocking", options.blocking ?? "geometric", ["geometric", "fixed"]),
    values: requireOneOf("index.values", options.values ?? "f16", ["f16", "u8", "f32"]),
    neighbours: requireInteger("index.neighbours", options.neighbours ?? 0, 0, 1000),
  };
}

/** What a build makes; `writeIndex` lays it out as a file. */
export interface IndexParts {
  readonly config: BuildConfig;
  readonly docs: number;
  readonly dim: number;
  /** entries of the collection */
  readonly entries: number;
  readonly forward: ForwardIndex;
  readonly lists: Lists;
  /** [docs * config.neighbours], `0xffffffff` where a document has fewer */
  readonly neighbours?: Uint32Array;
}

/** Called now and then with the stage and the share done in [0, 1]. */
export type Progress = (stage: "prune" | "group" | "neighbours", done: number) => void;

/**
 * Builds the parts of an index, without neighbours.
 *
 * @param documents one row per document; rows may be empty
 * @param options   see `BuildOptions`
 * @param rng       chooses centroids
 * @throws InputError when the collection is empty, too large, or has bad entries
 * Bruch et al. 2024, "Efficient Inverted Indexes for Approximate Retrieval over Learned Sparse Representations", algorithm 1.
 */
export function buildParts(documents: SparseMatrix, options: BuildOptions, rng: Rng, onProgress?: Progress): IndexParts {
  const config = buildConfig(options);
  if (documents.rows === 0) throw new InputError("index build: no documents came; an index needs at least one");
  if (documents.cols < 1) throw new InputError("index build: the collection has no coordinates");
  checkMatrix("index build", documents);
  const { forward, stored } = encodeForward(documents, config.values);
  onProgress?.("prune", 0);
  const kept = pruneLists(transpose(stored), {
    strategy: config.pruning,
    postingsPerList: config.postingsPerList,
    maxFraction: config.maxFraction,
  });
  onProgress?.("prune", 1);
  const { centroidFraction, minClusterSize, maxBlocks } = config;
  const blocker =
    config.blocking === "fixed"
      ? fixedBlocker({ centroidFraction, maxBlocks })
      : geometricBlocker(stored, headsOf(stored, config.documentCut), {
          centroidFraction,
          minClusterSize,
          maxClusterSize: config.maxClusterSize || Number.POSITIVE_INFINITY,
          maxBlocks,
          similarity: config.similarity,
        });
  const summary = {
    energy: config.summaryEnergy,
    upward: config.summaryRounding === "up",
    ...(config.summaryCount === null ? {} : { fixedCount: config.summaryCount }),
  };
  const step = Math.max(1, documents.cols >>> 7);
  const lists = buildLists(stored, kept, blocker, summary, rng.split("blocks"), (done) => {
    if (done % step === 0 || done === documents.cols) onProgress?.("group", done / documents.cols);
  });
  return { config, docs: documents.rows, dim: documents.cols, entries: documents.indices.length, forward, lists };
}
