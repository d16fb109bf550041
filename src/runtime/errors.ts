/** Errors of loading and running, and how they travel between threads. */
import { FormatError, InputError, OptionError, ShapeError } from "../core/index.js";

/** A model could not be fetched or read to its end. */
export class SourceError extends InputError {
  override name = "SourceError";
}

/** A session or runtime that can no longer run: it was closed, or its worker died. */
export class SessionError extends Error {
  override name = "SessionError";
  /**
   * @param reason  `closed` by `close()`, or `lost`: its worker died, or a thread did
   * @param message what was asked for and what to do
   */
  constructor(
    readonly reason: "closed" | "lost",
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** An error as it is sent to another thread. */
export interface SentError {
  readonly name: string;
  readonly message: string;
  readonly reason?: "closed" | "lost";
}

/** What is left of any thrown value on the other side of a thread. */
export function packError(error: unknown): SentError {
  if (error instanceof SessionError) return { name: error.name, message: error.message, reason: error.reason };
  if (error instanceof Error) return { name: error.name, message: error.message };
  return { name: "Error", message: String(error) };
}

const inputErrors: Readonly<Record<string, { readonly prototype: InputError }>> = {
  InputError,
  OptionError,
  ShapeError,
  FormatError,
  SourceError,
};

/** The same kind of error again, so that `instanceof` holds on this side too. */
export function unpackError({ name, message, reason }: SentError): Error {
  if (reason) return new SessionError(reason, message);
  const kind = inputErrors[name];
  const error = kind ? Object.setPrototypeOf(new InputError(message), kind.prototype) : new Error(message);
  error.name = name;
  return error as Error;
}
