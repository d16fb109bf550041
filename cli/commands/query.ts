/** `sparseland query`: the same as `sparseland index query`. */
import type { Register } from "../command.js";
import { searchCommand } from "../retrieval/query.js";

/** The `query` command. */
export const register: Register = (command, terminal) => {
  searchCommand(command, terminal);
  command.addHelpText("after", "\nExample: sparseland query docs.index heat transfer");
};
