/** What the library must not reach for: Node's modules, global randomness, the clock. */
import { type Finding, isTest, type Project, withoutComments } from "./project.js";

const nodeFolders = /^(cli|papers|bench|scripts|test|examples)\//;

/** `node:` imports outside the folders and `*.node.ts` files that may have them. */
export function checkNodeImports(project: Project): Finding[] {
  const findings: Finding[] = [];
  for (const { path, imports } of project.values()) {
    if (isTest(path) || nodeFolders.test(path) || path.endsWith(".node.ts")) continue;
    for (const { specifier, line } of imports) {
      if (specifier.startsWith("node:"))
        findings.push({ path, line, problem: `imports ${specifier}: only cli/, papers/, bench/, scripts/ and *.node.ts may` });
    }
  }
  return findings;
}

const banned: readonly { pattern: RegExp; where: RegExp; instead: string }[] = [
  { pattern: /\bMath\.random\b/, where: /./, instead: "take an Rng" },
  { pattern: /\bDate\.now\b|\bperformance\.now\b|\bnew Date\(\)/, where: /^src\//, instead: "take the clock as an argument" },
];

/** `Math.random` anywhere; the clock inside `src/` (files named `*.node.ts` stand outside the library and may read it). */
export function checkGlobals(project: Project): Finding[] {
  const findings: Finding[] = [];
  for (const { path, text } of project.values()) {
    if (isTest(path) || path.startsWith("scripts/checks/")) continue;
    const code = withoutComments(text, true).split("\n");
    for (const { pattern, where, instead } of banned) {
      if (!where.test(path) || (path.endsWith(".node.ts") && where.source !== ".")) continue;
      code.forEach((line, i) => {
        const found = pattern.exec(line);
        if (found) findings.push({ path, line: i + 1, problem: `${found[0]}: ${instead}` });
      });
    }
  }
  return findings;
}
