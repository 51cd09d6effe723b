/** `firn alias NAME…`: has an edge give a long list of packages a short name. */
import { text } from "node:stream/consumers";
import type { Command } from "@commander-js/extra-typings";
import * as v from "valibot";
import { type AliasAnswer, AliasAnswerSchema, ALIASES_PATH } from "../../edge/contract/alias.ts";
import { stopSignal } from "../stop-signal.ts";
import { ACCOUNT_HELP, BUILD, help, REMOTE } from "./command-options.ts";
import { CommandFailed } from "./exit-codes.ts";
import { openProgress } from "./progress.ts";
import { openEdge } from "./remote.ts";

/** The argument that stands for the names on standard input. */
const STDIN = "-";

/** Adds `firn alias`. */
export function addAliasCommand(program: Command): void {
  program
    .command("alias")
    .description("a short name for a list of packages that is too long for an image name")
    .argument("<names...>", "packages, as in an image's name; - for those on standard input")
    .addOption(REMOTE.edge)
    .option("--image", "print only HOST/x/…, not the command that pulls it", false)
    .addOption(BUILD.json)
    .addHelpText(
      "after",
      help(
        "  firn alias --edge https://firn.example shell git curl jq\n" +
          "  firn alias - < packages.txt\n" +
          '  docker pull "$(firn alias --image - < packages.txt)"',
        "The same packages have the same alias at every registry, and it never changes.\n\n" +
          ACCOUNT_HELP,
      ),
    )
    .action(async (names, { edge, image, json }) => {
      const made = await makeAlias(edge, await allNames(names));
      const shown = json ? JSON.stringify(made) : image ? made.pull.split(" ").at(-1) : made.pull;
      process.stdout.write(`${shown}\n`);
    });
}

/** The names, with those on standard input in place of `-`, separated by spaces or commas. */
async function allNames(names: readonly string[]): Promise<readonly string[]> {
  if (!names.includes(STDIN)) return names;
  const words = (await text(process.stdin)).split(/[\s,]+/).filter((word) => word !== "");
  return names.flatMap((name) => (name === STDIN ? words : [name]));
}

/** Asks the edge for an alias. Throws a CommandFailed with the edge's error. */
async function makeAlias(edge: URL, list: readonly string[]): Promise<AliasAnswer> {
  const progress = openProgress();
  try {
    const registry = await openEdge(edge, { progress, signal: stopSignal() });
    const answer = await registry.send(ALIASES_PATH, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: new Blob([JSON.stringify(list)]),
      scopes: [],
    });
    const said = v.safeParse(AliasAnswerSchema, await answer.json().catch(() => undefined));
    if (!said.success)
      throw new CommandFailed("failed", `${edge.host} is not a Firn registry, or an older version`);
    return said.output;
  } finally {
    progress.end();
  }
}
