/**
 * What commands share: secrets from the environment, files that must exist, lines for the terminal.
 */
import { readFileSync } from "node:fs";

/** A variable that must be set and has no flag. Throws an Error that names it. */
export function secret(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === "") throw new Error(`${name} is not set`);
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

/** Tells the person at the terminal, beside what the command writes. */
export const tell = (line: string): void => void process.stderr.write(`${line}\n`);
