/**
 * The errors that users meet. Every message names the place, what was expected, what came, and how to mend it.
 * Bad input of any kind is an `InputError` (exit code 2 of the command line); its subclasses say which kind.
 */

/** Bad input: a file, an option, a shape or a value that cannot be used. */
export class InputError extends Error {
  override name = "InputError";
}

/** A value outside its stated range or of the wrong type. */
export class OptionError extends InputError {
  override name = "OptionError";
  /**
   * @param option   dotted name, such as `rigl.sparsity`
   * @param expected what is allowed, in words
   * @param came     the value that came
   */
  constructor(option: string, expected: string, came: unknown) {
    super(`${option}: expected ${expected}, got ${show(came)}`);
  }
}

/** Shapes that do not fit together. */
export class ShapeError extends InputError {
  override name = "ShapeError";
  /**
   * @param place    the operation or function
   * @param shapes   the shapes that came, by argument name
   * @param expected what was expected, in words
   */
  constructor(place: string, shapes: Readonly<Record<string, readonly number[]>>, expected?: string) {
    const list = Object.entries(shapes)
      .map(([name, shape]) => `${name} [${shape.join(", ")}]`)
      .join(", ");
    super(`${place}: ${expected ? `expected ${expected}, got ` : "shapes do not fit: "}${list}`);
  }
}

/** A file or byte stream that is not what it claims to be. */
export class FormatError extends InputError {
  override name = "FormatError";
  /**
   * @param format  the file format, such as `safetensors`
   * @param problem what is wrong, with the byte offset or line where known
   */
  constructor(format: string, problem: string) {
    super(`${format}: ${problem}`);
  }
}

/** A short printable form of any value, for messages. */
export function show(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.length > 80 ? `${value.slice(0, 77)}...` : value);
  if (typeof value === "function") return "a function";
  if (ArrayBuffer.isView(value)) return `${value.constructor.name}(${(value as Float32Array).length})`;
  if (typeof value === "object" && value !== null) {
    const text = JSON.stringify(value) ?? String(value);
    return text.length > 80 ? `${text.slice(0, 77)}...` : text;
  }
  return String(value);
}
