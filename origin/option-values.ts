/**
 * Parsers of option values: each function reads one kind of value, from a flag or a variable. They
 * throw an InvalidArgumentError, before whose message commander puts the flag or the variable.
 */
import { isIP } from "node:net";
import { resolve } from "node:path";
import { InvalidArgumentError } from "@commander-js/extra-typings";
import { ORIGIN_NAME_PATTERN, ORIGIN_NAME_RULE } from "../edge/contract/fields.ts";
import { packagePolicy, type PackagePolicy } from "../edge/contract/package-policy.ts";
import { SYSTEMS, type System } from "../edge/contract/records.ts";
import type { DiskBudget } from "./disk/budget.ts";
import { isPublicKey } from "./nix/cache/signing-key.ts";
import { duration } from "./operator/table.ts";

const KIB = 1024;
const SIZES: Record<string, number> = { "": 1, K: KIB, M: KIB ** 2, G: KIB ** 3, T: KIB ** 4 };
const PATH_SET = "path:";
/** Smallest DISK_BUDGET, bytes. */
const MIN_BUDGET = 100 * KIB ** 2;

/** Reads `512M`, `4G` or `1048576` as bytes. */
export function bytes(text: string): number {
  const match = /^(\d+(?:\.\d+)?)([KMGT]?)(?:i?B)?$/i.exec(text.trim());
  const unit = SIZES[(match?.[2] ?? "").toUpperCase()];
  if (match === null || unit === undefined)
    throw new InvalidArgumentError("Give bytes, or a number with K, M, G or T: 512M.");
  return Math.floor(Number(match[1]) * unit);
}

const PERIODS: Record<string, number> = { s: 1, m: 60, h: 3_600, d: 86_400 };

/** Reads `90d`, `12h`, `30m` or `10s` as seconds; the bounds are seconds too. */
export function period(min: number, max: number): (text: string) => number {
  return (text) => {
    const [, count, unit = ""] = /^(\d{1,6})([smhd])$/.exec(text.trim()) ?? [];
    const seconds = Number(count) * (PERIODS[unit] ?? NaN);
    if (Number.isNaN(seconds) || seconds < min || seconds > max)
      throw new InvalidArgumentError(
        `Give a number and its unit (90d, 12h, 30m, 10s): from ${duration(min)} to ` +
          `${duration(max)}.`,
      );
    return seconds;
  };
}

/** Reads `50G`, the most bytes that may be used, or `free:10G`, the bytes to be kept free. */
export function diskBudget(text: string): DiskBudget {
  const [, keep, size = ""] = /^(free:)?(.*)$/s.exec(text.trim()) ?? [];
  const limit = bytes(size);
  if (limit < MIN_BUDGET)
    throw new InvalidArgumentError("Give 100M or more: no package set fits into less.");
  return keep === undefined ? { used: limit } : { free: limit };
}

/** Reads a whole number from `min` to `max`; `what`: the unit, for the message. */
export function whole(what: string, min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text.trim()) || value < min || value > max)
      throw new InvalidArgumentError(`Give ${what}: a whole number from ${min} to ${max}.`);
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

/** Comma-separated hosts, each with or without a port, as URLs have them. */
export function hosts(text: string): string[] {
  return list(text).map((part) => {
    const url = URL.parse(`http://${part}`);
    const [, port] = /:(\d+)$/.exec(part) ?? [];
    if (url === null || url.href !== `http://${url.host}/`)
      throw new InvalidArgumentError(
        `${JSON.stringify(part)} is not a host: give HOST or HOST:PORT, or several with commas.`,
      );
    return port === undefined ? url.hostname : `${url.hostname}:${Number(port)}`;
  });
}

/** Comma-separated Nix systems that this origin builds for. */
export function systems(text: string): System[] {
  const found = list(text);
  const wrong = found.filter((part) => !SYSTEMS.includes(part as System));
  if (found.length === 0 || wrong.length > 0)
    throw new InvalidArgumentError(`Give one or more of ${SYSTEMS.join(", ")}, with commas.`);
  return [...new Set(found)] as System[];
}

/** An origin's name, by the rule of the edge's ORIGINS. */
export function originName(text: string): string {
  if (!ORIGIN_NAME_PATTERN.test(text)) throw new InvalidArgumentError(`Give ${ORIGIN_NAME_RULE}.`);
  return text;
}

/** An IP address to listen on. */
export function address(text: string): string {
  if (isIP(text) === 0)
    throw new InvalidArgumentError(
      "Give an IP address of this machine: 127.0.0.1 for this machine alone, 0.0.0.0 for all " +
        "of its addresses.",
    );
  return text;
}

/**
 * A package set, unparsed (edge/contract/package-set.ts parses it), with its directory absolute.
 */
export function packageSet(text: string): string {
  if (text.startsWith(PATH_SET) && text !== PATH_SET)
    return PATH_SET + resolve(text.slice(PATH_SET.length));
  const [, directory, query = ""] = FLAKE_DIRECTORY.exec(text) ?? [];
  return directory === undefined ? text : `flake:${PATH_SET}${resolve(directory)}${query}`;
}
/** `flake:path:<dir>?dir=<subdirectory>`, and the same without `path:`. */
const FLAKE_DIRECTORY = /^flake:(?:path:|(?=[./]))([^?]+)(\?.*)?$/s;

/** Public keys with spaces between them, as in Nix's trusted-public-keys. */
export function publicKeys(text: string): readonly string[] {
  const found = words(text);
  const wrong = found.find((word) => !isPublicKey(word));
  if (wrong !== undefined)
    throw new InvalidArgumentError(
      `${JSON.stringify(wrong)} is not a public key of Nix: NAME:BASE64, as nix-store ` +
        `--generate-binary-cache-key writes it.`,
    );
  return found;
}

/** Words with spaces between them, as in Nix's settings. */
export const words = (text: string): string[] => text.split(/\s+/).filter((word) => word !== "");

/** Reads one list of the package policy, with the edge's parser. */
export const policy =
  (variable: "PACKAGES_ALLOW" | "PACKAGES_DENY", list: keyof PackagePolicy) =>
  (text: string): readonly string[] => {
    try {
      return packagePolicy({ [variable]: text })[list];
    } catch (error) {
      throw new InvalidArgumentError(`${(error as Error).message}.`);
    }
  };

const list = (text: string): string[] =>
  text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");

/** An http(s) URL of an edge, without user and password. */
export function edgeUrl(text: string): URL {
  const url = new URL(httpUrl(text));
  if (url.username !== "" || url.password !== "")
    throw new InvalidArgumentError(
      "Give it without user and password: set FIRN_USER and FIRN_PASSWORD, or `docker login`.",
    );
  return url;
}

/** An http(s) URL, unchanged. The message does not repeat it, since it may contain a password. */
export function httpUrl(text: string): string {
  if (!/^https?:$/.test(URL.parse(text)?.protocol ?? ""))
    throw new InvalidArgumentError("Give an http:// or https:// URL: https://HOST.");
  return text;
}

/** A date, or a time by RFC 3339, in milliseconds since 1970. */
export function sinceTime(text: string): number {
  const time = /^\d{4}-\d{2}-\d{2}(T[\d:.]+(Z|[+-]\d{2}:\d{2}))?$/.test(text)
    ? Date.parse(text)
    : NaN;
  if (Number.isNaN(time))
    throw new InvalidArgumentError("Give a date, or a time with its zone: 2026-01-31T12:00:00Z.");
  return time;
}
