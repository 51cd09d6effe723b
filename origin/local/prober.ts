/** The account with which `npm start` checks that pulls work. */
import { randomUUID } from "node:crypto";
import { hashPassword } from "../../edge/contract/account.ts";

export interface Prober {
  readonly credentials: { readonly user: string; readonly password: string };
  /** ACCOUNTS with the prober's account. */
  readonly accounts: string;
}

/**
 * An account for the check that pulls work, where pulls need one; its password is made for this run
 * alone. Undefined where no account is needed, or ACCOUNTS is wrong, which the Worker reports.
 */
export async function makeProber({
  ACCESS,
  ACCOUNTS,
}: NodeJS.ProcessEnv): Promise<Prober | undefined> {
  const accounts = jsonObject(ACCOUNTS);
  if (ACCESS === undefined || ACCESS === "public" || accounts === undefined) return undefined;
  const credentials = { user: "npm-start", password: randomUUID() };
  const account = { password: await hashPassword(credentials.password) };
  return { credentials, accounts: JSON.stringify({ ...accounts, [credentials.user]: account }) };
}

function jsonObject(text = "{}"): object | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
