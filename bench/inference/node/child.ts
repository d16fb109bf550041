/** A job in a Node process of its own: the job as JSON in the first argument, the outcome as the last line of stdout. */

import { writeModel } from "../../../src/runtime/index.js";
import { pinProcess, threadsOf } from "../../engine/pin.js";
import { type Job, race } from "../race.js";
import { engine } from "./engines.js";

const job = JSON.parse(process.argv[2]!) as Job;
const before = new Set(threadsOf("self"));
// The peers' greetings and warnings are none of ours.
for (const kind of ["log", "warn", "error", "info"] as const) console[kind] = () => {};
if (job.threads === 1) pinProcess(process.pid, 1);
// A peer that fails beside its own promise: its row says so, the others go on.
process.on("unhandledRejection", () => {});
const outcome = await race(job, {
  name: `node${process.versions.node.split(".")[0]}`,
  engine,
  loaded: () =>
    job.threads === 1
      ? undefined
      : pinProcess(
          process.pid,
          job.threads,
          threadsOf("self").filter((id) => !before.has(id)),
        ),
  cpuMs() {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  },
  fileBytes: ({ file }) => writeModel(file).length,
});
process.stdout.write(`\n${JSON.stringify(outcome)}\n`, () => process.exit(0));
