/** What all commands of operators share: options, client and output. */
import { type Command, Option } from "@commander-js/extra-typings";
import { edgeUrl } from "../option-values.ts";
import { secret } from "../process.ts";

export const ACCOUNT_HELP =
  "FIRN_PASSWORD is read only from the environment. The account needs `operator` " +
  "(firn user --operator).";

/** Options for the edge and the account. */
const ACCOUNT_OPTIONS = {
  edge: new Option("--edge <url>", "the edge")
    .env("FIRN_EDGE")
    .argParser(edgeUrl)
    .makeOptionMandatory(),
  user: new Option("--user <name>", "an account that `firn user NAME --operator` made")
    .env("FIRN_USER")
    .makeOptionMandatory(),
} as const;

/** Adds a command with these options. */
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

/** A client for the operator API. Throws a CommandFailed when FIRN_PASSWORD is not set. */
export async function clientOf({ edge, user }: Account) {
  const { OperatorClient } = await import("./client.ts");
  return new OperatorClient({ edge, user, password: secret("FIRN_PASSWORD") });
}

export const print = (line: string): void => void process.stdout.write(`${line}\n`);
