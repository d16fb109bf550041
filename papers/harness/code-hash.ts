/**
 * The version of the code that a measurement depends on: a hash over the file and everything it imports, followed through
 * the project. A change elsewhere keeps cached measurements; a change underneath makes them stale.
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";

const imported = /(?:\bfrom\s*|\bimport\s*\(?\s*|\bnew URL\(\s*)["'](\.{1,2}\/[^"'\n]+)["']/g;

/**
 * @param entry  file to start from, `.ts` or compiled `.js`
 * @param except files that do not matter (what judges a measurement does not make it)
 * @returns      hexadecimal SHA-256
 */
export function codeHash(entry: string, except: (path: string) => boolean = () => false): string {
  const seen = new Map<string, string>();
  const queue = [resolve(entry)];
  while (queue.length > 0) {
    const path = queue.pop()!;
    if (seen.has(path) || except(path.replaceAll("\\", "/"))) continue;
    const bytes = readFileSync(path);
    seen.set(path, createHash("sha256").update(bytes).digest("hex"));
    if (!/\.[cm]?[jt]s$/.test(path)) continue;
    for (const [, specifier] of bytes.toString("utf8").matchAll(imported)) {
      const target = resolve(dirname(path), specifier!);
      const source = [target, target.replace(/\.js$/, ".ts")].find((candidate) => existsSync(candidate));
      if (source && !queue.includes(source)) queue.push(source);
    }
  }
  const hash = createHash("sha256");
  for (const digest of [...seen.values()].sort()) hash.update(digest);
  return hash.digest("hex");
}
