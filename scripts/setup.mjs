// Makes a fresh clone ready: installs packages, builds kernels, compiles TypeScript; each only when needed.
//
//   node scripts/setup.mjs [--quiet]
//
// Imports nothing from packages: it runs before they are installed.
import { orExit, setUp } from "./lib/steps.mjs";

orExit(() => setUp({ quiet: process.argv.includes("--quiet") }));
