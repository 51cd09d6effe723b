/** The commands of people who use images: what each takes. Each is loaded when it is run. */
import { homedir } from "node:os";
import { join } from "node:path";
import { type Command, InvalidArgumentError, Option } from "@commander-js/extra-typings";
import { ORIGIN, START, whole } from "../options.ts";
import { parseOutput } from "../image/output-form.ts";
import { EXIT_HELP } from "./exit-codes.ts";
import { platformSystems } from "./platforms.ts";

/** Where what can be made again is kept on a person's machine (XDG Base Directory). */
const cacheDir = (): string =>
  join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "firn");

/** Nobody else waits: it may take as long as it takes. */
const LONGEST_BUILD = 6 * 3_600;

/** An argument parser whose errors commander shows with the option's name. */
const parsed =
  <T>(parse: (text: string) => T) =>
  (text: string): T => {
    try {
      return parse(text);
    } catch (error) {
      throw new InvalidArgumentError(`${(error as Error).message}.`);
    }
  };

const help = (examples: string, more = ""): string =>
  `\nExamples:\n${examples}\n${more === "" ? "" : `\n${more}\n`}\n${EXIT_HELP}`;

/** How images are made on this machine, by the options of an origin. */
export const BUILD = {
  packageSet: START.packageSet,
  platform: new Option(
    "--platform <platforms>",
    "linux/amd64, linux/arm64, or both with a comma: an index; when left out, both of the starter set, else this machine's",
  ),
  plan: new Option(
    "--plan <file>",
    "layer plan; when left out, the one that a new registry of the package set has",
  ),
  zstd: new Option("--zstd <on|off>", "layers also as zstd, behind an index")
    .env("ZSTD")
    .choices(["on", "off"] as const)
    .default("off" as const),
  stateDir: new Option("--state-dir <dir>", "layers and clones, to be faster the next time")
    .env("FIRN_CACHE")
    .default(cacheDir(), "~/.cache/firn"),
  nixTimeout: new Option("--nix-timeout <seconds>", "longest evaluation and nix-build")
    .env("NIX_TIMEOUT")
    .argParser(whole("seconds", 1, 86_400))
    .default(LONGEST_BUILD),
  json: new Option("--json", "the result as JSON on standard output").default(false),
  verbose: new Option("--verbose", "Nix's output, line by line").default(false),
} as const;

export function addImageCommands(program: Command): void {
  program
    .command("build")
    .summary("make an image with this machine's Nix, without a server")
    .description(
      "Makes an image with this machine's Nix, without a server: byte for byte the registry's, for " +
        "the same package set, revision, layer plan and version of libdeflate. Its digest goes to " +
        "standard output, all else to standard error.",
    )
    .argument("<name>", "NAME[:TAG], as one would pull it: shell/git/curl")
    .addOption(
      new Option(
        "-o, --output <where>",
        "oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:REF], or - for a docker-archive on standard output",
      )
        .argParser(parsed(parseOutput))
        .makeOptionMandatory(),
    )
    .addOption(BUILD.platform.argParser(parsed(platformSystems)))
    .addOption(BUILD.packageSet)
    .addOption(BUILD.plan)
    .addOption(BUILD.zstd)
    .addOption(BUILD.stateDir)
    .addOption(BUILD.nixTimeout)
    .addOption(ORIGIN.closureLimit)
    .addOption(ORIGIN.closurePaths)
    .addOption(ORIGIN.packMemory)
    .addOption(ORIGIN.libdeflate)
    .addOption(ORIGIN.channelsUrl)
    .addOption(ORIGIN.archiveUrl)
    .addOption(ORIGIN.allowedUris)
    .addOption(BUILD.verbose)
    .addOption(BUILD.json)
    .addHelpText(
      "after",
      help(
        "  firn build shell/git/curl --output oci:images\n" +
          "  firn build git --output - | docker load\n" +
          "  firn build shell/jq:latest --output docker-archive:jq.tar:tools/jq:1\n" +
          "  firn build hello --package-set channel:nixos-unstable --output oci-archive:hello.tar",
      ),
    )
    .action(async (name, { platform, plan, zstd, closureLimit, closurePaths, ...options }) => {
      const { build } = await import("./build.ts");
      await build(name, {
        ...options,
        systems: platform,
        planFile: plan,
        zstd: zstd === "on",
        limits: { closureLimit, closurePaths },
      });
    });
}
