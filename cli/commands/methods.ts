/** `sparseland methods [name]`: the catalogue, with method cards and options. */

import { columnsText } from "../../papers/harness/index.js";
import { InputError } from "../../src/core/index.js";
import { type MethodEntry, methods, type OptionSpec } from "../../src/methods/index.js";
import type { CommonOptions, Register } from "../command.js";
import { printResult } from "../print.js";
import { nearest } from "../recipe/nearest.js";

/** The range of an option in words. */
function rangeOf({ type, minimum, maximum, belowMaximum, choices }: OptionSpec): string {
  if (choices) return choices.join(", ");
  if (minimum === undefined && maximum === undefined) return type;
  if (maximum === undefined) return `${type} >= ${minimum}`;
  return `${type} in [${minimum ?? "-inf"}, ${maximum}${belowMaximum ? ")" : "]"}`;
}

const defaultOf = ({ default: value, optional }: OptionSpec) =>
  value === undefined ? (optional ? "-" : "required") : typeof value === "string" ? value : JSON.stringify(value);

function cardText({ card, options }: MethodEntry, width: number): string {
  const { name, title, paper, axes, excluded, optimiserState } = card;
  const rows: [string, string][] = [
    ["paper", paper ? `${paper.citation} (${paper.id})` : "none (a baseline)"],
    ["what is sparse", axes.sparse],
    ["pattern", axes.pattern],
    ["decided", axes.decided],
    ["training path", axes.path],
    ["mask over time", axes.overTime],
    ["criterion", axes.criterion],
    ["distribution", axes.distribution],
    ["schedule", axes.schedule],
    ["ranking", axes.ranking],
    ["information", axes.information],
    ["excluded", excluded],
    ["optimiser state", optimiserState],
  ];
  const list = Object.entries(options).map(([option, spec]) => [spec.doc, option, rangeOf(spec), defaultOf(spec)]);
  const table = list.length === 0 ? "options: none" : columnsText(["what it sets", "option", "values", "default"], list, width);
  return [`${name}: ${title}`, "", ...rows.map(([key, value]) => `  ${key.padEnd(16)}${value}`), "", table].join("\n");
}

/** The `methods` command. */
export const register: Register = (command, terminal) => {
  command
    .argument("[name]", "a method; without one the whole catalogue")
    .addHelpText("after", "\n--seed, --threads and --out have no meaning here.")
    .action((name: string | undefined, options: CommonOptions) => {
      if (name !== undefined) {
        const method = Object.hasOwn(methods, name) ? methods[name] : undefined;
        const near = nearest(name, Object.keys(methods));
        if (!method)
          throw new InputError(
            `no method ${JSON.stringify(name)}${near ? `; did you mean ${near}?` : "."} There are: ${Object.keys(methods).join(", ")}`,
          );
        printResult(terminal, options, { name, card: method.card, options: method.options }, () =>
          cardText(method, terminal.columns),
        );
        return;
      }
      const document = { methods: Object.entries(methods).map(([name, { card, options }]) => ({ name, card, options })) };
      printResult(terminal, options, document, () => {
        const rows = Object.entries(methods).map(([name, { card }]) => [
          card.title,
          name,
          card.axes.path,
          card.axes.decided,
          card.paper?.id ?? "-",
        ]);
        return `${columnsText(["what it does", "name", "training path", "mask decided", "paper"], rows, terminal.columns)}\n\nsparseland methods <name> shows a method's card and options.`;
      });
    });
};
