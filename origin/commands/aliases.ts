/**
 * The aliases of a name (edge/contract/alias.ts), for images that are made on this machine: a
 * registry says which packages one stands for, and its hash says that they are those.
 */
import * as v from "valibot";
import { ALIAS, AliasAnswerSchema, aliasKey, ALIASES_PATH } from "../../edge/contract/alias.ts";
import type { Aliases, NameParts } from "../../edge/contract/names.ts";
import { CommandFailed } from "./exit-codes.ts";
import { openEdge, type Work } from "./remote.ts";

const WHAT_TO_DO = "name one that has it with --edge (FIRN_EDGE), or write the packages";

/** The lists of a name's aliases, from the registry. Throws a CommandFailed. */
export async function askAliases(edge: URL, parts: NameParts, work: Work): Promise<Aliases> {
  if (parts.aliases.length === 0) return new Map();
  const registry = await openEdge(edge, work);
  const found = parts.aliases.map(async (key) => {
    work.progress.step(`asking ${edge.host} what ${ALIAS}/${key} stands for`);
    const answer = await registry.send(`${ALIASES_PATH}/${key}`, { scopes: [] }).catch((error) => {
      if (!(error instanceof CommandFailed)) throw error;
      throw new CommandFailed(
        error.kind,
        `only a registry can say what the alias ${ALIAS}/${key} stands for: ${error.message}; ` +
          WHAT_TO_DO,
        { cause: error },
      );
    });
    const said = v.safeParse(AliasAnswerSchema, await answer.json().catch(() => undefined));
    if (!said.success || (await aliasKey(said.output)) !== key)
      throw new CommandFailed(
        "failed",
        `${edge.host} returned a list that does not match the alias ${ALIAS}/${key}: ${WHAT_TO_DO}`,
      );
    return [key, said.output] as const;
  });
  return new Map(await Promise.all(found));
}
