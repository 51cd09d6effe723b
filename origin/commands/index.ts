/** The commands of people who use images: what each takes. Each is loaded when it is run. */
import { homedir } from "node:os";
import { join } from "node:path";
import { Argument, type Command, InvalidArgumentError, Option } from "@commander-js/extra-typings";
import { edges, edgeUrl, ORIGIN, SHARED, START, whole } from "../options.ts";
import type { BucketAccess } from "../layers/index.ts";
import { parseOutput } from "../image/output-form.ts";
import { completionScript, SHELLS } from "./completion.ts";
import { EXIT, EXIT_HELP } from "./exit-codes.ts";
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
  ).argParser(parsed(platformSystems)),
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

/** An edge of one's own, where nothing else is said: what `npm start` serves. */
const LOCAL_EDGE = new URL("http://127.0.0.1:8787");

/** Commands that use a registry of Firn. */
const REMOTE = {
  edge: new Option("--edge <url>", "the registry")
    .env("FIRN_EDGE")
    .argParser(edgeUrl)
    .default(LOCAL_EDGE, LOCAL_EDGE.origin),
  platform: new Option("--platform <platform>", "one platform; all when left out").choices([
    "linux/amd64",
    "linux/arm64",
  ]),
} as const;

const ACCOUNT_HELP =
  "Where the registry asks for an account: what `docker login` has kept for its host, or FIRN_USER and\n" +
  "FIRN_PASSWORD, from the environment alone.";

export function addImageCommands(program: Command): void {
  addBuild(program);
  addPush(program);
  addExport(program);
  addMirror(program);
  addInspect(program);
  addDiff(program);
  addSearch(program);
  addDoctor(program);
  addCompletion(program);
}

function addBuild(program: Command): void {
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
    .addOption(BUILD.platform)
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

function addPush(program: Command): void {
  program
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
    .option("--plain-http", "without TLS (a registry on this machine never has it)", false)
    .addOption(BUILD.platform)
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

function addExport(program: Command): void {
  program
    .command("export")
    .summary("an image of a registry as a directory or archive")
    .description(
      "Pulls an image from a registry of Firn, by the registry protocol alone, and writes it. What the " +
        "directory has is not fetched again, what was cut off goes on where it ended.",
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

function addMirror(program: Command): void {
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
    .option("--every <time>", "again and again: 30m, 1h, 1d", parsed(seconds))
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

function addInspect(program: Command): void {
  program
    .command("inspect")
    .summary("what an image is, without pulling it: layers, sizes, packages, store paths")
    .description(
      "What a registry knows of an image: its packages, its layers and their sizes, what must be built " +
        "first, and what a client still fetches that has another image. Nothing is built for it.",
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

function addDiff(program: Command): void {
  program
    .command("diff")
    .summary("what changes from one image to another, and what that moves")
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

function addSearch(program: Command): void {
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

function addDoctor(program: Command): void {
  program
    .command("doctor")
    .summary("what is wrong on this machine, and what to do about it")
    .description(
      "Looks at Nix and its sandbox, disk, programs and versions, and at what is configured: edge and clock, " +
        "an origin's key, the bucket. It changes nothing. `npm start` runs it when it cannot start.",
    )
    .addOption(START.packageSet)
    .addOption(START.stateDir)
    .addOption(START.host)
    .addOption(START.port)
    .addOption(new Option("--edge <url>", "a registry").env("FIRN_EDGE").argParser(edgeUrl))
    .addOption(
      new Option("--edges <urls>", "edges of an origin, with commas")
        .env("FIRN_EDGES")
        .argParser(edges),
    )
    .addOption(new Option("--key-file <file>", "an origin's private key").env("ORIGIN_KEY_FILE"))
    .addOption(ORIGIN.s3Endpoint)
    .addOption(ORIGIN.s3Bucket)
    .addOption(SHARED.s3Region)
    .addOption(BUILD.json)
    .addHelpText(
      "after",
      help(
        "  firn doctor\n" +
          "  firn doctor --edge https://firn.example\n" +
          "  firn doctor --json | jq '.findings[] | select(.health != \"ok\")'",
        `Exit status ${EXIT.found}: something is a fault. The bucket is looked at where S3_ENDPOINT, S3_BUCKET,\n` +
          "S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY are set, the last two in the environment alone.",
      ),
    )
    .action(async ({ edge, edges: several = [], host, port, ...options }) => {
      const { doctor } = await import("./doctor.ts");
      await doctor(
        {
          ...options,
          edges: [...(edge === undefined ? [] : [edge]), ...several.map(overHttp)],
          bucket: bucketAccess(options),
          listen: options.keyFile === undefined && port !== 0 ? { host, port } : undefined,
        },
        process.env,
      );
    });
}

/** Origins' edges are given as WebSockets' URLs. */
const overHttp = ({ protocol, host }: URL): URL =>
  new URL(`${protocol === "wss:" ? "https:" : "http:"}//${host}`);

function bucketAccess({
  s3Endpoint: endpoint,
  s3Bucket: bucket,
  s3Region: region,
}: {
  readonly s3Endpoint?: string | undefined;
  readonly s3Bucket?: string | undefined;
  readonly s3Region: string;
}): BucketAccess | undefined {
  const { S3_ACCESS_KEY_ID: accessKeyId, S3_SECRET_ACCESS_KEY: secretAccessKey } = process.env;
  return endpoint && bucket && accessKeyId && secretAccessKey
    ? { endpoint, bucket, region, accessKeyId, secretAccessKey }
    : undefined;
}

function addCompletion(program: Command): void {
  program
    .command("completion")
    .summary("a script that completes firn's commands and options in a shell")
    .description("Writes a script that completes commands, options and their choices.")
    .addArgument(new Argument("<shell>", "the shell").choices(SHELLS))
    .addHelpText(
      "after",
      help(
        "  source <(firn completion bash)                                 # in ~/.bashrc\n" +
          "  source <(firn completion zsh)                                  # in ~/.zshrc, after compinit\n" +
          "  firn completion fish > ~/.config/fish/completions/firn.fish",
      ),
    )
    .action((shell) => void process.stdout.write(completionScript(shell, program)));
}

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };

/** `90s`, `30m`, `1h`, `1d`: seconds. */
function seconds(text: string): number {
  const [, number = "", unit = ""] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  const found = Number(number) * (UNITS[unit] ?? 0);
  if (found < 1) throw new Error("give a time with its unit: 30m, 1h, 1d");
  return found;
}
