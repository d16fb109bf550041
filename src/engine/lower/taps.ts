/** What convolutions share: the planes and offsets of their taps, and the index lists of their patterns. */
import { InputError } from "../../core/index.js";
import { type Cut, cutPlanes, pixelOf } from "../cut.js";
import type { ConvShape } from "../geometry.js";
import { type Planes, planesOf } from "../layout.js";
import type { Lowering } from "../lowering.js";
import type { PlacedPlanes } from "../placed.js";
import type { Buffer } from "../step.js";
import { countsOf, type Topology } from "../topology.js";
import { clearPiece } from "./convert.js";

export type { PlacedPlanes } from "../placed.js";

/** Planes of the phases that a strided or cropping convolution reads, on the output's grid. */
export function phaseLayout(l: Lowering, conv: ConvShape, lanes: 1 | 4): Planes {
  return planesOf(conv.n, conv.c * conv.phases.length, lanes, l.geometry(conv.oh, conv.ow));
}

/** Rows and columns of a phase plane that hold pixels of the input. */
export function phaseExtent(conv: ConvShape, layout: Planes, [ry, rx]: readonly [number, number]): { rows: number; cols: number } {
  const [sy, sx] = conv.attrs.stride;
  const { geometry } = layout;
  const right = geometry.pitch - geometry.left - geometry.w;
  return {
    rows: Math.min(Math.ceil((conv.h - ry) / sy), conv.oh + geometry.bottom),
    cols: Math.min(Math.ceil((conv.w - rx) / sx), conv.ow + Math.max(right, 0)),
  };
}

/** Whether every output pixel reads the one pixel of its own place, as in a 1x1 kernel. */
export const readsNoNeighbour = (conv: ConvShape): boolean => conv.taps.every((tap) => tap.dy === 0 && tap.dx === 0);

/** The planes that the taps of a convolution read: the input itself, or its phases. */
export function tapPlanes(l: Lowering, conv: ConvShape, x: number): PlacedPlanes {
  // What lies around the pixels does not matter to a kernel that reads no neighbour.
  const alone = readsNoNeighbour(conv);
  if (conv.direct) return alone ? (l.as(x, l.planes(l.type(x).shape)) as PlacedPlanes) : l.bordered(x);
  const note = `phases:${x}:${conv.attrs.stride}:${conv.oh}x${conv.ow}:${conv.phases.join(";")}`;
  const known = l.notes.get(note);
  if (known) return known as PlacedPlanes;
  const input = l.as(x, l.planes(l.type(x).shape)) as PlacedPlanes;
  const from = input.layout;
  const layout = phaseLayout(l, conv, from.lanes);
  const placed: PlacedPlanes = { buffer: l.planesBuffer(layout, "phases"), offset: 0, layout, clean: true };
  const [sy, sx] = conv.attrs.stride;
  const cut = cutPhases(l, conv, input, layout);
  l.step({
    name: "phases",
    domain: cut.domain,
    reads: [{ buffer: input.buffer, local: cut.aligned }],
    writes: [{ buffer: placed.buffer, local: true }],
    emit(call, { unit }) {
      const piece = cut.piece(unit);
      const { c0, c, r0, rows } = piece;
      conv.phases.forEach((phase, k) => {
        const planes = { ...piece, c0: k * conv.c + c0 };
        clearPiece(call, placed, cut, planes);
        const { rows: all, cols: w } = phaseExtent(conv, layout, phase);
        // Rows beyond the output's grid go with its last.
        const h = (r0 + rows === layout.geometry.h ? all : Math.min(all, r0 + rows)) - r0;
        if (h <= 0) return;
        call(from.lanes === 4 ? "phase_copy_n4" : "phase_copy_n1", {
          c,
          h,
          w,
          x: pixelOf(input, { ...piece, r0: 0 }) + (phase[0] + r0 * sy) * from.row + phase[1] * from.lanes * 4,
          xps: from.plane,
          xrs: from.row,
          sy,
          sx,
          y: pixelOf(placed, planes),
          yps: layout.plane,
          yrs: layout.row,
        });
      });
    },
  });
  l.notes.set(note, placed);
  return placed;
}

/** The cut of a copy to phases, and whether its units read of the input no more than what units of this domain wrote there. */
function cutPhases(l: Lowering, conv: ConvShape, input: PlacedPlanes, layout: Planes): Cut & { aligned: boolean } {
  const cut = cutPlanes(l, { ...layout, c: conv.c, group: input.layout.group }, l.bounds.get(input.buffer));
  return { ...cut, aligned: cut.by !== "rows" || conv.h === conv.oh * conv.attrs.stride[0] };
}

/** Byte offset from an output pixel to the pixel that each (channel, tap) reads, channel-major. */
export function tapOffsets(conv: ConvShape, layout: Planes): Int32Array {
  const offsets = new Int32Array(conv.c * conv.taps.length);
  for (let c = 0; c < conv.c; c++) {
    conv.taps.forEach((tap, k) => {
      offsets[c * conv.taps.length + k] = (tap.phase * conv.c + c) * layout.plane + tap.dy * layout.row + tap.dx * layout.lanes * 4;
    });
  }
  return offsets;
}

/** Floats of the strip from pixel (0, 0) that covers `h` rows of which the last has `w` pixels. */
export const strip = (layout: Planes, h = layout.geometry.h, w = layout.geometry.w): number =>
  ((h - 1) * layout.geometry.pitch + w) * layout.lanes;

/** The pattern of a grouped convolution: each output channel reads the channels of its own group, all taps. */
export function groupedTopology(conv: ConvShape): Topology {
  const per = conv.c / conv.attrs.groups;
  const taps = conv.taps.length;
  const out = conv.o / conv.attrs.groups;
  const rowPtr = Int32Array.from({ length: conv.o + 1 }, (_, o) => o * per * taps);
  const columnOf = new Int32Array(conv.o * per * taps);
  for (let o = 0, e = 0; o < conv.o; o++) {
    const c0 = Math.floor(o / out) * per;
    for (let k = 0; k < per * taps; k++) columnOf[e++] = c0 * taps + k;
  }
  return { rows: conv.o, columns: conv.c * taps, block: 1, capacity: columnOf.length, rowPtr, columnOf, version: 0 };
}

/** The pattern that a weight's positions follow, when they do not form a full matrix. */
export function patternOf(l: Lowering, conv: ConvShape, pattern: string | undefined): Topology | undefined {
  if (pattern !== undefined) {
    if (conv.attrs.groups !== 1)
      throw new InputError(
        `engine: "${pattern}" is a sparse weight of a grouped convolution; keep grouped and depthwise weights dense`,
      );
    return l.topologies[pattern]!;
  }
  return conv.attrs.groups > 1 ? groupedTopology(conv) : undefined;
}

/** Index lists of a pattern on given planes; rewritten in place when the topology changes. */
export function streams(
  l: Lowering,
  topology: Topology,
  pattern: string | undefined,
  offsets: Int32Array,
): { cnt: Buffer; idx: Buffer } {
  const entries = topology.capacity / topology.block;
  const cnt = l.fixed((topology.rows / topology.block) * 4, "counts");
  const idx = l.fixed(entries * 4, "offsets");
  const write = () => {
    const { i32 } = l.memory();
    i32.set(countsOf(topology), cnt.address / 4);
    const base = idx.address / 4;
    const n = topology.rowPtr[topology.rowPtr.length - 1]!;
    for (let e = 0; e < n; e++) i32[base + e] = offsets[topology.columnOf[e]!]!;
  };
  write();
  if (pattern !== undefined) l.refreshers.push({ pattern, refresh: write });
  return { cnt, idx };
}
