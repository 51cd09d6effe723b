/** Arguments and help of `firn export` and `firn mirror`. */
import type { Command } from "@commander-js/extra-typings";
import { parseOutput } from "../image/output-form.ts";
import { period, whole } from "../option-values.ts";
import { ACCOUNT_HELP, BUILD, help, parsed, REMOTE } from "./command-options.ts";
import { EXIT } from "./exit-codes.ts";

/**
 * Longest time between two rounds of `firn mirror`, seconds: Node's timers take 2^31 ms at most.
 */
const LONGEST_PERIOD = 24 * 86_400;

/** Adds `firn export`. */
export function addExport(program: Command): void {
  program
    .command("export")
    .summary("an image of a registry as a directory or archive")
    .description(
      "Pulls an image from a Firn registry by the registry protocol. Blobs that are already there " +
        "are not downloaded again, and interrupted downloads are resumed.",
    )
    .argument("<name>", "NAME[:TAG] or NAME@DIGEST")
    .argument(
      "<output>",
      "oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:REF], or -",
      parsed(parseOutput),
    )
    .addOption(REMOTE.edge)
    .addOption(REMOTE.platform)
    .addOption(BUILD.stateDir)
    .addOption(BUILD.json)
    .addHelpText(
      "after",
      help(
        "  firn export shell/git oci:images --edge https://firn.example\n" +
          "  firn export python3:latest docker-archive:python.tar --platform linux/arm64\n" +
          "  firn export shell - | docker load",
        ACCOUNT_HELP,
      ),
    )
    .action(async (name, output, options) => {
      const { exportImage } = await import("./export.ts");
      await exportImage(name, { ...options, output });
    });
}

/** Adds `firn mirror`. */
export function addMirror(program: Command): void {
  program
    .command("mirror")
    .summary("have an edge build a list of images before people ask for them")
    .description(
      "Asks an edge for each image of a list, so that it is built and known before people ask. Only " +
        "manifests are fetched. A line is written for each image: new, same (as in the round before) or " +
        "failed.",
    )
    .argument(
      "<list>",
      "file with a name a line (NAME[:TAG], # begins a comment); - for standard input",
    )
    .option("--every <period>", "repeat it: 30m, 1h, 1d", period(1, LONGEST_PERIOD))
    .option("--concurrency <n>", "images asked for at once", whole("images", 1, 64), 4)
    .addOption(REMOTE.edge)
    .addOption(BUILD.json)
    .addHelpText(
      "after",
      help(
        "  firn mirror images.txt --edge https://firn.example\n" +
          "  firn mirror images.txt --every 1h\n" +
          "  echo shell/git | firn mirror -",
        `${ACCOUNT_HELP}\nThe list is read again for each round. Exit status ${EXIT.found}: some image failed in the last round.`,
      ),
    )
    .action(async (list, options) => (await import("./mirror.ts")).mirror(list, options));
}
