/**
 * Levels of macs over an image: each mac sees the lower units within a radius of its own place; a level sees the level below,
 * and with `temporal` also its own codes one step before. Storing takes one pass up; recall goes down the same weights.
 *
 * Rinkus 2017, arXiv:1710.07829.
 */
import { InputError, type Rng, requireInteger, requireNumber } from "../../core/index.js";
import { createMac, type Mac, type MacOptions, type MacResponse } from "./mac.js";

/** One level: its macs are alike but for what they see. */
export interface LevelOptions extends Omit<MacOptions, "inputs" | "gate" | "temporal"> {
  /** Rows and columns of macs. */
  readonly grid: readonly [number, number];
  /** Reach of a mac, as a share of the image's side: 1.5 sees everything. Above 0. */
  readonly radius: number;
  /** Least and greatest share of the field's possible activity at which a mac works. Default [0, 1], and at least one active unit. */
  readonly gate?: readonly [number, number];
}

/** What `createHierarchy` is told. */
export interface HierarchyOptions {
  /** Height and width of the binary image. */
  readonly image: readonly [number, number];
  /** From the lowest level up; at least one. */
  readonly levels: readonly LevelOptions[];
  /**
   * Give every pixel a unit for on and a unit for off (complement coding): each mac then sees a constant number of active units, so
   * that a stored superset of an image is no perfect match. Default false.
   */
  readonly complement?: boolean;
  /** Sequences: each mac is also driven by its own previous code. Default false. */
  readonly temporal?: boolean;
}

/** Codes of all macs: responses[level][mac]. */
export interface HierarchyResponse {
  readonly levels: readonly (readonly MacResponse[])[];
  /** Mean familiarity of the working macs of each level. */
  readonly familiarity: readonly number[];
}

/** A stack of levels of macs. */
export interface Hierarchy {
  readonly image: readonly [number, number];
  /** macs[level] with the lower units that each sees (pixels, or macs of the level below). */
  readonly levels: readonly { readonly macs: readonly Mac[]; readonly fields: readonly Int32Array[] }[];
  /** Stores an image given by its active pixels. @param previous the response one step before, for sequences */
  store(pixels: ArrayLike<number>, rng: Rng, previous?: HierarchyResponse): HierarchyResponse;
  /** Codes of most evidence, without learning. */
  recognise(pixels: ArrayLike<number>, previous?: HierarchyResponse): HierarchyResponse;
  /** The response that should follow, from horizontal weights alone. */
  predict(previous: HierarchyResponse): HierarchyResponse;
  /**
   * The image that a response stands for: evidence of every pixel, in [0, 1], averaged over the macs that see it; with complement
   * coding the share of "on" in all evidence of the pixel.
   * @param from level to start from: codes of lower levels are recalled from it. Default 0, the lowest codes themselves
   */
  reconstruct(response: HierarchyResponse, from?: number): Float32Array;
  /** All active cells of a response as unit numbers, level by level: a fixed number space for readouts. */
  units(response: HierarchyResponse): Int32Array;
  /** Size of that number space. */
  readonly unitCount: number;
}

/** Lower places within `radius` of each upper place, both laid out evenly over the unit square. */
export function receptiveFields(lower: readonly [number, number], upper: readonly [number, number], radius: number): Int32Array[] {
  const fields: Int32Array[] = [];
  const place = (i: number, of: number) => (i + 0.5) / of;
  for (let r = 0; r < upper[0]; r++) {
    for (let c = 0; c < upper[1]; c++) {
      const seen: number[] = [];
      for (let y = 0; y < lower[0]; y++) {
        for (let x = 0; x < lower[1]; x++) {
          const far = Math.hypot(place(y, lower[0]) - place(r, upper[0]), place(x, lower[1]) - place(c, upper[1]));
          if (far <= radius) seen.push(y * lower[1] + x);
        }
      }
      fields.push(Int32Array.from(seen));
    }
  }
  return fields;
}

/** @throws OptionError for an option outside its range, InputError for a mac that sees nothing */
export function createHierarchy({ image, levels, complement = false, temporal = false }: HierarchyOptions): Hierarchy {
  const [height, width] = image;
  requireInteger("hierarchy.image[0]", height, 1, 65536);
  requireInteger("hierarchy.image[1]", width, 1, 65536);
  requireInteger("hierarchy.levels.length", levels.length, 1, 64);
  const built: { macs: Mac[]; fields: Int32Array[]; lowerUnits: number }[] = [];
  let lowerGrid: readonly [number, number] = image;
  let lowerUnits = complement ? 2 : 1;
  let lowerActive = 1;
  levels.forEach((level, index) => {
    const { grid, radius, gate = [0, 1], ...mac } = level;
    const name = `hierarchy.levels[${index}]`;
    requireInteger(`${name}.grid[0]`, grid[0], 1, 4096);
    requireInteger(`${name}.grid[1]`, grid[1], 1, 4096);
    requireNumber(`${name}.radius`, radius, Number.MIN_VALUE, 1e6);
    requireNumber(`${name}.gate[0]`, gate[0], 0, 1);
    requireNumber(`${name}.gate[1]`, gate[1], gate[0], 1);
    const fields = receptiveFields(lowerGrid, grid, radius);
    const macs = fields.map((field, m) => {
      if (field.length === 0) throw new InputError(`${name}: mac ${m} sees nothing within radius ${radius}; enlarge the radius`);
      const possible = field.length * lowerActive;
      const bounds = [Math.max(1, Math.ceil(gate[0] * possible)), Math.max(1, Math.floor(gate[1] * possible))] as const;
      return createMac({ ...mac, inputs: field.length * lowerUnits, gate: [bounds[0], Math.max(bounds[0], bounds[1])], temporal });
    });
    built.push({ macs, fields, lowerUnits });
    lowerGrid = grid;
    lowerUnits = level.modules * level.cells;
    lowerActive = level.modules;
  });
  const offsets: number[] = [];
  let unitCount = 0;
  for (const { macs } of built) {
    offsets.push(unitCount);
    unitCount += macs.length * macs[0]!.modules * macs[0]!.cells;
  }

  /** Inputs of one mac: its field's active pixels, or the active cells of the macs it sees. */
  const inputsOf = (field: Int32Array, units: number, pixels: Uint8Array, below: readonly MacResponse[] | undefined): number[] => {
    const active: number[] = [];
    for (let i = 0; i < field.length; i++) {
      if (!below) {
        if (pixels[field[i]!]) active.push(i * units);
        else if (complement) active.push(i * units + 1);
        continue;
      }
      const code = below[field[i]!]!.code;
      if (!code) continue;
      const cells = units / code.length;
      for (let q = 0; q < code.length; q++) active.push(i * units + q * cells + code[q]!);
    }
    return active;
  };
  const upward = (
    pixels: ArrayLike<number>,
    previous: HierarchyResponse | undefined,
    answer: (mac: Mac, active: number[], before: Int32Array | undefined) => MacResponse,
  ): HierarchyResponse => {
    const on = new Uint8Array(height * width);
    for (let i = 0; i < pixels.length; i++) on[requireInteger(`hierarchy.pixels[${i}]`, pixels[i]!, 0, on.length - 1)] = 1;
    const before = (level: number, m: number) => (temporal && previous ? previous.levels[level]![m]!.code : undefined);
    const responses: MacResponse[][] = [];
    built.forEach(({ macs, fields, lowerUnits: units }, level) => {
      const below = responses[level - 1];
      responses.push(macs.map((mac, m) => answer(mac, inputsOf(fields[m]!, units, on, below), before(level, m))));
    });
    return summarise(responses);
  };
  /** Codes of the level below that a level's codes stand for. */
  const down = (level: number, responses: readonly MacResponse[]): MacResponse[] => {
    const { macs, fields, lowerUnits: units } = built[level]!;
    const lower = built[level - 1]!.macs;
    const sums = lower.map(() => new Float32Array(units));
    const seen = new Uint8Array(lower.length);
    responses.forEach(({ code }, m) => {
      if (!code) return;
      const evidence = macs[m]!.reconstruct(code);
      fields[m]!.forEach((place, i) => {
        seen[place] = 1;
        for (let u = 0; u < units; u++) sums[place]![u]! += evidence[i * units + u]!;
      });
    });
    return lower.map((mac, m) => {
      const code = new Int32Array(mac.modules);
      let strength = 0;
      for (let q = 0; q < mac.modules; q++) {
        for (let k = 1; k < mac.cells; k++) if (sums[m]![q * mac.cells + k]! > sums[m]![q * mac.cells + code[q]!]!) code[q] = k;
        strength += sums[m]![q * mac.cells + code[q]!]!;
      }
      return seen[m] && strength > 0 ? { code, familiarity: strength / mac.modules } : { code: undefined, familiarity: 0 };
    });
  };
  return {
    image,
    levels: built,
    unitCount,
    store: (pixels, rng, previous) => upward(pixels, previous, (mac, active, before) => mac.store(active, rng, before)),
    recognise: (pixels, previous) => upward(pixels, previous, (mac, active, before) => mac.recognise(active, before)),
    predict(previous) {
      return summarise(
        built.map(({ macs }, level) =>
          macs.map((mac, m) => {
            const code = previous.levels[level]![m]!.code;
            return code ? mac.predict(code) : { code: undefined, familiarity: 0 };
          }),
        ),
      );
    },
    reconstruct(response, from = 0) {
      requireInteger("hierarchy.reconstruct.from", from, 0, built.length - 1);
      let codes: readonly MacResponse[] = response.levels[from]!;
      for (let level = from; level > 0; level--) codes = down(level, codes);
      const sums = new Float32Array(height * width);
      const views = new Uint32Array(height * width);
      codes.forEach(({ code }, m) => {
        if (!code) return;
        const evidence = built[0]!.macs[m]!.reconstruct(code);
        built[0]!.fields[m]!.forEach((pixel, i) => {
          const on = evidence[complement ? 2 * i : i]!;
          const off = complement ? evidence[2 * i + 1]! : 0;
          sums[pixel]! += off > 0 ? on / (on + off) : on;
          views[pixel]!++;
        });
      });
      return sums.map((sum, pixel) => (views[pixel]! > 0 ? sum / views[pixel]! : 0));
    },
    units(response) {
      const list: number[] = [];
      response.levels.forEach((macs, level) => {
        macs.forEach(({ code }, m) => {
          if (!code) return;
          const { modules, cells } = built[level]!.macs[m]!;
          code.forEach((k, q) => {
            list.push(offsets[level]! + (m * modules + q) * cells + k);
          });
        });
      });
      return Int32Array.from(list);
    },
  };
}

function summarise(levels: readonly (readonly MacResponse[])[]): HierarchyResponse {
  return {
    levels,
    familiarity: levels.map((macs) => {
      const working = macs.filter(({ code }) => code !== undefined);
      return working.length === 0 ? 0 : working.reduce((sum, { familiarity }) => sum + familiarity, 0) / working.length;
    }),
  };
}
