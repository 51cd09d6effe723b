/**
 * Options of the `firn` command: each is a flag and an environment variable, read once and checked
 * before anything starts, with its default stated here. commander names the flag or the variable in
 * front of every message that is thrown here.
 */
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { resolve } from "node:path";
import { type Command, InvalidArgumentError, Option } from "@commander-js/extra-typings";
import { ORIGIN_NAME_PATTERN, ORIGIN_NAME_RULE } from "../edge/contract/origin-name.ts";
import {
  DEFAULT_DENY,
  packagePolicy,
  type PackagePolicy,
} from "../edge/contract/package-policy.ts";
import { SYSTEMS, type System } from "../edge/contract/records.ts";
import { DEFAULT_LIMITS } from "./nix/limits.ts";
import type { DiskBudget } from "./disk/budget.ts";
import { isPublicKey } from "./nix/cache/signing-key.ts";

const KIB = 1024;
const SIZES: Record<string, number> = { "": 1, K: KIB, M: KIB ** 2, G: KIB ** 3, T: KIB ** 4 };
const PATH_SET = "path:";
/** Least DISK_BUDGET, bytes. */
const MIN_BUDGET = 100 * KIB ** 2;

/** `512M`, `4G`, `1048576`: bytes. */
export function bytes(text: string): number {
  const match = /^(\d+(?:\.\d+)?)([KMGT]?)(?:i?B)?$/i.exec(text.trim());
  const unit = SIZES[(match?.[2] ?? "").toUpperCase()];
  if (match === null || unit === undefined)
    throw new InvalidArgumentError("Give bytes, or a number with K, M, G or T: 512M.");
  return Math.floor(Number(match[1]) * unit);
}

const PERIODS: Record<string, number> = { m: 60, h: 3_600, d: 86_400 };

/** `90d`, `12h`, `30m`: seconds, within bounds of seconds. */
export function period(min: number, max: number): (text: string) => number {
  return (text) => {
    const [, count, unit = ""] = /^(\d{1,6})([mhd])$/.exec(text.trim()) ?? [];
    const seconds = Number(count) * (PERIODS[unit] ?? NaN);
    if (Number.isNaN(seconds) || seconds < min || seconds > max)
      throw new InvalidArgumentError(
        `Give days, hours or minutes (90d, 12h, 30m): ${min / 60} minutes to ${max / 86_400} days.`,
      );
    return seconds;
  };
}

/** `50G`: most bytes used. `free:10G`: bytes that stay free. */
export function diskBudget(text: string): DiskBudget {
  const [, keep, size = ""] = /^(free:)?(.*)$/s.exec(text.trim()) ?? [];
  const limit = bytes(size);
  if (limit < MIN_BUDGET)
    throw new InvalidArgumentError("Give 100M or more: less holds no package set.");
  return keep === undefined ? { used: limit } : { free: limit };
}

/** A whole number between bounds; `what`: what it counts, for the message. */
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
  if (!ORIGIN_NAME_PATTERN.test(text)) throw new InvalidArgumentError(`Give ${ORIGIN_NAME_RULE}.`);
  return text;
}

/** An address to listen on. */
export function address(text: string): string {
  if (isIP(text) === 0)
    throw new InvalidArgumentError(
      "Give an IP address of this machine: 127.0.0.1 for this machine alone, 0.0.0.0 for all " +
        "of its addresses.",
    );
  return text;
}

/** A package set as given (edge/contract reads it), a directory in it made absolute. */
export function packageSet(text: string): string {
  if (text.startsWith(PATH_SET) && text !== PATH_SET)
    return PATH_SET + resolve(text.slice(PATH_SET.length));
  const [, directory, query = ""] = FLAKE_DIRECTORY.exec(text) ?? [];
  return directory === undefined ? text : `flake:${PATH_SET}${resolve(directory)}${query}`;
}
/** `flake:path:<dir>?dir=<subdirectory>`, and the same without `path:`. */
const FLAKE_DIRECTORY = /^flake:(?:path:|(?=[./]))([^?]+)(\?.*)?$/s;

/** Nix's trusted-public-keys. */
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

/** Words with spaces between them, as Nix's own list settings are written. */
const words = (text: string): string[] => text.split(/\s+/).filter((word) => word !== "");

/** Reads one list of the package policy, as the edge does. */
const policy =
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

/** The text of a file that must exist. */
export function fileText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new Error(`cannot read ${path}: ${(error as Error).message}`, { cause: error });
  }
}

const packageSetOption = () =>
  new Option(
    "--package-set <set>",
    "starter, channel:<name or commit>, git:<url>, path:<dir> or flake:<url>",
  )
    .env("PACKAGE_SET")
    .argParser(packageSet);

const s3Endpoint = () =>
  new Option("--s3-endpoint <url>", "the bucket's S3 endpoint").env("S3_ENDPOINT");
const s3Bucket = () => new Option("--s3-bucket <name>", "the bucket").env("S3_BUCKET");

/** What several commands take. */
export const SHARED = {
  packageSet: packageSetOption().makeOptionMandatory(),
  stateDir: new Option("--state-dir <dir>", "caches and clones; may be lost at any time")
    .env("STATE_DIR")
    .default(".firn/origin"),
  s3Region: new Option("--s3-region <region>", "the bucket's region")
    .env("S3_REGION")
    .default("auto"),
} as const;

/** `firn plan`. */
export const PLAN = {
  s3Endpoint: s3Endpoint().makeOptionMandatory(),
  s3Bucket: s3Bucket().makeOptionMandatory(),
} as const;

/** `firn start`. */
export const START = {
  packageSet: packageSetOption().default("starter"),
  port: new Option("--port <port>", "where it listens; 0 for any free one")
    .env("PORT")
    .argParser(whole("a port", 0, 65_535))
    .default(8787),
  host: new Option("--host <address>", "address that it listens on; 0.0.0.0 for all")
    .env("HOST")
    .argParser(address)
    .default("127.0.0.1"),
  stateDir: new Option("--state-dir <dir>", "keys, bucket and caches")
    .env("FIRN_STATE")
    .default(".firn"),
} as const;

/** `firn serve`; the Worker's own variables come from the environment. */
export const SERVE = {
  packageSet: packageSetOption().default("starter"),
  port: START.port,
  host: START.host,
  stateDir: new Option("--state-dir <dir>", "bucket, Durable Objects and keys")
    .env("FIRN_STATE")
    .default(".firn"),
  bucketPort: new Option("--bucket-port <port>", "port of 127.0.0.1 for the bucket's directory")
    .env("BUCKET_PORT")
    .argParser(whole("a port", 1, 65_535))
    .default(8788),
  bucketUrl: new Option("--bucket-url <url>", "by which origins elsewhere reach that port")
    .env("BUCKET_URL")
    .argParser((text) => edgeUrl(text).href.replace(/\/$/, "")),
} as const;

/** An http(s) URL of one edge. */
export function edgeUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol))
    throw new InvalidArgumentError("must be an http:// or https:// URL of an edge");
  return url;
}

/** A point in time, by RFC 3339 or as a date; milliseconds since 1970. */
export function sinceTime(text: string): number {
  const time = /^\d{4}-\d{2}-\d{2}(T[\d:.]+(Z|[+-]\d{2}:\d{2}))?$/.test(text)
    ? Date.parse(text)
    : NaN;
  if (Number.isNaN(time))
    throw new InvalidArgumentError("must be a date, or a time with its zone: 2026-01-31T12:00:00Z");
  return time;
}

/** Commands that use an edge's operator API. */
export const OPERATOR = {
  edge: new Option("--edge <url>", "the edge")
    .env("FIRN_EDGE")
    .argParser(edgeUrl)
    .makeOptionMandatory(),
  user: new Option("--user <name>", "an account of an operator's")
    .env("FIRN_USER")
    .makeOptionMandatory(),
} as const;

/** A command of an operator's, with the options that say which edge and which account. */
export const operatorCommand = (program: Command, name: string, description: string) =>
  program.command(name).description(description).addOption(OPERATOR.edge).addOption(OPERATOR.user);

/** `firn origin`. */
export const ORIGIN = {
  edges: new Option("--edges <urls>", "edges to connect to, with commas")
    .env("FIRN_EDGES")
    .argParser(edges)
    .makeOptionMandatory(),
  name: new Option("--name <name>", "name under which the edge knows its key")
    .env("ORIGIN_NAME")
    .argParser(originName)
    .makeOptionMandatory(),
  keyFile: new Option("--key-file <file>", "its private key, made by `firn keygen`")
    .env("ORIGIN_KEY_FILE")
    .makeOptionMandatory(),
  systems: new Option("--systems <systems>", "what it builds for, with commas")
    .env("SYSTEMS")
    .argParser(systems)
    .default([SYSTEMS[0]]),
  slots: new Option("--slots <n>", "jobs at once")
    .env("SLOTS")
    .argParser(whole("jobs", 1, 256))
    .default(2),
  // Without them the edge signs what it stores.
  s3Endpoint: s3Endpoint(),
  s3Bucket: s3Bucket(),
  nixTimeout: new Option("--nix-timeout <seconds>", "longest nix-build")
    .env("NIX_TIMEOUT")
    .argParser(whole("seconds", 1, 86_400))
    .default(600),
  evalTimeout: new Option("--eval-timeout <seconds>", "longest evaluation of a job's packages")
    .env("EVAL_TIMEOUT")
    .argParser(whole("seconds", 1, 86_400))
    .default(DEFAULT_LIMITS.evalTimeout),
  evalMemory: new Option("--eval-memory <size>", "most memory of an evaluation")
    .env("EVAL_MEMORY")
    .argParser(bytes)
    .default(DEFAULT_LIMITS.evalMemory, "4G"),
  buildSilence: new Option("--build-silence <seconds>", "longest silence in the log of a build")
    .env("BUILD_SILENCE")
    .argParser(whole("seconds", 1, 86_400))
    .default(DEFAULT_LIMITS.buildSilence),
  buildLog: new Option("--build-log <size>", "largest log of a build")
    .env("BUILD_LOG")
    .argParser(bytes)
    .default(DEFAULT_LIMITS.buildLog, "64M"),
  buildSize: new Option("--build-size <size>", "most that the disk may lose while a job is built")
    .env("BUILD_SIZE")
    .argParser(bytes)
    .default(DEFAULT_LIMITS.buildSize, "40G"),
  closureLimit: new Option("--closure-limit <size>", "most bytes of a package with all it needs")
    .env("CLOSURE_LIMIT")
    .argParser(bytes)
    .default(DEFAULT_LIMITS.closureLimit, "10G"),
  closurePaths: new Option("--closure-paths <n>", "most store paths of a package with all it needs")
    .env("CLOSURE_PATHS")
    .argParser(whole("store paths", 1, 1_000_000))
    .default(DEFAULT_LIMITS.closurePaths),
  drain: new Option(
    "--drain <seconds>",
    "when told to stop, how long jobs may finish before they are handed back",
  )
    .env("DRAIN")
    .argParser(whole("seconds", 0, 3_600))
    .default(60),
  packMemory: new Option("--pack-memory <size>", "memory that packing may use")
    .env("PACK_MEMORY")
    .argParser(bytes)
    .default(bytes("256M"), "256M"),
  cacheKeyFile: new Option(
    "--cache-key-file <file>",
    "Nix signing key: what is built here is stored in the farm's binary cache, signed with it",
  ).env("CACHE_KEY_FILE"),
  cacheTrustedKeys: new Option(
    "--cache-trusted-keys <keys>",
    "public Nix keys, with spaces: what they have signed is taken from the farm's binary cache",
  )
    .env("CACHE_TRUSTED_KEYS")
    .argParser(publicKeys)
    .default([] as readonly string[], "none"),
  diskBudget: new Option(
    "--disk-budget <size>",
    "disk that it may use: 50G for the Nix store and its state, or free:10G to keep that much free",
  )
    .env("DISK_BUDGET")
    .argParser(diskBudget)
    .default({} as DiskBudget, "a tenth of each disk is kept free, 5 GB at most"),
  diskGc: new Option("--disk-gc <on|off>", "whether it runs Nix's garbage collector for that")
    .env("DISK_GC")
    .choices(["on", "off"] as const)
    .default("on" as const),
  metricsPort: new Option(
    "--metrics-port <port>",
    "port of 127.0.0.1 where Prometheus finds its metrics, at /metrics; none when left out",
  )
    .env("METRICS_PORT")
    .argParser(whole("port", 1, 65_535)),
  libdeflate: new Option(
    "--libdeflate <file>",
    "libdeflate.so.0, where the system's loader does not find it",
  ).env("LIBDEFLATE"),
  channelsUrl: new Option(
    "--channels-url <url>",
    "where channels are published, when not at nixos.org",
  ).env("CHANNELS_URL"),
  archiveUrl: new Option(
    "--archive-url <url>",
    "archive of a commit of nixpkgs, with {revision} in it, when not GitHub's",
  ).env("ARCHIVE_URL"),
  allowedUris: new Option(
    "--allowed-uris <uris>",
    "URI prefixes that an evaluation may fetch from, with spaces; none when left out",
  )
    .env("ALLOWED_URIS")
    .argParser(words),
  packagesAllow: new Option(
    "--packages-allow <globs>",
    "packages that it evaluates, with spaces; any when left out",
  )
    .env("PACKAGES_ALLOW")
    .argParser(policy("PACKAGES_ALLOW", "allow"))
    .default([] as readonly string[], "any"),
  packagesDeny: new Option(
    "--packages-deny <globs>",
    "packages that it never evaluates, with spaces; off for none",
  )
    .env("PACKAGES_DENY")
    .argParser(policy("PACKAGES_DENY", "deny"))
    .default(DEFAULT_DENY, "pkgs* and the like"),
  allowVulnerableNix: new Option(
    "--allow-vulnerable-nix",
    "serve public edges even with a Nix whose sandbox is known to leak",
  )
    .env("ALLOW_VULNERABLE_NIX")
    .default(false),
  allowUnsandboxed: new Option(
    "--allow-unsandboxed",
    "serve public edges even without Nix's sandbox, or building as root",
  )
    .env("ALLOW_UNSANDBOXED")
    .default(false),
  logLevel: new Option("--log-level <level>", "least severity of a line in its log")
    .env("LOG_LEVEL")
    .choices(["fatal", "error", "warn", "info", "debug", "trace"])
    .default("info"),
} as const;

/** What a variable may say where it switches something off. */
const OFF = new Set(["0", "false", "no", "off"]);

/**
 * commander takes a variable for a flag without a value as set whatever it says, and an empty one
 * as given: ALLOW_VULNERABLE_NIX=false would allow, PORT= would be no number. Removes these.
 */
export function withoutUnset(env: NodeJS.ProcessEnv, options: readonly Option[]): void {
  for (const { envVar = "", required, optional } of options) {
    const value = env[envVar];
    const takesValue = required || optional;
    if (value === "" || (!takesValue && OFF.has(value?.toLowerCase() ?? ""))) delete env[envVar];
  }
}
