/** What all commands of an operator share: the account, and where they write. */
import { secret } from "../process.ts";

export const ACCOUNT_HELP =
  "FIRN_PASSWORD is read from the environment alone. The account needs `operator` (firn user --operator).";

export interface Account {
  readonly edge: URL;
  readonly user: string;
}

export async function clientOf({ edge, user }: Account) {
  const { OperatorClient } = await import("./client.ts");
  return new OperatorClient({ edge, user, password: secret("FIRN_PASSWORD") });
}

export const print = (line: string): void => void process.stdout.write(`${line}\n`);
