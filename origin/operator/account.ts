/** What all commands of an operator share: their options, the account, and where they write. */
import { type Command, Option } from "@commander-js/extra-typings";
import { edgeUrl } from "../option-values.ts";
import { secret } from "../process.ts";

export const ACCOUNT_HELP =
  "FIRN_PASSWORD is read only from the environment. The account needs `operator` " +
  "(firn user --operator).";

/** Which edge, and which account there. */
const ACCOUNT_OPTIONS = {
  edge: new Option("--edge <url>", "the edge")
    .env("FIRN_EDGE")
    .argParser(edgeUrl)
    .makeOptionMandatory(),
  user: new Option("--user <name>", "an account that `firn user NAME --operator` made")
    .env("FIRN_USER")
    .makeOptionMandatory(),
} as const;

/** A command of an operator's, with the options that say which edge and which account. */
export const operatorCommand = (program: Command, name: string, description: string) =>
  program
    .command(name)
    .description(description)
    .addOption(ACCOUNT_OPTIONS.edge)
    .addOption(ACCOUNT_OPTIONS.user);

export interface Account {
  readonly edge: URL;
  readonly user: string;
}

export async function clientOf({ edge, user }: Account) {
  const { OperatorClient } = await import("./client.ts");
  return new OperatorClient({ edge, user, password: secret("FIRN_PASSWORD") });
}

export const print = (line: string): void => void process.stdout.write(`${line}\n`);
