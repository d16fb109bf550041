/**
 * The dispatcher: runs a plan that lies in memory, on one thread or on several that walk it together.
 *
 * A plan is `[phases: i32]` then per phase `[parts: i32][table: usize]`; the table holds `parts + 1` code addresses, part p
 * being the code in [table[p], table[p + 1]). Code is a row of instructions `[kernel: i32][bytes: i32][arguments, 4 bytes each]`.
 * Thread t of T runs the parts floor(parts * t / T) .. floor(parts * (t + 1) / T) of each phase, then all threads meet,
 * unless bit 30 of the word `parts` is set: then the next phase starts at once (it does not depend on this one).
 *
 * Control block, i32 words from address CONTROL: 0 ticket (a new one starts a run), 1 arrived, 2 generation, 3 plan, 4 threads,
 * 5 scratch base, 6 scratch bytes a thread, 7 stop, 8 lost (a thread did not come), 9 address of the
 * bytes of the module behind `extension`, 10 their number: workers make their own instance of it when they first meet such an instruction.
 */
import type { KernelSource } from "./emit.js";

/** Address of the control block; the first kilobyte of memory belongs to the dispatcher. */
export const CONTROL = 64;

const argument = (param: string, offset: number): string => {
  const type = param.split(": ")[1]!;
  return `load<${type}>(a, ${offset})`;
};

/** Cases of a switch over kernel numbers. */
function casesOf(kernels: readonly KernelSource[], first: number, without: ReadonlySet<string> = new Set()): string {
  const cases = kernels.flatMap((kernel, i) => {
    if (without.has(kernel.name)) return [];
    let offset = 0;
    const args = kernel.params.map((param) => {
      if (param === "scratch: usize") return "scratch";
      const text = argument(param, offset);
      offset += 4;
      return text;
    });
    return [`   case ${first + i}: ${kernel.name}(${args.join(", ")}); break;`];
  });
  return cases.join("\n");
}

/** AssemblyScript that runs the one instruction at pc: how the dispatcher reaches the kernels of a module loaded later. */
export function instructions(kernels: readonly KernelSource[], first: number): string {
  return `
/** Runs the instruction at pc. */
export function one(pc: usize): void {
 const a = pc + 8;
 switch (load<i32>(pc)) {
${casesOf(kernels, first)}
  default: unreachable();
 }
}
`;
}

/**
 * AssemblyScript of the dispatcher over the given kernels, whose numbers are their positions; any other number goes to `extension`.
 * @param without names of kernels that this module does not have
 */
export function dispatcher(kernels: readonly KernelSource[], without: ReadonlySet<string> = new Set()): string {
  return `
/** Runs the instruction at pc of a module that was loaded later; traps where there is none. At 0: a wait has lasted long. */
@external("env", "extension")
declare function extension(pc: usize): void;

/** Runs the instructions in [pc, end). */
export function exec(pc: usize, end: usize, scratch: usize): void {
 while (pc < end) {
  const a = pc + 8;
  switch (load<i32>(pc)) {
${casesOf(kernels, 0, without)}
   default: extension(pc);
  }
  pc += usize(load<i32>(pc, 4));
 }
}

const C: usize = ${CONTROL};
/** Turns of waiting awake, about 0.2 ms: longer than threads differ within a run, or than the caller takes between runs. Waking a sleeping one takes 35 us. */
const SPINS: i32 = 100000;
/** Nanoseconds of a turn asleep; after each the host is asked (\`extension(0)\`) whether all threads live. */
const TURN: i64 = 250000000;
const MOST_TURNS: i32 = 240;

function meet(threads: i32): void {
 const generation = atomic.load<i32>(C, 8);
 if (atomic.add<i32>(C, 1, 4) == threads - 1) {
  atomic.store<i32>(C, 0, 4);
  atomic.add<i32>(C, 1, 8);
  atomic.notify(C + 8, -1);
  return;
 }
 for (let i: i32 = 0; i < SPINS; ++i) if (atomic.load<i32>(C, 8) != generation) return;
 let turns: i32 = 0;
 while (atomic.load<i32>(C, 8) == generation) {
  if (atomic.load<i32>(C, 28) != 0 || atomic.load<i32>(C, 32) != 0) return;
  if (atomic.wait<i32>(C + 8, generation, TURN) != 2) continue;
  extension(0);
  if (++turns >= MOST_TURNS) { atomic.store<i32>(C, 1, 32); return; }
 }
}

function walk(tid: i32, threads: i32, plan: usize, scratch: usize): void {
 const phases = load<i32>(plan);
 let at = plan + 4;
 for (let i: i32 = 0; i < phases; ++i) {
  const word = load<i32>(at), parts = word & 0x3fffffff, table = load<usize>(at, 4);
  const first = parts * tid / threads, last = parts * (tid + 1) / threads;
  if (first < last) exec(load<usize>(table + usize(first) * 4), load<usize>(table + usize(last) * 4), scratch);
  at += 8;
  if (threads > 1 && (word & 0x40000000) == 0) { meet(threads); if (load<i32>(C, 32)) return; }
 }
}

/** Runs the whole plan on this thread and, when threads > 1, on the workers that wait in \`serve\`. Returns 0, or 1 when a thread was lost. */
export function run(threads: i32, plan: usize, scratch: usize, bytes: usize): i32 {
 if (threads > 1) {
  store<usize>(C, plan, 12); store<i32>(C, threads, 16); store<usize>(C, scratch, 20); store<usize>(C, bytes, 24);
  atomic.add<i32>(C, 1);
  atomic.notify(C, -1);
 }
 walk(0, threads, plan, scratch);
 return threads > 1 ? load<i32>(C, 32) : 0;
}

/** A worker's life: wait for a ticket, walk the plan, until told to stop. */
export function serve(tid: i32, ticket: i32): void {
 let seen = ticket;
 while (true) {
  for (let i: i32 = 0; i < SPINS && atomic.load<i32>(C) == seen; ++i) {}
  while (atomic.load<i32>(C) == seen) { if (atomic.load<i32>(C, 28)) return; atomic.wait<i32>(C, seen, TURN); }
  if (atomic.load<i32>(C, 28)) return;
  seen = atomic.load<i32>(C);
  const threads = load<i32>(C, 16);
  if (tid < threads) walk(tid, threads, load<usize>(C, 12), load<usize>(C, 20) + usize(tid) * load<usize>(C, 24));
 }
}
`;
}
