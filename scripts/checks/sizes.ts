/** One idea, one file: files that have grown too long. */
import { type Finding, isTest, type Project } from "./project.js";

/** Above this many lines a file is listed as a warning. */
export const warnLines = 300;
/** Above this many it fails, unless it is listed below. */
export const mostLines = 500;

/** Files that may be longer, each with its reason. */
export const exceptions: Readonly<Record<string, string>> = {};

const lines = (text: string) => text.split("\n").length - (text.endsWith("\n") ? 1 : 0);

/** Source files of more than `mostLines` lines that are not excepted, and exceptions that are no longer needed. */
export function checkSizes(project: Project, except: Readonly<Record<string, string>> = exceptions): Finding[] {
  const findings: Finding[] = [];
  for (const { path, text } of project.values()) {
    if (!/^(src|cli|papers)\//.test(path) || isTest(path)) continue;
    const length = lines(text);
    if (length > mostLines && !(path in except))
      findings.push({ path, line: mostLines, problem: `${length} lines, at most ${mostLines}: split it` });
    if (length <= mostLines && path in except)
      findings.push({ path, line: 1, problem: `${length} lines: needs no exception any more` });
  }
  for (const path of Object.keys(except))
    if (!project.has(path)) findings.push({ path, line: 1, problem: "has an exception but does not exist" });
  return findings;
}

/** Source files of more than `warnLines` lines. */
export function longFiles(project: Project): Finding[] {
  return [...project.values()]
    .filter(({ path, text }) => /^(src|cli|papers)\//.test(path) && !isTest(path) && lines(text) > warnLines)
    .map(({ path, text }) => ({ path, line: warnLines, problem: `${lines(text)} lines` }));
}
