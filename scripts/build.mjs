// Builds dist/ (kernels, then TypeScript); `--force` builds even what is up to date. `npm pack` runs it.
import { orExit, setUp } from "./lib/steps.mjs";

orExit(() => setUp({ force: process.argv.includes("--force") }));
