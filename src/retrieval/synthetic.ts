/**
 * SPLADE-shaped vectors from topic mixtures: the collection for measurements at a size where no encoder is at hand.
 *
 * Independent coordinates are no test of geometric blocks, so documents share structure on three levels:
 *
 *     area      `areaTerms` coordinates, Zipf-weighted       an area is a broad subject
 *     topic     `topicTerms` coordinates, Zipf-weighted      a topic belongs to one area
 *     document  its own draw from topic, area, one other topic, and the background (Zipf over all coordinates)
 *
 * The terms of areas and topics are themselves drawn from the background, so frequent coordinates are frequent
 * everywhere. The weight of a coordinate is log-normal,
 *
 *     log w = shared(topic or area, rank) + noise
 *
 * where the shared part falls with the rank inside the topic: documents of a topic agree on what matters. Its spread
 * is set so that the 50 largest of 120 entries carry about three quarters of a document's mass, and the 10 largest of
 * 40 about three quarters of a query's: the concentration that Bruch et al. 2024 report for SPLADE on MS MARCO.
 * A query is drawn from a document of the collection: most of its coordinates are that document's, chosen by weight,
 * the rest come from the document's topic (what an encoder's expansion adds), all with fresh noise.
 */
import { type Rng, requireInteger } from "../core/index.js";
import type { SparseMatrix } from "./csr.js";
import { fastRandom } from "./fast-random.js";

/** Shape of the synthetic collection; defaults are those of SPLADE on MS MARCO passages. */
export interface SyntheticOptions {
  readonly documents: number;
  readonly queries: number;
  /** coordinates; 30,522 is the BERT vocabulary */
  readonly dim?: number;
  /** mean non-zeros of a document (uniform within 25 % of it) */
  readonly documentTerms?: number;
  /** mean non-zeros of a query (uniform within 25 % of it) */
  readonly queryTerms?: number;
  readonly areas?: number;
  readonly topicsPerArea?: number;
}

/** A synthetic collection. `topicOf[d]` is the topic that document d was drawn from; `sourceOf[q]` the document of query q. */
export interface SyntheticCollection {
  readonly documents: SparseMatrix;
  readonly queries: SparseMatrix;
  readonly topicOf: Uint32Array;
  readonly sourceOf: Uint32Array;
}

const AREA_TERMS = 600;
const TOPIC_TERMS = 120;
const TABLE = 1 << 16;
/** Share of a document's draws: topic, area, another topic, background. */
const DOCUMENT_MIX = [0.42, 0.68, 0.74] as const;
/** Spread of the idiosyncratic part of log weights. */
const DOCUMENT_NOISE = 0.6;
const QUERY_NOISE = 0.75;

/** `table[floor(u * TABLE)]` is a rank with P(rank r) proportional to 1 / (r + shift)^s. */
function zipfTable(n: number, s: number, shift: number): Uint16Array {
  const cdf = new Float64Array(n);
  let sum = 0;
  for (let r = 0; r < n; r++) cdf[r] = sum += (r + shift) ** -s;
  const table = new Uint16Array(TABLE);
  for (let i = 0, r = 0; i < TABLE; i++) {
    while (r < n - 1 && cdf[r]! < ((i + 0.5) / TABLE) * sum) r++;
    table[i] = r;
  }
  return table;
}

/**
 * Draws a collection. The same seed gives the same collection; document d does not depend on how many follow.
 *
 * @param options shape of the collection
 * @param rng     source of all randomness
 * @throws OptionError when a count is not a positive integer in its range
 */
export function syntheticCollection(options: SyntheticOptions, rng: Rng): SyntheticCollection {
  const { documentTerms = 120, queryTerms = 40, areas = 400, topicsPerArea = 8 } = options;
  const count = requireInteger("synthetic.documents", options.documents, 1, 33_000_000);
  const queryCount = requireInteger("synthetic.queries", options.queries, 0, 1_000_000);
  const dim = requireInteger("synthetic.dim", options.dim ?? 30522, 1024, 65536);
  requireInteger("synthetic.documentTerms", documentTerms, 8, 400);
  requireInteger("synthetic.queryTerms", queryTerms, 4, documentTerms);
  requireInteger("synthetic.areas", areas, 1, 100_000);
  requireInteger("synthetic.topicsPerArea", topicsPerArea, 1, 1000);

  const world = createWorld(dim, areas, topicsPerArea, rng);
  const maxTerms = Math.ceil(documentTerms * 1.25) + 1;
  const draw = createDrawer(world, dim, maxTerms);

  const random = fastRandom(rng.split("documents"));
  const topicOf = new Uint32Array(count);
  const lengths = new Uint16Array(count);
  for (let d = 0; d < count; d++) lengths[d] = Math.round(documentTerms * (0.75 + 0.5 * random.uniform()));
  const offsets = new Uint32Array(count + 1);
  for (let d = 0; d < count; d++) offsets[d + 1] = offsets[d]! + lengths[d]!;
  const indices = new Uint32Array(offsets[count]!);
  const values = new Float32Array(offsets[count]!);
  for (let d = 0; d < count; d++) {
    const topic = world.topicTable[(random.uniform() * TABLE) | 0]!;
    topicOf[d] = topic;
    draw.document(topic, lengths[d]!, random);
    draw.emit(indices, values, offsets[d]!);
  }
  const documents: SparseMatrix = { rows: count, cols: dim, offsets, indices, values };

  const qr = fastRandom(rng.split("queries"));
  const sourceOf = new Uint32Array(queryCount);
  const qOffsets = new Uint32Array(queryCount + 1);
  const qIndices = new Uint32Array(queryCount * Math.ceil(queryTerms * 1.25 + 1));
  const qValues = new Float32Array(qIndices.length);
  for (let q = 0; q < queryCount; q++) {
    const source = (qr.uniform() * count) | 0;
    sourceOf[q] = source;
    const n = Math.round(queryTerms * (0.75 + 0.5 * qr.uniform()));
    draw.query(documents, source, topicOf[source]!, n, qr);
    draw.emit(qIndices, qValues, qOffsets[q]!);
    qOffsets[q + 1] = qOffsets[q]! + n;
  }
  const nq = qOffsets[queryCount]!;
  const queries: SparseMatrix = {
    rows: queryCount,
    cols: dim,
    offsets: qOffsets,
    indices: qIndices.slice(0, nq),
    values: qValues.slice(0, nq),
  };
  return { documents, queries, topicOf, sourceOf };
}

interface World {
  readonly background: Uint16Array;
  readonly permutation: Int32Array;
  readonly areaTerms: Uint16Array;
  readonly topicTerms: Uint16Array;
  readonly areaTable: Uint16Array;
  readonly topicTermTable: Uint16Array;
  readonly topicTable: Uint16Array;
  readonly topics: number;
  readonly topicsPerArea: number;
}

function createWorld(dim: number, areas: number, topicsPerArea: number, rng: Rng): World {
  const background = zipfTable(dim, 1.05, 12);
  const permutation = rng.split("permutation").permutation(dim);
  const random = fastRandom(rng.split("topics"));
  const topics = areas * topicsPerArea;
  const distinct = (out: Uint16Array, from: number, n: number) => {
    const seen = new Set<number>();
    while (seen.size < n) {
      // Half from the background, half from anywhere: a topic has common words and words of its own.
      const c = random.uniform() < 0.65 ? permutation[background[(random.uniform() * TABLE) | 0]!]! : (random.uniform() * dim) | 0;
      if (seen.has(c)) continue;
      out[from + seen.size] = c;
      seen.add(c);
    }
  };
  const areaTerms = new Uint16Array(areas * AREA_TERMS);
  for (let a = 0; a < areas; a++) distinct(areaTerms, a * AREA_TERMS, AREA_TERMS);
  const topicTerms = new Uint16Array(topics * TOPIC_TERMS);
  for (let t = 0; t < topics; t++) distinct(topicTerms, t * TOPIC_TERMS, TOPIC_TERMS);
  return {
    background,
    permutation,
    areaTerms,
    topicTerms,
    areaTable: zipfTable(AREA_TERMS, 0.7, 4),
    topicTermTable: zipfTable(TOPIC_TERMS, 0.6, 3),
    topicTable: zipfTable(Math.min(topics, 65536), 0.6, 30),
    topics,
    topicsPerArea,
  };
}

type Random = ReturnType<typeof fastRandom>;

function createDrawer(world: World, dim: number, maxTerms: number) {
  const stamp = new Uint32Array(dim);
  const weight = new Float32Array(dim);
  const chosen = new Uint32Array(maxTerms + 1);
  let size = 0;
  let now = 0;
  const start = () => {
    now++;
    size = 0;
  };
  const put = (c: number, w: number) => {
    if (stamp[c] === now) return;
    stamp[c] = now;
    weight[c] = w;
    chosen[size++] = c;
  };
  const topicTerm = (topic: number, r: Random, noise: number, scale: number) => {
    const rank = world.topicTermTable[(r.uniform() * TABLE) | 0]!;
    put(world.topicTerms[topic * TOPIC_TERMS + rank]!, scale * Math.exp(-0.022 * rank + noise * r.normal()));
  };
  const areaTerm = (topic: number, r: Random, noise: number) => {
    const rank = world.areaTable[(r.uniform() * TABLE) | 0]!;
    const area = (topic / world.topicsPerArea) | 0;
    put(world.areaTerms[area * AREA_TERMS + rank]!, 0.65 * Math.exp(-0.003 * rank + noise * r.normal()));
  };
  const backgroundTerm = (r: Random, noise: number) => {
    const rank = world.background[(r.uniform() * TABLE) | 0]!;
    put(world.permutation[rank]!, 0.22 * Math.exp(noise * r.normal()));
  };
  return {
    document(topic: number, n: number, r: Random) {
      start();
      const other = (r.uniform() * world.topics) | 0;
      while (size < n) {
        const u = r.uniform();
        if (u < DOCUMENT_MIX[0]) topicTerm(topic, r, DOCUMENT_NOISE, 1);
        else if (u < DOCUMENT_MIX[1]) areaTerm(topic, r, DOCUMENT_NOISE);
        else if (u < DOCUMENT_MIX[2]) topicTerm(other, r, DOCUMENT_NOISE, 0.7);
        else backgroundTerm(r, DOCUMENT_NOISE);
      }
    },
    /** Two thirds from the source document, by weight; the rest what its topic and the background suggest. */
    query(documents: SparseMatrix, source: number, topic: number, n: number, r: Random) {
      start();
      const from = documents.offsets[source]!;
      const span = documents.offsets[source + 1]! - from;
      let top = 0;
      for (let i = 0; i < span; i++) top = Math.max(top, documents.values[from + i]!);
      const want = Math.min(span, Math.round(n * 0.5));
      while (size < want) {
        const i = from + ((r.uniform() * span) | 0);
        const w = documents.values[i]!;
        // Heavy terms of the document are likelier in the query; the exponent below sharpens the query's concentration.
        if (r.uniform() * top < w) put(documents.indices[i]!, w * Math.exp(QUERY_NOISE * r.normal()));
        else if (r.uniform() < 0.02) put(documents.indices[i]!, w * Math.exp(QUERY_NOISE * r.normal()));
      }
      while (size < n) {
        const u = r.uniform();
        if (u < 0.5) topicTerm(topic, r, QUERY_NOISE, 1);
        else if (u < 0.8) areaTerm(topic, r, QUERY_NOISE);
        else backgroundTerm(r, QUERY_NOISE);
      }
    },
    /** Writes the chosen coordinates in increasing order. Weights lie on the scale of log(1 + ReLU), at most about 4. */
    emit(indices: Uint32Array, values: Float32Array, at: number) {
      const view = chosen.subarray(0, size);
      view.sort();
      for (let i = 0; i < size; i++) {
        indices[at + i] = view[i]!;
        values[at + i] = weight[view[i]!]!;
      }
    },
  };
}
