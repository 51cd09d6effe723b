/** Options and help texts that several commands share. */
import { homedir } from "node:os";
import { join } from "node:path";
import { InvalidArgumentError, Option } from "@commander-js/extra-typings";
import { edgeUrl, whole } from "../option-values.ts";
import { START } from "../options.ts";
import { EXIT_HELP } from "./exit-codes.ts";
import { platformSystems } from "./platforms.ts";

/** The cache directory of this user (XDG Base Directory Specification). */
const cacheDir = (): string =>
  join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "firn");

/** Default NIX_TIMEOUT of `firn build`, seconds: nobody else waits for it. */
const LONGEST_BUILD = 6 * 3_600;

/** An argument parser whose errors commander shows with the option's name. */
export const parsed =
  <T>(parse: (text: string) => T) =>
  (text: string): T => {
    try {
      return parse(text);
    } catch (error) {
      throw new InvalidArgumentError(`${(error as Error).message}.`);
    }
  };

/** The end of a command's help: examples, `more`, and the exit statuses. */
export const help = (examples: string, more = ""): string =>
  `\nExamples:\n${examples}\n${more === "" ? "" : `\n${more}\n`}\n${EXIT_HELP}`;

/** The default edge: that of `npm start`. */
const LOCAL_EDGE = new URL("http://127.0.0.1:8787");
const edgeOption = (description: string) =>
  new Option("--edge <url>", description)
    .env("FIRN_EDGE")
    .argParser(edgeUrl)
    .default(LOCAL_EDGE, LOCAL_EDGE.origin);

/** How images are made on this machine, by the options of an origin. */
export const BUILD = {
  edge: edgeOption("the registry that is asked what an alias (x/…) in the name stands for"),
  packageSet: START.packageSet,
  platform: new Option(
    "--platform <platforms>",
    "linux/amd64, linux/arm64, or both with a comma; default: both for the starter set, else this machine's",
  ).argParser(parsed(platformSystems)),
  plan: new Option(
    "--plan <file>",
    "layer plan; default: the plan that a new registry of the package set has",
  ),
  zstd: new Option("--zstd <on|off>", "whether layers are made with zstd, too")
    .env("ZSTD")
    .choices(["on", "off"] as const)
    .default("off" as const),
  stateDir: new Option("--state-dir <dir>", "cache of layers and clones")
    .env("FIRN_CACHE")
    .default(cacheDir(), "~/.cache/firn"),
  nixTimeout: new Option("--nix-timeout <seconds>", "longest evaluation and nix-build")
    .env("NIX_TIMEOUT")
    .argParser(whole("seconds", 1, 86_400))
    .default(LONGEST_BUILD),
  json: new Option("--json", "the result as JSON on standard output").default(false),
  verbose: new Option("--verbose", "Nix's output, line by line").default(false),
} as const;

/** Options of commands that use a registry of Firn. */
export const REMOTE = {
  edge: edgeOption("the registry"),
  platform: new Option("--platform <platform>", "one platform; default: all").choices([
    "linux/amd64",
    "linux/arm64",
  ]),
} as const;

export const ACCOUNT_HELP =
  "Where the registry asks for an account: what `docker login` has kept for its host, or FIRN_USER and\n" +
  "FIRN_PASSWORD, only from the environment.";
