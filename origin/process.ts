/** What commands share: secrets from the environment, text files, messages. */
import { readFileSync } from "node:fs";
import { CommandFailed } from "./commands/exit-codes.ts";

/** The value of a variable that has no flag. Throws a CommandFailed when it is not set. */
export function secret(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === "")
    throw new CommandFailed("usage", `${name} is not set (it can only be set in the environment)`);
  return value;
}

/** The text of a file. Throws a CommandFailed that names it when it cannot be read. */
export function fileText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new CommandFailed("usage", `cannot read ${path}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** Writes a line to standard error: a message that is not part of the command's output. */
export const tell = (line: string): void => void process.stderr.write(`${line}\n`);
