/** Damages files at random, the same way for the same seed. */
import { InputError, type Rng } from "../../core/index.js";

const edges = [0, 1, 0x7f, 0x80, 0xff];

/** One to four changes: bytes replaced, bits flipped, parts cut, doubled, moved, or integers set to the rims of their range. */
export function mutate(bytes: Uint8Array, rng: Rng): Uint8Array {
  let out = bytes.slice();
  for (let n = 1 + rng.below(4); n > 0; n--) {
    const at = rng.below(Math.max(out.length, 1));
    switch (rng.below(8)) {
      case 0:
        out[at] = rng.below(256);
        break;
      case 1:
        out[at] = (out[at] ?? 0) ^ (1 << rng.below(8));
        break;
      case 2:
        out = out.slice(0, at);
        break;
      case 3: {
        const end = Math.min(out.length, at + rng.below(16));
        out = Uint8Array.from([...out.subarray(0, at), ...out.subarray(end)]);
        break;
      }
      case 4: {
        const part = out.subarray(at, Math.min(out.length, at + 1 + rng.below(32)));
        out = Uint8Array.from([...out.subarray(0, at), ...part, ...out.subarray(at)]);
        break;
      }
      case 5:
        out[at] = edges[rng.below(edges.length)]!;
        break;
      case 6: {
        const value = edges[rng.below(edges.length)]!;
        for (let i = 0; i < 4 && at + i < out.length; i++) out[at + i] = value;
        break;
      }
      default: {
        const from = rng.below(Math.max(out.length, 1));
        out.set(out.slice(from, from + Math.min(8, out.length - Math.max(at, from))), at);
      }
    }
  }
  return out;
}

const strange: readonly unknown[] = [null, true, -1, 0, 0.5, 1e308, 2 ** 53, "", "x", "__proto__", [], {}, [[]], { a: null }];

/** One to three values of a JSON tree replaced by strange ones, left out, doubled, or moved to another place. */
export function mutateJson(value: unknown, rng: Rng): unknown {
  const root = { value: structuredClone(value) };
  for (let n = 1 + rng.below(3); n > 0; n--) {
    const places: { readonly parent: Record<string, unknown>; readonly key: string }[] = [];
    const visit = (parent: Record<string, unknown>): void => {
      for (const key of Object.keys(parent)) {
        places.push({ parent, key });
        const child = parent[key];
        if (typeof child === "object" && child !== null) visit(child as Record<string, unknown>);
      }
    };
    visit(root);
    const { parent, key } = places[rng.below(places.length)]!;
    const other = places[rng.below(places.length)]!;
    switch (rng.below(4)) {
      case 0:
        parent[key] = structuredClone(strange[rng.below(strange.length)]);
        break;
      case 1:
        if (Array.isArray(parent)) parent.splice(Number(key), 1);
        else if (parent !== root) delete parent[key];
        break;
      case 2:
        if (Array.isArray(parent)) parent.push(structuredClone(parent[Number(key)]));
        else parent[`${key}2`] = structuredClone(parent[key]);
        break;
      default:
        parent[key] = structuredClone(other.parent[other.key]);
    }
  }
  return root.value;
}

/**
 * Hands a reader damaged inputs.
 * @param read must return or throw an InputError
 * @returns how many it took and how many it refused
 * @throws the first error of another kind, with the number of its round
 */
export function meetDamage<T>(
  rounds: number,
  damaged: (round: number) => T,
  read: (input: T) => unknown,
): { taken: number; refused: number } {
  const counts = { taken: 0, refused: 0 };
  for (let round = 0; round < rounds; round++) {
    const input = damaged(round);
    try {
      read(input);
      counts.taken++;
    } catch (error) {
      if (!(error instanceof InputError))
        throw new Error(`round ${round}: ${error}\n${input instanceof Uint8Array ? "" : JSON.stringify(input).slice(0, 500)}`, {
          cause: error,
        });
      counts.refused++;
    }
  }
  return counts;
}
