/** YAML text -> a checked value; every error names file, line and column. */
import { isAlias, isMap, isSeq, LineCounter, type Node, parseDocument } from "yaml";
import { InputError } from "../../src/core/index.js";
import type { Issue, Path, Schema } from "./schema.js";

/** A recipe that is longer is a mistake. */
export const mostBytes = 1 << 20;

/** The place of a value, or of its key, in the text; of its nearest existing parent when it is missing. */
function offsetOf(root: Node | null, path: Path, atKey: boolean): number {
  let node: unknown = root;
  let offset = root?.range?.[0] ?? 0;
  for (const [depth, part] of path.entries()) {
    let next: Node | undefined;
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => String((key as { value?: unknown } | null)?.value ?? key) === String(part));
      if (!pair) return offset;
      const key = pair.key as Node | null;
      if (key?.range) offset = key.range[0];
      if (atKey && depth === path.length - 1) return offset;
      next = pair.value as Node | undefined;
    } else if (isSeq(node)) next = node.items[Number(part)] as Node | undefined;
    if (!next || isAlias(next)) return next?.range?.[0] ?? offset;
    if (next.range) offset = next.range[0];
    node = next;
  }
  return offset;
}

/**
 * Parses and checks a YAML document.
 *
 * @param file name for messages
 * @throws InputError with one line per problem, `file:line:column: what`
 */
export function readYaml<T>(source: string, file: string, schema: Schema<T>): T {
  if (source.length > mostBytes) throw new InputError(`${file}: expected at most ${mostBytes} characters, got ${source.length}`);
  const counter = new LineCounter();
  const at = (offset: number) => {
    const { line, col } = counter.linePos(offset);
    return `${file}:${Math.max(1, line)}:${Math.max(1, col)}`;
  };
  const document = parseDocument(source, { lineCounter: counter, prettyErrors: false, uniqueKeys: true, logLevel: "silent" });
  if (document.errors.length > 0) {
    const problems = document.errors.slice(0, 10).map((error) => `${at(error.pos[0])}: ${error.message.split("\n")[0]}`);
    throw new InputError(problems.join("\n"));
  }
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    throw new InputError(`${file}: ${error instanceof Error ? error.message.split("\n")[0] : String(error)}`);
  }
  const issues: Issue[] = [];
  const checked = schema.check(value, [], issues);
  if (issues.length === 0) return checked;
  const lines = issues
    .slice(0, 20)
    .map(({ path, atKey, message }) => `${at(offsetOf(document.contents, path, atKey))}: ${message}`);
  if (issues.length > lines.length) lines.push(`${file}: and ${issues.length - lines.length} more problems`);
  throw new InputError(lines.join("\n"));
}
