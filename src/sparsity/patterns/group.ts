import { InputError, ShapeError, sizeOf } from "../../core/index.js";
import { keepCount } from "../keep-count.js";
import { topK } from "../top-k.js";
import type { ChannelGroups, Mask } from "../types.js";

/**
 * Structured: whole channels, so that the tensor can be cut to a smaller dense one.
 *
 * A group's score is the mean over its weights; the promised count is in groups: keepCount(number of groups, sparsity).
 * Channels that no group lists always stay.
 *
 * @throws ShapeError when the tensor has no such axis
 * @throws InputError when a channel is out of range or in two groups, or a group is empty
 */
export function selectGroups(score: Float32Array, shape: readonly number[], groups: ChannelGroups, sparsity: number): Mask {
  const { axis } = groups;
  const channels = shape[axis];
  if (channels === undefined || sizeOf(shape) === 0)
    throw new ShapeError("pattern group", { shape }, `a non-empty tensor with axis ${axis}`);
  const inner = sizeOf(shape.slice(axis + 1));
  const groupOf = new Int32Array(channels).fill(-1);
  const members = groups.members ?? Array.from({ length: channels }, (_, c) => [c]);
  members.forEach((list, g) => {
    if (list.length === 0) throw new InputError(`pattern group: group ${g} is empty`);
    for (const c of list) {
      if (!Number.isInteger(c) || c < 0 || c >= channels)
        throw new InputError(`pattern group: channel ${c} of group ${g} is not in [0, ${channels})`);
      if (groupOf[c] !== -1) throw new InputError(`pattern group: channel ${c} is in groups ${groupOf[c]} and ${g}`);
      groupOf[c] = g;
    }
  });
  const channelAt = (i: number) => Math.floor(i / inner) % channels;
  const sums = new Float64Array(members.length);
  for (let i = 0; i < score.length; i++) {
    const g = groupOf[channelAt(i)]!;
    if (g >= 0) sums[g]! += score[i]!;
  }
  const perChannel = score.length / channels;
  const means = Float32Array.from(sums, (s, g) => s / (members[g]!.length * perChannel));
  const chosen = topK(means, keepCount(members.length, sparsity));
  const data = new Uint8Array(score.length);
  for (let i = 0; i < data.length; i++) {
    const g = groupOf[channelAt(i)]!;
    data[i] = g < 0 ? 1 : chosen[g]!;
  }
  return { shape: [...shape], data };
}
