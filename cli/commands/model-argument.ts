/** Numbers that commands on models take. */
import { InvalidArgumentError } from "commander";

/** Parses an integer from 1 to 65536. */
export function positive(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1 || value > 65_536) throw new InvalidArgumentError("Expected an integer from 1 to 65536.");
  return value;
}

/** Parses a number in [0, 1). */
export function fraction(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !(value >= 0 && value < 1)) throw new InvalidArgumentError("Expected a number in [0, 1).");
  return value;
}
