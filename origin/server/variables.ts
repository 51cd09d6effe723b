/** The Worker's variables among those of this process. */
import { isVariable } from "../../edge/contract/variable-names.ts";

/** Those that are set, and not to nothing; the Worker checks them. */
export const variablesOf = (env: NodeJS.ProcessEnv): Record<string, string> =>
  Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) =>
      isVariable(name) && value ? [[name, value] as const] : [],
    ),
  );
