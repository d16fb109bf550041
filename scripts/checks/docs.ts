/** Every public export of the package's entries has a docstring. */
import { type Finding, type Project, withoutComments } from "./project.js";

const declaration =
  /^export (?:declare )?(?:default )?(?:abstract )?(?:async )?(?:function\*?|const|let|class|interface|type|enum) +([\w$]+)/;
const star = /^export (?:type )?\* from\s*"([^"]+)"/;
const named = /^export (?:type )?\{([^}]*)\} from\s*"([^"]+)"/;

/** The exported names of `path` (all when `only` is undefined), followed through re-exports, that lack a docstring. */
function undocumented(
  project: Project,
  path: string,
  only: ReadonlySet<string> | undefined,
  seen: Set<string>,
  findings: Finding[],
): void {
  const file = project.get(path);
  if (!file) return;
  const lines = file.text.split("\n");
  const statements = withoutComments(file.text).replace(/\{[^}]*\}/g, (braces) => braces.replaceAll("\n", " "));
  for (const line of statements.split("\n")) {
    const target = (specifier: string) => file.imports.find((item) => item.specifier === specifier)?.target ?? "";
    const every = star.exec(line);
    if (every) undocumented(project, target(every[1]!), only, seen, findings);
    const some = named.exec(line);
    if (some) {
      const names = some[1]!
        .split(",")
        .map(
          (name) =>
            name
              .trim()
              .replace(/^type /, "")
              .split(/\s+as\s+/)[0]!,
        )
        .filter((name) => name !== "");
      undocumented(project, target(some[2]!), new Set(names), seen, findings);
    }
  }
  const before = new Set<string>();
  lines.forEach((line, i) => {
    const name = declaration.exec(line)?.[1];
    if (!name || before.has(name) || seen.has(`${path}#${name}`) || (only && !only.has(name))) return;
    before.add(name);
    seen.add(`${path}#${name}`);
    let above = i - 1;
    while (above >= 0 && /^\s*(\/\/.*|@\w+.*)?$/.test(lines[above]!)) above--;
    if (!lines[above]?.trimEnd().endsWith("*/"))
      findings.push({ path, line: i + 1, problem: `${name} is exported to users and has no docstring` });
  });
}

/** Findings for all entries (paths such as `src/core/index.ts`). */
export function checkDocs(project: Project, entries: readonly string[]): Finding[] {
  const findings: Finding[] = [];
  const seen = new Set<string>();
  for (const entry of entries) undocumented(project, entry, undefined, seen, findings);
  return findings;
}
