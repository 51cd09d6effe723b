/** `firn user NAME`: makes an account, as a line for the edge's ACCOUNTS. */
import { randomBytes } from "node:crypto";
import { text } from "node:stream/consumers";
import { ACCOUNT_NAME_PATTERN, hashPassword } from "../edge/contract/account.ts";
import { CommandFailed } from "./commands/exit-codes.ts";

/** Random bits of a generated password. */
const PASSWORD_BITS = 160;

export interface UserOptions {
  /** Globs of image names that it may pull. */
  readonly names?: readonly string[] | undefined;
  /** Whether its pulls may start builds. */
  readonly build: boolean;
  /** Whether it may use the operator API. */
  readonly operator?: boolean | undefined;
  /** A stream with the password; default: one is generated, and shown through `tell`. */
  readonly password?: NodeJS.ReadableStream | undefined;
  /** Takes lines for the user. */
  readonly tell: (line: string) => void;
}

/**
 * Makes an account, as JSON: `{"<name>": {…}}`. Throws a CommandFailed or an Error with the rule
 * that the name or password breaks.
 */
export async function makeUser(name: string, options: UserOptions): Promise<string> {
  if (!ACCOUNT_NAME_PATTERN.test(name))
    throw new CommandFailed(
      "usage",
      `${JSON.stringify(name)} is not a valid account name: use 1 to 64 letters, digits, . _ @ and -`,
    );
  const password = await passwordOf(options);
  const account = {
    password: await hashPassword(password),
    ...(options.names === undefined ? {} : { names: options.names }),
    ...(options.build ? {} : { build: false }),
    ...(options.operator === true ? { operator: true } : {}),
  };
  return JSON.stringify({ [name]: account });
}

async function passwordOf({ password, tell }: UserOptions): Promise<string> {
  if (password !== undefined) return (await text(password)).replace(/\r?\n$/, "");
  const made = randomBytes(PASSWORD_BITS / 8).toString("base64url");
  tell(`password: ${made}`);
  return made;
}
