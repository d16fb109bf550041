/** Writes package.json's `exports` from the folders of `src/`. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expectedExports } from "./checks/exports.js";
import { readProject, root } from "./checks/project.js";

const path = join(root, "package.json");
const packageJson = JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
packageJson["exports"] = { ...expectedExports(readProject()), "./package.json": "./package.json" };
writeFileSync(path, `${JSON.stringify(packageJson, null, 2)}\n`);
