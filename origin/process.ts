/** What commands share of their process: secrets from its environment, and words for its terminal. */

/** A variable that must be set and has no flag. Throws an Error that names it. */
export function secret(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === "") throw new Error(`${name} is not set`);
  return value;
}

/** Tells the person at the terminal, beside what the command writes. */
export const tell = (line: string): void => void process.stderr.write(`${line}\n`);
