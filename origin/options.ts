/**
 * The options of the `firn` command: each is a flag and an environment variable with a default,
 * read once, and checked before anything starts (option-values.ts).
 */
import { Option } from "@commander-js/extra-typings";
import { DEFAULT_DENY } from "../edge/contract/package-policy.ts";
import { SYSTEMS } from "../edge/contract/records.ts";
import type { DiskBudget } from "./disk/budget.ts";
import { DEFAULT_LIMITS } from "./nix/limits.ts";
import {
  address,
  bytes,
  diskBudget,
  edges,
  hosts,
  httpUrl,
  originName,
  packageSet,
  policy,
  publicKeys,
  systems,
  whole,
  words,
} from "./option-values.ts";

const packageSetOption = () =>
  new Option(
    "--package-set <set>",
    "starter, channel:<name or commit>, git:<url>, path:<dir> or flake:<url>",
  )
    .env("PACKAGE_SET")
    .argParser(packageSet);

const s3Endpoint = () =>
  new Option("--s3-endpoint <url>", "the bucket's S3 endpoint")
    .env("S3_ENDPOINT")
    .argParser(httpUrl);
const s3Bucket = () => new Option("--s3-bucket <name>", "the bucket").env("S3_BUCKET");

/** Options of several commands. */
export const SHARED = {
  packageSet: packageSetOption().makeOptionMandatory(),
  stateDir: new Option("--state-dir <dir>", "caches and clones; may be deleted between runs")
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
  port: new Option("--port <port>", "port that it listens on; 0 for any free one")
    .env("PORT")
    .argParser(whole("a port", 0, 65_535))
    .default(8787),
  host: new Option("--host <address>", "address that it listens on; 0.0.0.0 for all addresses")
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
  bucketUrl: new Option("--bucket-url <url>", "URL at which origins elsewhere reach that port")
    .env("BUCKET_URL")
    .argParser((text) => httpUrl(text).replace(/\/$/, "")),
} as const;

/** `firn origin`. */
export const ORIGIN = {
  edges: new Option("--edges <urls>", "edges to connect to, separated by commas")
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
  systems: new Option("--systems <systems>", "Nix systems to build for, separated by commas")
    .env("SYSTEMS")
    .argParser(systems)
    .default([SYSTEMS[0]]),
  slots: new Option("--slots <n>", "jobs at once")
    .env("SLOTS")
    .argParser(whole("jobs", 1, 256))
    .default(2),
  // Without these two the edge signs its uploads.
  s3Endpoint: s3Endpoint(),
  s3Bucket: s3Bucket(),
  bucketHosts: new Option(
    "--bucket-hosts <hosts>",
    "hosts that an edge may have it upload to, with commas: HOST or HOST:PORT",
  )
    .env("BUCKET_HOSTS")
    .argParser(hosts)
    .default([] as readonly string[], "none further in than the edge is"),
  nixTimeout: new Option("--nix-timeout <seconds>", "longest nix-build")
    .env("NIX_TIMEOUT")
    .argParser(whole("seconds", 1, 86_400))
    .default(600),
  evalTimeout: new Option("--eval-timeout <seconds>", "longest evaluation of the packages of a job")
    .env("EVAL_TIMEOUT")
    .argParser(whole("seconds", 1, 86_400))
    .default(DEFAULT_LIMITS.evalTimeout),
  evalMemory: new Option("--eval-memory <size>", "most memory of an evaluation")
    .env("EVAL_MEMORY")
    .argParser(bytes)
    .default(DEFAULT_LIMITS.evalMemory, "4G"),
  buildSilence: new Option(
    "--build-silence <seconds>",
    "longest time without a line in the log of a build",
  )
    .env("BUILD_SILENCE")
    .argParser(whole("seconds", 1, 86_400))
    .default(DEFAULT_LIMITS.buildSilence),
  buildLog: new Option("--build-log <size>", "largest log of a build")
    .env("BUILD_LOG")
    .argParser(bytes)
    .default(DEFAULT_LIMITS.buildLog, "64M"),
  buildSize: new Option("--build-size <size>", "most disk space that the builds of a job may use")
    .env("BUILD_SIZE")
    .argParser(bytes)
    .default(DEFAULT_LIMITS.buildSize, "40G"),
  closureLimit: new Option("--closure-limit <size>", "largest closure of a package")
    .env("CLOSURE_LIMIT")
    .argParser(bytes)
    .default(DEFAULT_LIMITS.closureLimit, "10G"),
  closurePaths: new Option("--closure-paths <n>", "most store paths in the closure of a package")
    .env("CLOSURE_PATHS")
    .argParser(whole("store paths", 1, 1_000_000))
    .default(DEFAULT_LIMITS.closurePaths),
  drain: new Option(
    "--drain <seconds>",
    "how long running jobs may take to finish at SIGTERM, before they are handed back",
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
    "Nix signing key with which this origin's builds are stored in the farm's binary cache",
  ).env("CACHE_KEY_FILE"),
  cacheTrustedKeys: new Option(
    "--cache-trusted-keys <keys>",
    "public Nix keys, separated by spaces, that are trusted in the farm's binary cache",
  )
    .env("CACHE_TRUSTED_KEYS")
    .argParser(publicKeys)
    .default([] as readonly string[], "none"),
  diskBudget: new Option(
    "--disk-budget <size>",
    "most disk space for the Nix store and its state (50G), or space to keep free (free:10G)",
  )
    .env("DISK_BUDGET")
    .argParser(diskBudget)
    .default({} as DiskBudget, "a tenth of each disk stays free, at most 5 GB"),
  diskGc: new Option(
    "--disk-gc <on|off>",
    "whether it may run Nix's garbage collector for the budget",
  )
    .env("DISK_GC")
    .choices(["on", "off"] as const)
    .default("on" as const),
  metricsPort: new Option(
    "--metrics-port <port>",
    "port of 127.0.0.1 for Prometheus metrics, at /metrics; none when left out",
  )
    .env("METRICS_PORT")
    .argParser(whole("port", 1, 65_535)),
  libdeflate: new Option(
    "--libdeflate <file>",
    "path of libdeflate.so.0, if the system's loader does not find it",
  ).env("LIBDEFLATE"),
  channelsUrl: new Option("--channels-url <url>", "base URL of the channels, if not nixos.org's")
    .env("CHANNELS_URL")
    .argParser(httpUrl),
  archiveUrl: new Option(
    "--archive-url <url>",
    "URL of a nixpkgs commit's archive, with {revision} in it, if not GitHub's",
  )
    .env("ARCHIVE_URL")
    .argParser(httpUrl),
  allowedUris: new Option(
    "--allowed-uris <uris>",
    "URI prefixes that evaluations may fetch, separated by spaces; none when left out",
  )
    .env("ALLOWED_URIS")
    .argParser(words),
  packagesAllow: new Option(
    "--packages-allow <globs>",
    "packages that it evaluates, separated by spaces; all when left out",
  )
    .env("PACKAGES_ALLOW")
    .argParser(policy("PACKAGES_ALLOW", "allow"))
    .default([] as readonly string[], "any"),
  packagesDeny: new Option(
    "--packages-deny <globs>",
    "packages that it never evaluates, separated by spaces; off for none",
  )
    .env("PACKAGES_DENY")
    .argParser(policy("PACKAGES_DENY", "deny"))
    .default(DEFAULT_DENY, "pkgs* and the like"),
  allowVulnerableNix: new Option(
    "--allow-vulnerable-nix",
    "serve edges that others can reach with a Nix whose sandbox has known holes",
  )
    .env("ALLOW_VULNERABLE_NIX")
    .default(false),
  allowUnsandboxed: new Option(
    "--allow-unsandboxed",
    "serve edges that others can reach without Nix's sandbox, or building as root",
  )
    .env("ALLOW_UNSANDBOXED")
    .default(false),
  logLevel: new Option("--log-level <level>", "lowest severity that is logged")
    .env("LOG_LEVEL")
    .choices(["fatal", "error", "warn", "info", "debug", "trace"])
    .default("info"),
} as const;

/** Values of a variable that leave a flag without value unset. */
const OFF = new Set(["0", "false", "no", "off"]);

/**
 * Removes variables that set nothing: empty ones, and ALLOW_VULNERABLE_NIX=false and the like.
 * commander would take the first as a value, and the second, for a flag without value, as set.
 */
export function withoutUnset(env: NodeJS.ProcessEnv, options: readonly Option[]): void {
  for (const { envVar = "", required, optional } of options) {
    const value = env[envVar];
    const takesValue = required || optional;
    if (value === "" || (!takesValue && OFF.has(value?.toLowerCase() ?? ""))) delete env[envVar];
  }
}
