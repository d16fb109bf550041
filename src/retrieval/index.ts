/** Search over learned sparse embeddings: the Seismic index, its baselines, and ways to get vectors from text. */
export type { IndexLabels } from "./assemble.js";
export { type Bm25Collection, type Bm25Encoder, type Bm25Options, bm25Collection, bm25Query } from "./bm25.js";
export { type BuildConfig, type BuildOptions, buildConfig, type Progress } from "./build.js";
export { parseCranfield, parseDumpavail, type TextCollection, type TextDocument } from "./cranfield.js";
export {
  checkMatrix,
  checkVector,
  matrixFromVectors,
  rowOf,
  type SparseMatrix,
  type SparseVector,
  stackRows,
  takeRows,
  transpose,
} from "./csr.js";
export {
  checkEncoder,
  documentWeights,
  type EncodeOptions,
  type EncoderParams,
  encodeDocuments,
  encodeQuery,
  encoderShapes,
  encodeWeights,
  queryWeights,
  readEncoder,
  type SparseEncoder,
  writeEncoder,
} from "./encoder.js";
export { type EncoderPairs, encoderPairs, type TextPair, titlePairs } from "./encoder-pairs.js";
export { FORMAT_VERSION, type IndexHeader, readHeader } from "./format.js";
export type { ValueKind } from "./forward.js";
export { buildIndex, type Hit, openIndex, openIndexMemory, type Query, type SparseIndex } from "./index-handle.js";
export { buildInverted, type InvertedIndex } from "./inverted.js";
export { type JsonlOptions, type JsonlReader, jsonlReader, readJsonl, type VectorCollection } from "./jsonl.js";
export { accuracyAt, type Judgements, ndcg, recall } from "./metrics.js";
export { labelsFromJsonl, readVocabulary, vectorsFromNpz, vectorsFromSvmlight } from "./readers.js";
export { type RawHits, type SearchOptions, type SearchStats, searchConfig } from "./searcher.js";
export type { NewDocument } from "./side.js";
export type { FileMemory, Store } from "./store.js";
export { decodeStrings, type StringTable, stringAt } from "./strings.js";
export { type SyntheticCollection, type SyntheticOptions, syntheticCollection } from "./synthetic.js";
export { createTokeniser, type TokeniseOptions, type Tokeniser } from "./tokenise.js";
export { bestTrial, type TuneOptions, type TuneTrial, tune } from "./tune.js";
