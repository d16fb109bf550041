/** Import cycles at run time (imports of types alone do not count). */
import { type Finding, isTest, type Project } from "./project.js";

/** One finding per strongly connected group of files, by Tarjan's algorithm. */
export function checkCycles(project: Project): Finding[] {
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const onStack = new Set<string>();
  const stack: string[] = [];
  const findings: Finding[] = [];
  const next = (path: string) =>
    project
      .get(path)!
      .imports.filter(({ typeOnly, target }) => !typeOnly && target !== undefined && project.has(target))
      .map(({ target }) => target!);
  const visit = (path: string) => {
    index.set(path, index.size);
    low.set(path, index.get(path)!);
    stack.push(path);
    onStack.add(path);
    for (const target of next(path)) {
      if (!index.has(target)) {
        visit(target);
        low.set(path, Math.min(low.get(path)!, low.get(target)!));
      } else if (onStack.has(target)) low.set(path, Math.min(low.get(path)!, index.get(target)!));
    }
    if (low.get(path) !== index.get(path)) return;
    const group = stack.splice(stack.indexOf(path)).sort();
    for (const member of group) onStack.delete(member);
    if (group.length > 1 || next(path).includes(path))
      findings.push({ path: group[0]!, line: 1, problem: `import cycle of ${group.join(", ")}` });
  };
  for (const path of project.keys()) if (!isTest(path) && !index.has(path)) visit(path);
  return findings;
}
