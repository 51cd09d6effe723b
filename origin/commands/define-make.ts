/** Arguments and help of `firn build` and `firn push`, which make images on this machine. */
import { type Command, Option, type OptionValues } from "@commander-js/extra-typings";
import { parseOutput } from "../image/output-form.ts";
import { edgeUrl } from "../option-values.ts";
import { ORIGIN } from "../options.ts";
import { BUILD, help, parsed } from "./command-options.ts";

/** The options of making an image on this machine. */
const withMaking = <Args extends unknown[], Options extends OptionValues>(
  command: Command<Args, Options>,
) =>
  command
    .addOption(BUILD.platform)
    .addOption(BUILD.packageSet)
    .addOption(BUILD.plan)
    .addOption(BUILD.edge)
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
    .addOption(BUILD.json);

/** Adds `firn build`. */
export function addBuild(program: Command): void {
  const command = program
    .command("build")
    .summary("make an image with this machine's Nix, without a server")
    .description(
      "Makes an image with this machine's Nix, without a server. Its bytes are those of a registry with " +
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
    );
  withMaking(command)
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

/** Adds `firn push`. */
export function addPush(program: Command): void {
  const command = program
    .command("push")
    .summary("make an image, or take one from an edge, and push it to any registry")
    .description(
      "Pushes an image to any registry: only the blobs that it lacks, and of these only the ones that it " +
        "cannot take from another of its repositories. Without --from the image is made here, as " +
        "`firn build` does it.",
    )
    .argument("<name>", "NAME[:TAG], as one would pull it: shell/git/curl")
    .argument("<target>", "REGISTRY/REPOSITORY[:TAG]")
    .option(
      "--from <url>",
      "pull the image from this registry of Firn instead of making it",
      edgeUrl,
    )
    .option(
      "--mount-from <repositories...>",
      "repositories of the registry that may have its blobs",
      [],
    )
    .option("--plain-http", "without TLS (a registry on this machine never has it)", false);
  withMaking(command)
    .addHelpText(
      "after",
      help(
        "  firn push shell/git registry.example/team/tools:1\n" +
          "  firn push python3 127.0.0.1:5000/python:latest --from https://firn.example\n" +
          "  firn push git ghcr.io/team/git:2 --package-set channel:nixos-unstable",
        "Credentials are docker's: ~/.docker/config.json with its credential helpers, REGISTRY_AUTH_FILE, " +
          "or podman's.",
      ),
    )
    .action(async (name, target, given) => {
      const { platform, plan, zstd, closureLimit, closurePaths, ...options } = given;
      const { push } = await import("./push.ts");
      await push(name, target, {
        ...options,
        from: options.from,
        systems: platform,
        planFile: plan,
        zstd: zstd === "on",
        limits: { closureLimit, closurePaths },
      });
    });
}
