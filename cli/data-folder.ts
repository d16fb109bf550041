/** Where data sets lie that do not come with the install. */
import { join, resolve } from "node:path";
import type { Terminal } from "./terminal.js";
import { packageRoot } from "./version.js";

/** `SPARSELAND_DATA`, else `../shared/data` beside the checkout. It may not exist. */
export const dataFolder = ({ env, folder }: Terminal): string =>
  env["SPARSELAND_DATA"] ? resolve(folder, env["SPARSELAND_DATA"]) : join(packageRoot(), "..", "shared", "data");
