/** What builds for browsers' workers look for, put in place in Node while they load. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import vm from "node:vm";

const strip = (url: unknown): string =>
  String(url)
    .replace(/^http:\/\/x\/?/, "/")
    .replace(/^\/+/, "/");

/** Runs a script as importScripts does: what it declares becomes global. @param after code appended to it */
export function importScript(url: unknown, after = ""): void {
  const filename = strip(url);
  vm.runInThisContext(`${readFileSync(filename, "utf8")};${after}`, { filename });
}

/** A file as the answer of fetch. */
export const fileResponse = async (url: unknown): Promise<Response> =>
  new Response(new Uint8Array(readFileSync(strip(url))), { headers: { "content-type": "application/wasm" } });

/**
 * Globals that stay only for the time of `load`.
 * @param forever leaves them: code that starts threads asks for them again
 */
export async function withWorkerGlobals<T>(
  directory: string,
  extra: Readonly<Record<string, unknown>>,
  load: () => Promise<T>,
  forever = false,
): Promise<T> {
  const scope = globalThis as unknown as Record<string, unknown>;
  const shims: Record<string, unknown> = {
    self: globalThis,
    navigator: { hardwareConcurrency: 2 },
    require: createRequire(import.meta.url),
    __dirname: directory,
    __filename: "",
    importScripts(url: unknown) {
      scope["__filename"] = strip(url);
      importScript(url);
    },
    ...extra,
  };
  const before = Object.keys(shims).map((key) => [key, Object.getOwnPropertyDescriptor(globalThis, key)] as const);
  for (const [key, value] of Object.entries(shims))
    Object.defineProperty(globalThis, key, { value, configurable: true, writable: true, enumerable: true });
  try {
    return await load();
  } finally {
    for (const [key, descriptor] of forever ? [] : before) {
      if (descriptor) Object.defineProperty(globalThis, key, descriptor);
      else delete scope[key];
    }
  }
}
