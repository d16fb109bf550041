/**
 * Channel groups: what can be cut from a network so that it becomes smaller, and why it hangs together. A unit is cut at once
 * (one channel of a residual stream with all its filters, statistics and readers); a group is a set of units of one kind.
 */
import { InputError } from "../../core/index.js";
import type { Program } from "../types.js";
import { ChannelLinks } from "./channel-links.js";
import { linkChannels } from "./channel-rules.js";

/** Positions of one axis of one param. */
export interface ChannelMember {
  readonly path: string;
  readonly axis: number;
  /** Ascending. */
  readonly indices: readonly number[];
}

/** What lives and dies together. */
export interface ChannelUnit {
  readonly members: readonly ChannelMember[];
}

/** Units that touch the same axes of the same params, in the order of their channels. */
export interface ChannelGroup {
  /** The first param that makes these channels, such as `layer1.0.conv1.weight`. */
  readonly name: string;
  readonly units: readonly ChannelUnit[];
  /** Why the members of a unit belong together, in program order. */
  readonly why: readonly string[];
  /** The program holds one constant per channel: units can be cut, but not change places. */
  readonly ordered: boolean;
}

/** An axis of a weight that cannot be cut at all. */
export interface HeldAxis {
  readonly path: string;
  readonly axis: number;
  readonly why: string;
}

/** All groups of a program, and what can be cut nowhere. */
export interface ChannelGraph {
  readonly groups: readonly ChannelGroup[];
  readonly held: readonly HeldAxis[];
}

/** The links of a program. @throws InputError for a training program */
export function linksOf(program: Program): ChannelLinks {
  if (Object.keys(program.updates).length > 0)
    throw new InputError("channelGraph: expected an inference program, this one updates params; cut before training");
  const links = new ChannelLinks(program);
  linkChannels(links);
  return links;
}

/**
 * The channel groups of an inference program: union of positions through residual adds, concatenations, splits, depthwise and
 * grouped convolutions, flattening, padding shortcuts, and attention heads (grouped-query ones too).
 *
 * Fang et al. 2023 (DepGraph), arXiv:2301.12900, does this per layer; here it is per position, so concat, pad and split are exact.
 * @throws InputError for a training program
 */
export function channelGraph(program: Program): ChannelGraph {
  const links = linksOf(program);
  const units = new Map<number, ChannelMember[]>();
  const held: HeldAxis[] = [];
  for (const [path, { value }] of Object.entries(program.params)) {
    program.values[value]!.shape.forEach((size, axis) => {
      const mine = new Map<number, number[]>();
      const reasons = new Set<string>();
      for (let i = 0; i < size; i++) {
        const node = links.node(value, axis, i);
        const why = links.heldWhy(node);
        if (why !== undefined) reasons.add(why);
        else {
          const root = links.find(node);
          const indices = mine.get(root);
          if (indices) indices.push(i);
          else mine.set(root, [i]);
        }
      }
      for (const [root, indices] of mine) {
        const members = units.get(root);
        if (members) members.push({ path, axis, indices });
        else units.set(root, [{ path, axis, indices }]);
      }
      if (reasons.size > 0 && axis < 2 && size > 1) held.push({ path, axis, why: [...reasons].join("; ") });
    });
  }
  const grouped = new Map<string, { roots: number[]; units: ChannelUnit[] }>();
  for (const [root, members] of units) {
    const key = signature(links, root, members);
    const entry = grouped.get(key) ?? { roots: [], units: [] };
    entry.roots.push(root);
    entry.units.push({ members });
    grouped.set(key, entry);
  }
  const groups = [...grouped.values()]
    .filter(({ units: list }) => list.length > 1)
    .map(({ roots, units: list }) => ({
      name: nameOf(list[0]!),
      units: list,
      why: reasonsOf(links, roots[0]!),
      ordered: hasConstants(links, roots[0]!),
    }));
  return { groups, held };
}

const nameOf = (unit: ChannelUnit): string =>
  (unit.members.find(({ axis, path }) => axis === 0 && path.endsWith("weight")) ?? unit.members[0]!).path;

/** What a unit touches: every (value, axis) with the number of positions, so that units of one group can change places. */
function signature(links: ChannelLinks, root: number, members: readonly ChannelMember[]): string {
  return `${members.map(({ path, axis, indices }) => `${path}/${axis}x${indices.length}`).join()}|${touched(links).get(root)!.join()}`;
}

const cache = new WeakMap<ChannelLinks, Map<number, string[]>>();

/** For each root, the axes of all values that it touches, with counts. */
function touched(links: ChannelLinks): Map<number, string[]> {
  const known = cache.get(links);
  if (known) return known;
  const all = new Map<number, string[]>();
  links.program.values.forEach(({ shape }, value) => {
    shape.forEach((size, axis) => {
      const counts = new Map<number, number>();
      for (let i = 0; i < size; i++) {
        const root = links.find(links.node(value, axis, i));
        counts.set(root, (counts.get(root) ?? 0) + 1);
      }
      for (const [root, n] of counts) {
        const places = all.get(root);
        if (places) places.push(`${value}.${axis}x${n}`);
        else all.set(root, [`${value}.${axis}x${n}`]);
      }
    });
  });
  cache.set(links, all);
  return all;
}

function reasonsOf(links: ChannelLinks, root: number): string[] {
  const reasons: string[] = [];
  for (const { operation, why, nodes } of links.ties) {
    if (!nodes.some((node) => links.find(node) === root)) continue;
    const text = `${why} (operation ${operation}${readsOf(links.program, operation)})`;
    if (!reasons.includes(text)) reasons.push(text);
  }
  return reasons;
}

/** Whether a unit touches a constant that has one number per element. */
const hasConstants = (links: ChannelLinks, root: number): boolean =>
  links.program.operations.some(
    ({ op, outputs, attrs }) =>
      op === "constant" &&
      typeof attrs["value"] !== "number" &&
      touched(links)
        .get(root)!
        .some((place) => place.startsWith(`${outputs[0]}.`)),
  );

/** The params of an operation, for messages. */
function readsOf(program: Program, operation: number): string {
  const inputs = new Set(program.operations[operation]!.inputs);
  const paths = Object.keys(program.params).filter((path) => inputs.has(program.params[path]!.value));
  return paths.length === 0 ? "" : `, ${paths.join(", ")}`;
}

/** The graph as text: each group, what one unit removes, and why. */
export function describeChannels({ groups, held }: ChannelGraph): string {
  const lines: string[] = [];
  groups.forEach(({ name, units, why }, i) => {
    lines.push(`group ${i + 1}: ${units.length} units of ${name}`);
    for (const { path, axis, indices } of units[0]!.members) {
      lines.push(`  removes ${indices.length === 1 ? "1 position" : `${indices.length} positions`} of ${path}, axis ${axis}`);
    }
    for (const reason of why) lines.push(`  because ${reason}`);
  });
  for (const { path, axis, why } of held) lines.push(`held: ${path}, axis ${axis}: ${why}`);
  return lines.join("\n");
}
