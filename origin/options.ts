/**
 * Options of the `firn` command: each is a flag and an environment variable, read once and checked
 * before anything starts. commander names the flag or the variable in front of every message that
 * is thrown here.
 */
import { readFileSync } from "node:fs";
import { InvalidArgumentError, Option } from "commander";
import { SYSTEMS, type System } from "../edge/contract/records.ts";

const KIB = 1024;
const SIZES: Record<string, number> = { "": 1, K: KIB, M: KIB ** 2, G: KIB ** 3, T: KIB ** 4 };

/** `512M`, `4G`, `1048576`: bytes. */
export function bytes(text: string): number {
  const match = /^(\d+(?:\.\d+)?)([KMGT]?)(?:i?B)?$/i.exec(text.trim());
  const unit = SIZES[(match?.[2] ?? "").toUpperCase()];
  if (match === null || unit === undefined)
    throw new InvalidArgumentError("Give bytes, or a number with K, M, G or T: 512M.");
  return Math.floor(Number(match[1]) * unit);
}

/** A whole number of `what` between bounds. */
export function whole(what: string, min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < min || value > max)
      throw new InvalidArgumentError(`Give a whole number of ${what} from ${min} to ${max}.`);
    return value;
  };
}

/** Comma-separated http(s) or ws(s) URLs of edges; returned as ws(s) URLs without a path. */
export function edges(text: string): URL[] {
  const urls = list(text).map((part) => {
    const url = URL.parse(part);
    const protocol =
      url === null
        ? undefined
        : { "http:": "ws:", "https:": "wss:", "ws:": "ws:", "wss:": "wss:" }[url.protocol];
    if (url === null || protocol === undefined)
      throw new InvalidArgumentError(
        `${JSON.stringify(part)} is not a URL of an edge: give https://HOST, or several with commas.`,
      );
    if (url.username !== "" || url.password !== "")
      throw new InvalidArgumentError(
        "An edge's URL carries no user and password: an origin proves itself with its key.",
      );
    return new URL(`${protocol}//${url.host}`);
  });
  if (urls.length === 0) throw new InvalidArgumentError("Name at least one edge.");
  return urls;
}

/** Comma-separated Nix systems that this origin builds for. */
export function systems(text: string): System[] {
  const found = list(text);
  const wrong = found.filter((part) => !SYSTEMS.includes(part as System));
  if (found.length === 0 || wrong.length > 0)
    throw new InvalidArgumentError(`Give one or more of ${SYSTEMS.join(", ")}, with commas.`);
  return [...new Set(found)] as System[];
}

/** A name that may stand in a token's subject and in logs. */
export function originName(text: string): string {
  if (!/^[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}$/.test(text))
    throw new InvalidArgumentError(
      "Give at most 63 letters, digits, . _ and -, beginning with a letter or digit.",
    );
  return text;
}

/** The text of a file that must exist. */
export function fileText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new Error(`cannot read ${path}: ${(error as Error).message}`, { cause: error });
  }
}

/** Words with spaces between them, as Nix's own list settings are written. */
export const words = (text: string): string[] => text.split(/\s+/).filter((word) => word !== "");

const list = (text: string): string[] =>
  text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");

/** An option that is also an environment variable. */
export function setting(flags: string, env: string, description: string): Option {
  return new Option(flags, description).env(env);
}
