/** The suite of search: `npm run bench -- --suite retrieval`. */
import type { Row, SuiteOptions } from "../row.js";
import { retrievalSuite } from "./suite.js";
import { textSuite } from "./text.js";

/** Search at 100,000 and 1,000,000 synthetic documents, then of real text. */
export async function* suite(options: SuiteOptions): AsyncGenerator<Row> {
  yield* retrievalSuite(options);
  yield* textSuite(options);
}
