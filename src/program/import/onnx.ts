/** ONNX models as programs. */
import { InputError } from "../../core/index.js";
import { externalLocations, type OnnxModel, readOnnx } from "../../formats/index.js";
import type { Imported, ImportOptions, Unsupported } from "./imported.js";
import { Importer, nodeName, operatorOf } from "./importer.js";
import { nearby } from "./nearby.js";
import { rules } from "./rules/index.js";

/** Neighbours are sought for the first unsupported operators only: a hostile file may name a million. */
const MOST_SOUGHT = 100;

/** Names of all operators that `importOnnx` translates. */
export const supportedOnnxOperators = (): string[] => [...rules.keys()].sort();

/**
 * All operators of a model that cannot be imported, at once. A supported operator may still be refused for its attributes: that
 * error comes from `importOnnx`.
 * @throws FormatError when the file is damaged
 */
export function unsupportedOperators(model: Uint8Array | OnnxModel): Unsupported[] {
  const { graph } = model instanceof Uint8Array ? readOnnx(model) : model;
  const found = new Map<string, { count: number; nodes: string[] }>();
  graph.nodes.forEach((node, i) => {
    const operator = operatorOf(node);
    if (rules.has(operator)) return;
    const entry = found.get(operator) ?? { count: 0, nodes: [] };
    entry.count++;
    if (entry.nodes.length < 5) entry.nodes.push(nodeName(node, i));
    found.set(operator, entry);
  });
  return [...found].map(([operator, entry], i) => ({
    operator,
    ...entry,
    nearby: i < MOST_SOUGHT ? nearby(operator.split(".").at(-1)!, rules.keys()) : [],
  }));
}

/** The files beside a model that its tensors name. @throws FormatError for a path outside the model's folder */
export function onnxExternalFiles({ graph }: OnnxModel): string[] {
  const attributes = graph.nodes.flatMap((n) => n.attributes.flatMap((a) => (a.t ? [a.t] : [])));
  const sparse = graph.sparseInitializers.flatMap(({ values, indices }) => [values, indices].filter((t) => t !== undefined));
  return externalLocations([...graph.initializers, ...sparse, ...attributes]);
}

/**
 * An ONNX model as a program with its params.
 *
 *     const { program, params, masks } = importOnnx(bytes, { dims: { sequence: 128 } });
 *     const session = await createSession(packModel({ program, params, masks }));
 *
 * Initialisers become params under their own names; the right operand of MatMul and Gemm is transposed to [out, in]. What depends
 * on constants alone is computed here. Integers and booleans are computed in float32 (exact up to 2^24).
 *
 * @throws FormatError when the file is damaged; InputError naming the node and the operator when one cannot be translated, when a
 *         symbolic dim is not bound, or when shapes do not fit
 */
export function importOnnx(model: Uint8Array | OnnxModel, options: ImportOptions = {}): Imported {
  const parsed = model instanceof Uint8Array ? readOnnx(model) : model;
  const unknown = unsupportedOperators(parsed);
  if (unknown.length > 0) {
    const [first, ...more] = unknown as [Unsupported, ...Unsupported[]];
    const rest =
      more.length > 0
        ? `; also unsupported: ${more
            .slice(0, 12)
            .map((u) => u.operator)
            .join(", ")}${more.length > 12 ? ` and ${more.length - 12} more` : ""}`
        : "";
    throw new InputError(
      `onnx: node "${first.nodes[0]}": the operator ${first.operator} is not supported (nearby: ${first.nearby.join(", ")})${rest}`,
    );
  }
  const importer = new Importer(parsed, options);
  return importer.run();
}
