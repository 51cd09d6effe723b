/** Arguments and help of `firn inspect`, `firn diff` and `firn search`. */
import type { Command } from "@commander-js/extra-typings";
import { whole } from "../option-values.ts";
import { ACCOUNT_HELP, BUILD, help, REMOTE } from "./command-options.ts";
import { EXIT } from "./exit-codes.ts";

/** Adds `firn inspect`. */
export function addInspect(program: Command): void {
  program
    .command("inspect")
    .summary("what an image is, without pulling it: layers, sizes, packages, store paths")
    .description(
      "What a registry knows of an image: its packages, its layers and their sizes, what must be built " +
        "first, and what a client that has another image still downloads. It builds nothing.",
    )
    .argument("<name>", "NAME[:TAG]")
    .option("--has <name>", "an image that the client has already", "shell")
    .option("--closure", "all store paths, the largest first", false)
    .addOption(REMOTE.edge)
    .addOption(REMOTE.platform)
    .addOption(BUILD.json)
    .addHelpText(
      "after",
      help(
        "  firn inspect shell/git --edge https://firn.example\n" +
          "  firn inspect python3 --platform linux/arm64 --closure\n" +
          "  firn inspect git --json | jq '.platforms[0].size'",
        ACCOUNT_HELP,
      ),
    )
    .action(async (name, options) => (await import("./look.ts")).inspect(name, options));
}

/** Adds `firn diff`. */
export function addDiff(program: Command): void {
  program
    .command("diff")
    .summary("what differs between two images, and what a client downloads")
    .argument("<from>", "NAME[:TAG] that a client has")
    .argument("<to>", "NAME[:TAG] that it pulls")
    .option("--exit-code", `exit with ${EXIT.found} where they differ`, false)
    .addOption(REMOTE.edge)
    .addOption(REMOTE.platform)
    .addOption(BUILD.json)
    .addHelpText(
      "after",
      help(
        "  firn diff git shell/git\n" +
          "  firn diff python3:nixos-24.05 python3:nixos-25.05 --edge https://firn.example\n" +
          "  firn diff shell shell/jq --json | jq .moved.size",
        ACCOUNT_HELP,
      ),
    )
    .action(async (from, to, options) => (await import("./look.ts")).diff(from, to, options));
}

/** Adds `firn search`. */
export function addSearch(program: Command): void {
  program
    .command("search")
    .summary("packages of a registry, by name and description")
    .argument("<word>", "part of a name, or a word; python3packages.req searches the nested set")
    .option("--tag <tag>", "state of the package set", "latest")
    .option("--limit <n>", "most packages", whole("packages", 1, 100), 20)
    .addOption(REMOTE.edge)
    .addOption(REMOTE.platform)
    .addOption(BUILD.json)
    .addHelpText(
      "after",
      help(
        "  firn search json --edge https://firn.example\n" +
          "  firn search python3packages.req --limit 5\n" +
          "  firn search git --json | jq -r '.packages[].name'",
        `${ACCOUNT_HELP}\nExit status ${EXIT.unknown}: nothing was found.`,
      ),
    )
    .action(async (word, options) => (await import("./look.ts")).search(word, options));
}
