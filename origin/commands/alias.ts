/** `firn alias NAME…`: has an edge give a long list of packages a short name. */
import { text } from "node:stream/consumers";
import { type Command, Option } from "@commander-js/extra-typings";
import pRetry, { AbortError } from "p-retry";
import * as v from "valibot";
import { type AliasAnswer, AliasAnswerSchema, ALIASES_PATH } from "../../edge/contract/alias.ts";
import { refusal } from "../operator/client.ts";
import { ACCOUNT_OPTIONS } from "../operator/account.ts";
import { secret } from "../process.ts";
import { CommandFailed, EXIT_HELP, kindOfAnswer } from "./exit-codes.ts";

/** Further attempts where the edge fails for a moment. */
const RETRIES = 5;
/** Stands for standard input among the names. */
const STDIN = "-";

const HELP = `
Examples:
  firn alias --edge https://firn.example shell git curl jq
  firn alias - < packages.txt
  docker pull "$(firn alias --image - < packages.txt)"

The same packages have the same alias at every registry, and it never means others. Where the registry
asks for an account, FIRN_USER and FIRN_PASSWORD (from the environment alone) name one.

${EXIT_HELP}`;

export function addAliasCommand(program: Command): void {
  program
    .command("alias")
    .description("a short name for a long list of packages: names of images have 255 characters")
    .argument("<names...>", "packages, as in an image's name; - for those on standard input")
    .addOption(ACCOUNT_OPTIONS.edge)
    .addOption(new Option("--user <name>", "an account of the registry").env("FIRN_USER"))
    .option("--image", "write HOST/x/… alone, without the command that pulls it", false)
    .option("--json", "all that the edge tells, as JSON on standard output", false)
    .addHelpText("after", HELP)
    .action(async (names, { edge, user, image, json }) => {
      const list = await allNames(names);
      const made = await makeAlias(edge, list, user);
      const shown = json ? JSON.stringify(made) : image ? made.pull.split(" ").at(-1) : made.pull;
      process.stdout.write(`${shown}\n`);
    });
}

/** The names, with those of standard input in the place of `-`: words, commas count as spaces. */
async function allNames(names: readonly string[]): Promise<readonly string[]> {
  if (!names.includes(STDIN)) return names;
  const words = (await text(process.stdin)).split(/[\s,]+/).filter((word) => word !== "");
  return names.flatMap((name) => (name === STDIN ? words : [name]));
}

/** Throws an Error with what the edge said. */
async function makeAlias(
  edge: URL,
  list: readonly string[],
  user: string | undefined,
): Promise<AliasAnswer> {
  const headers = {
    "content-type": "application/json",
    ...(user === undefined ? {} : { authorization: basic(user) }),
  };
  return pRetry(
    async () => {
      const response = await fetch(new URL(ALIASES_PATH, edge), {
        method: "POST",
        redirect: "error",
        headers,
        body: JSON.stringify(list),
      });
      const said = await response.text();
      if (response.ok) return v.parse(AliasAnswerSchema, JSON.parse(said));
      const error = new CommandFailed(
        kindOfAnswer(response.status),
        refusal(edge, response.status, said),
      );
      throw response.status >= 500 ? error : new AbortError(error);
    },
    { retries: RETRIES },
  );
}

const basic = (user: string): string =>
  `Basic ${Buffer.from(`${user}:${secret("FIRN_PASSWORD")}`).toString("base64")}`;
