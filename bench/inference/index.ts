/**
 * Whole networks against other engines: batch 1, through each engine's public API, from the caller's array to an output array.
 *
 *     npm run bench -- --suite inference --json --only "mobilenetV1 90% unstructured"
 *
 *     npm run bench -- --suite inference --json --only "mobilenetV1 90% 4x4 int8"
 *
 * Row names: <network> <zeros>% <pattern> <host>[ relaxed| load| scaling]; ratio below 1 means that we are faster. At 0% all engines
 * run dense; above, our own dense plan is one of the peers.
 */

import { installPeers } from "../install.js";
import { compare, type Row, type SuiteOptions, wanted } from "../row.js";
import { hasChromium, runInChromium } from "./browser/host.js";
import type { PatternName, Subject } from "./network.js";
import { type NetworkName, networks } from "./networks/index.js";
import { findNode, runInNode } from "./node/host.js";
import type { EngineName } from "./peers/peer.js";
import type { Job, Outcome, Result } from "./race.js";

type HostName = "node20" | "node24" | "chromium";

const HOSTS: readonly HostName[] = ["node20", "node24", "chromium"];
const SPARSITIES = [0, 0.7, 0.8, 0.9, 0.95];
/** Networks that are measured in int8 too. */
const INT8: readonly NetworkName[] = ["mobilenetV1", "mobilenetV2", "resnet20", "resnet50"];
const BLOCKS: readonly PatternName[] = ["2x1", "4x1"];
/** Milliseconds of measuring: the heavy ones need it for a handful of runs. */
const BUDGETS: Readonly<Record<NetworkName, number>> = {
  mobilenetV1: 15000,
  mobilenetV2: 12000,
  "mobilenetV1-all": 8000,
  "mobilenetV2-all": 8000,
  "resnet50-all": 12000,
  resnet20: 6000,
  resnet50: 20000,
  mlp: 5000,
  lstm: 8000,
  encoder: 20000,
};

/** One process's work, and where. */
export interface Planned {
  readonly host: HostName;
  readonly name: string;
  readonly job: Job;
  /** Names of the rows that it gives. */
  readonly rows: readonly string[];
}

/** What is measured of a network. N:M has kernels in no engine here; MobileNetV1 at 2:4 shows that. */
export function subjects(network: NetworkName): Subject[] {
  if (network.endsWith("-all")) return [{ network, sparsity: 0.9, pattern: "unstructured" }];
  const list: Subject[] = SPARSITIES.map((sparsity) => ({ network, sparsity, pattern: "unstructured" }));
  for (const pattern of BLOCKS) list.push({ network, sparsity: 0.9, pattern });
  if (network === "mobilenetV1") list.push({ network, sparsity: 0.5, pattern: "2:4" });
  return list;
}

const nameOf = ({ network, sparsity, pattern }: Subject, host: HostName): string =>
  `${network} ${Math.round(sparsity * 100)}%${sparsity === 0 ? "" : ` ${pattern}`} ${host}`;

/** Engines that go sparse or dense here, fastest convolutions first. */
function jobsOf(subject: Subject, host: HostName, rounds: number | undefined): Planned[] {
  const name = nameOf(subject, host);
  const { network, sparsity, pattern } = subject;
  const relaxed = host !== "node20";
  const own: EngineName[] = ["sparseland"];
  if (relaxed) own.push("sparseland relaxed");
  if (sparsity > 0) own.push("sparseland dense");
  const peers: EngineName[] = ["LiteRT.js", "tfjs-tflite", "onnxruntime-web"];
  if (host !== "chromium") peers.push("onnxruntime-node");
  const job = (threads: number, engines: readonly EngineName[]): Job => ({
    subject,
    threads,
    engines,
    budget: BUDGETS[network],
    rounds,
  });
  const plan = (rows: readonly string[], made: Job): Planned => ({ host, name, job: made, rows });
  const rows = [name, `${name} load`, ...(relaxed ? [`${name} relaxed`] : [])];
  const list = [plan(rows, job(1, [...own, ...peers]))];
  if (INT8.includes(network) && pattern === "unstructured" && sparsity === 0.9) {
    // Peers and our f32 keep the unstructured weights; int8 has its own, in blocks.
    const int8 = `${network} 90% 4x4 int8 ${host}`;
    const engines: EngineName[] = ["sparseland int8", "sparseland", "LiteRT.js", "tfjs-tflite"];
    list.push({ host, name: int8, rows: [int8], job: job(1, engines) });
    const pair: EngineName[] = ["sparseland int8", "sparseland int8 one thread"];
    list.push({ host, name: int8, rows: [`${int8} scaling`], job: job(2, pair) });
  }
  const scaling = () => plan([`${name} scaling`], job(2, ["sparseland", "sparseland one thread"]));
  if (pattern === "2x1") list.push(scaling());
  const headline = pattern === "unstructured" && (sparsity === 0 || sparsity === 0.9) && !network.endsWith("-all");
  if (!headline) return list;
  // TensorFlow.js keeps one backend a process.
  if (network !== "lstm" && network !== "encoder") list.push(plan([name], job(1, ["sparseland", "tfjs-wasm"])));
  // Sleeping threads of one engine must not stand in another's way: two engines a process.
  for (const peer of peers) list.push(plan([name], job(2, ["sparseland", peer])));
  list.push(scaling());
  return list;
}

/** All jobs, in the order of the networks. */
export const plannedJobs = (rounds?: number): Planned[] =>
  (Object.keys(networks) as NetworkName[]).flatMap((network) =>
    subjects(network).flatMap((subject) => HOSTS.flatMap((host) => jobsOf(subject, host, rounds))),
  );

/** What a row may compare us with: other engines, and our own dense plan. */
const isPeer = ({ engine }: Result): boolean => !engine.startsWith("sparseland") || engine === "sparseland dense";

/** Least CPU time of both sides and its ratio, in words. */
function byCpu(own: Result, theirs: Result): string[] {
  if (own.cpu.length === 0 || theirs.cpu.length === 0) return [];
  const [a, b] = [Math.min(...own.cpu), Math.min(...theirs.cpu)];
  return [`CPU time ${a.toFixed(3)} and ${b.toFixed(3)} ms, ratio ${(a / b).toFixed(3)}`];
}

/** The rows of an outcome. */
export function* rowsOf({ name, job }: Planned, outcome: Outcome): Generator<Row> {
  const of = (engine: EngineName): Result | undefined =>
    outcome.results.find((result) => result.engine === engine && result.samples.length > 0);
  const [single, singleBytes] = [of("sparseland one thread"), of("sparseland int8 one thread")];
  const scales = (two: Result, one: Result): Row =>
    compare(`${name} scaling`, job.threads, two.samples, "sparseland on one thread", one.samples, outcome.note);
  const bytes = of("sparseland int8");
  if (bytes && singleBytes) {
    yield scales(bytes, singleBytes);
    return;
  }
  const own = of("sparseland");
  if (!own)
    throw new Error(`${name}: ${outcome.results.find((result) => result.engine === "sparseland")?.failed ?? "no result of ours"}`);
  if (job.engines.includes("sparseland int8")) {
    const refused = outcome.results.find(({ engine }) => engine === "sparseland int8")!;
    if (!bytes) throw new Error(`${name}: ${refused.failed ?? "no result in int8"}`);
    for (const result of outcome.results.filter(({ engine }) => engine !== "sparseland int8")) {
      const notes = [
        ...byCpu(bytes, result),
        `${bytes.note}; output within ${bytes.difference.toExponential(0)} of the greatest in f32`,
        ...(result.failed === undefined ? [] : [result.failed]),
        ...(outcome.note ? [outcome.note] : []),
      ];
      const theirs = result.failed === undefined ? result.samples : undefined;
      const against = result.engine === "sparseland" ? "sparseland f32 unstructured" : result.engine;
      yield compare(name, job.threads, bytes.samples, against, theirs, notes.join("; "));
    }
    return;
  }
  if (single) yield scales(own, single);
  for (const result of outcome.results.filter(isPeer)) {
    const { engine, failed, samples, difference, loadMs } = result;
    const notes = [
      failed ?? `outputs within ${Math.max(difference, own.difference).toExponential(0)} of the greatest`,
      ...(outcome.note ? [outcome.note] : []),
    ].join("; ");
    const theirs = failed === undefined ? samples : undefined;
    const note = (found: Result): string => [...(job.threads === 1 ? byCpu(found, result) : []), notes].join("; ");
    yield compare(name, job.threads, own.samples, engine, theirs, note(own));
    const relaxed = of("sparseland relaxed");
    if (relaxed && engine !== "sparseland dense")
      yield compare(`${name} relaxed`, job.threads, relaxed.samples, engine, theirs, note(relaxed));
    if (engine === "onnxruntime-web" && job.threads === 1 && theirs) {
      const share = (outcome.bytes.file / outcome.bytes.dense).toFixed(3);
      yield compare(`${name} load`, 1, [own.loadMs], engine, [loadMs], `file ${share} of dense f32`);
    }
  }
}

/** Every comparison. */
export async function* suite({ only, rounds, threads, say }: SuiteOptions): AsyncGenerator<Row> {
  const chosen = (row: string): boolean => wanted({ only, say }, row);
  const jobs = plannedJobs(rounds).filter(
    ({ rows, job }) => rows.some(chosen) && (threads === undefined || job.threads === threads),
  );
  if (jobs.length === 0)
    throw new Error(`inference: no row has "${only}" in its name; an example of a name is "mobilenetV1 90% unstructured node20"`);
  installPeers(say);
  const nodes = new Map<HostName, string | undefined>();
  for (const planned of jobs) {
    const { host, name, job } = planned;
    if (host === "chromium" ? !hasChromium() : !nodes.has(host)) {
      if (host === "chromium") {
        say(`${name}: left out, no Chromium (SPARSELAND_CHROMIUM names one)`);
        continue;
      }
      nodes.set(host, findNode(Number(host.slice(4))));
    }
    const node = nodes.get(host);
    if (host !== "chromium" && !node) {
      say(`${name}: left out, no ${host}`);
      continue;
    }
    say(`${name}, ${job.threads} thread(s): ${job.engines.join(", ")}`);
    let outcome: Outcome;
    try {
      outcome = node ? await runInNode(node, job) : await runInChromium(job);
    } catch (error) {
      say(`${name}, ${job.engines.join(" and ")}: no result: ${(error as Error).message}`);
      continue;
    }
    for (const row of rowsOf(planned, outcome)) if (chosen(row.name)) yield row;
  }
}
