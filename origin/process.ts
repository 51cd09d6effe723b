/**
 * What commands share: secrets from the environment, files that must exist, lines for the terminal.
 */
import { readFileSync } from "node:fs";
import { CommandFailed } from "./commands/exit-codes.ts";

/** A variable that must be set and has no flag. Throws a CommandFailed that names it. */
export function secret(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === "")
    throw new CommandFailed("usage", `${name} is not set (it can only be set in the environment)`);
  return value;
}

/** The text of a file that must exist. */
export function fileText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new Error(`cannot read ${path}: ${(error as Error).message}`, { cause: error });
  }
}

/** Tells the person at the terminal something that is not part of the command's output. */
export const tell = (line: string): void => void process.stderr.write(`${line}\n`);
