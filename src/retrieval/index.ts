/** Search over learned sparse embeddings: the Seismic index, its baselines, and ways to get vectors from text. */
export { type IndexLabels } from "./assemble.js";
export { bm25Collection, type Bm25Collection, type Bm25Encoder, type Bm25Options, bm25Query } from "./bm25.js";
export { type BuildConfig, type BuildOptions, buildConfig, type Progress } from "./build.js";
export { parseCranfield, parseDumpavail, type TextCollection, type TextDocument } from "./cranfield.js";
export { checkMatrix, checkVector, matrixFromVectors, rowOf, type SparseMatrix, type SparseVector, stackRows, takeRows, transpose } from "./csr.js";
export { FORMAT_VERSION, type IndexHeader, readHeader } from "./format.js";
export type { ValueKind } from "./forward.js";
export { buildIndex, type Hit, openIndex, openIndexMemory, type Query, type SparseIndex } from "./index-handle.js";
export { buildInverted, type InvertedIndex } from "./inverted.js";
export { accuracyAt, type Judgements, ndcg, recall } from "./metrics.js";
export { type JsonlOptions, type JsonlReader, jsonlReader, readJsonl, type VectorCollection, vectorsFromNpz, vectorsFromSvmlight } from "./readers.js";
export { type RawHits, type SearchOptions, type SearchStats, searchConfig } from "./searcher.js";
export type { NewDocument } from "./side.js";
export type { FileMemory, Store } from "./store.js";
export { decodeStrings, stringAt, type StringTable } from "./strings.js";
export {
  checkEncoder,
  documentWeights,
  encodeDocuments,
  type EncodeOptions,
  type EncoderParams,
  encodeQuery,
  encoderShapes,
  encodeWeights,
  queryWeights,
  readEncoder,
  type SparseEncoder,
  writeEncoder,
} from "./encoder.js";
export { type SyntheticCollection, syntheticCollection, type SyntheticOptions } from "./synthetic.js";
export { createTokeniser, type Tokeniser, type TokeniseOptions } from "./tokenise.js";
export { bestTrial, tune, type TuneOptions, type TuneTrial } from "./tune.js";
