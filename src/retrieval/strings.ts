/** Lists of strings as bytes: offsets and one run of UTF-8. Ids, payloads and vocabularies are stored this way. */

/** Strings joined; string i is bytes `offsets[i]` to `offsets[i + 1]`. */
export interface StringTable {
  readonly offsets: Uint32Array;
  readonly bytes: Uint8Array;
}

/** Encodes a list of strings. */
export function encodeStrings(strings: readonly string[]): StringTable {
  const encoder = new TextEncoder();
  const parts = strings.map((s) => encoder.encode(s));
  const offsets = new Uint32Array(strings.length + 1);
  parts.forEach((p, i) => {
    offsets[i + 1] = offsets[i]! + p.length;
  });
  const bytes = new Uint8Array(offsets[strings.length]!);
  parts.forEach((p, i) => {
    bytes.set(p, offsets[i]!);
  });
  return { offsets, bytes };
}

const decoder = new TextDecoder();

/** String `i` of a table. */
export function stringAt(table: StringTable, i: number): string {
  // Sliced, because a decoder may refuse views on shared memory.
  return decoder.decode(table.bytes.slice(table.offsets[i]!, table.offsets[i + 1]!));
}

/** All strings of a table. */
export function decodeStrings(table: StringTable): string[] {
  return Array.from({ length: table.offsets.length - 1 }, (_, i) => stringAt(table, i));
}
