#!/usr/bin/env node
/**
 * The `firn` command. Each command's options are flags and environment variables; secrets are
 * variables only, for `ps` shows flags to everybody. What only one command needs is loaded by it:
 * an origin runs for months and has no use for an edge's emulator.
 */
import { chmodSync, writeFileSync } from "node:fs";
import { Command, CommanderError, Option } from "commander";
import { pino } from "pino";
import { SYSTEMS } from "../edge/contract/records.ts";
import { CLOUDFLARE_API, DEFAULT_DATASET } from "./plan/sources/analytics.ts";
import { generateOriginKey } from "./channel/index.ts";
import { bytes, edges, fileText, originName, setting, systems, whole, words } from "./options.ts";
import type { BucketAccess } from "./layers/index.ts";
import { operatorBucket } from "./plan/operator-bucket.ts";
import { DEFAULT_CACHE, DEFAULT_STORE_PATHS, plan } from "./plan/command.ts";
import { version } from "./version.ts";

const logger = pino(
  { base: null, level: process.env["LOG_LEVEL"] ?? "info" },
  pino.destination({ dest: 2, sync: true }),
);

const program = new Command("firn")
  .description("A container registry whose images do not exist until somebody pulls them.")
  .version(version)
  .showHelpAfterError("(--help lists the options)")
  .configureOutput({ outputError: (text, write) => write(withVariable(text)) });

program
  .command("start")
  .description("a whole Firn on this machine: the edge and one origin (npm start)")
  .allowExcessArguments()
  .action(async (_options, command: Command) =>
    (await import("./local/start.ts")).start(process.env, command.args),
  );

program
  .command("origin")
  .description("connect to one or more edges and build for them")
  .addOption(
    setting("--edges <urls>", "FIRN_EDGES", "edges to connect to, with commas")
      .argParser(edges)
      .makeOptionMandatory(),
  )
  .addOption(
    setting("--name <name>", "ORIGIN_NAME", "name under which the edge knows its key")
      .argParser(originName)
      .makeOptionMandatory(),
  )
  .addOption(
    setting(
      "--key-file <file>",
      "ORIGIN_KEY_FILE",
      "its private key, made by `firn keygen`",
    ).makeOptionMandatory(),
  )
  .addOption(
    setting(
      "--package-set <set>",
      "PACKAGE_SET",
      "starter, channel:<name or commit>, git:<url> or path:<dir>",
    ).makeOptionMandatory(),
  )
  .addOption(
    setting("--systems <systems>", "SYSTEMS", "what it builds for, with commas")
      .argParser(systems)
      .default(["x86_64-linux"]),
  )
  .addOption(
    setting("--slots <n>", "SLOTS", "jobs at once")
      .argParser(whole("jobs", 1, 256))
      .default(2),
  )
  .addOption(
    setting("--state-dir <dir>", "STATE_DIR", "caches and clones; may be lost at any time").default(
      ".firn/origin",
    ),
  )
  .addOption(
    setting("--nix-timeout <seconds>", "NIX_TIMEOUT", "longest nix-build")
      .argParser(whole("seconds", 1, 86_400))
      .default(600),
  )
  .addOption(
    setting(
      "--drain <seconds>",
      "DRAIN",
      "when told to stop, how long jobs may finish before they are handed back",
    )
      .argParser(whole("seconds", 0, 3_600))
      .default(60),
  )
  .addOption(
    setting("--cache-bytes <size>", "CACHE_BYTES", "packed members kept on disk")
      .argParser(bytes)
      .default(20 * 2 ** 30, "20G"),
  )
  .addOption(
    setting("--pack-memory <size>", "PACK_MEMORY", "memory that packing may use")
      .argParser(bytes)
      .default(256 * 2 ** 20, "256M"),
  )
  .addOption(
    setting("--s3-endpoint <url>", "S3_ENDPOINT", "the bucket's S3 endpoint").makeOptionMandatory(),
  )
  .addOption(setting("--s3-bucket <name>", "S3_BUCKET", "the bucket").makeOptionMandatory())
  .addOption(setting("--s3-region <region>", "S3_REGION", "the bucket's region").default("auto"))
  .addOption(
    setting(
      "--channels-url <url>",
      "CHANNELS_URL",
      "where channels are published, when not at nixos.org",
    ),
  )
  .addOption(
    setting(
      "--archive-url <url>",
      "ARCHIVE_URL",
      "archive of a commit of nixpkgs, with {revision} in it, when not GitHub's",
    ),
  )
  .addOption(
    setting(
      "--allowed-uris <uris>",
      "ALLOWED_URIS",
      "URI prefixes that an evaluation may fetch from, with spaces; none when left out",
    ).argParser(words),
  )
  .addOption(
    setting(
      "--allow-vulnerable-nix",
      "ALLOW_VULNERABLE_NIX",
      "serve edges that strangers can reach with a Nix whose sandbox is known to leak",
    ).default(false),
  )
  .addHelpText(
    "after",
    "\nS3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY are read from the environment alone.",
  )
  .action(async (options) => {
    const { serve } = await import("./serve.ts");
    await serve(
      { ...options, key: fileText(options.keyFile), bucket: bucketOf(options) },
      logger,
      untilTold(),
    );
  });

program
  .command("keygen")
  .description(
    "make an origin's key: the private half into a file, the public half as a line for ORIGIN_KEYS",
  )
  .requiredOption("--name <name>", "the origin's name", originName)
  .requiredOption("--out <file>", "where the private key goes; must not exist")
  .action(({ name, out }: { name: string; out: string }) => {
    const key = generateOriginKey();
    try {
      writeFileSync(out, `${key.privateKey}\n`, { flag: "wx", mode: 0o600 });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      throw new Error(
        `${out} exists already: name another file, or delete it if no origin uses that key`,
        { cause: error },
      );
    }
    chmodSync(out, 0o600);
    process.stdout.write(`${JSON.stringify({ [name]: key.publicJwk })}\n`);
  });

program
  .command("plan")
  .description(
    "make a layer plan from the package set and from what was pulled, and put it in force",
  )
  .addOption(
    setting(
      "--package-set <set>",
      "PACKAGE_SET",
      "starter, channel:<name or commit>, git:<url> or path:<dir>",
    ).makeOptionMandatory(),
  )
  .addOption(
    new Option("--system <system>", "whose graph the plan is made from")
      .choices(SYSTEMS)
      .default(SYSTEMS[0]),
  )
  .addOption(
    setting("--state-dir <dir>", "STATE_DIR", "caches; may be lost at any time").default(
      ".firn/origin",
    ),
  )
  .addOption(
    new Option("--store-paths <url>", "a channel's list of store paths, {channel} in it").default(
      DEFAULT_STORE_PATHS,
    ),
  )
  .addOption(new Option("--cache <url>", "the channel's binary cache").default(DEFAULT_CACHE))
  .addOption(
    setting(
      "--analytics-account <id>",
      "CLOUDFLARE_ACCOUNT_ID",
      "account whose Analytics Engine counts the pulls; without it the bucket does",
    ),
  )
  .addOption(new Option("--analytics-dataset <name>", "its dataset").default(DEFAULT_DATASET))
  .option("--dry-run", "make it, and write nothing", false)
  .addOption(
    setting("--s3-endpoint <url>", "S3_ENDPOINT", "the bucket's S3 endpoint").makeOptionMandatory(),
  )
  .addOption(setting("--s3-bucket <name>", "S3_BUCKET", "the bucket").makeOptionMandatory())
  .addOption(setting("--s3-region <region>", "S3_REGION", "the bucket's region").default("auto"))
  .addHelpText(
    "after",
    "\nS3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY are read from the environment alone; they must be allowed to list, and to write blobs/ and plans/.\nSo is CLOUDFLARE_API_TOKEN (Account Analytics: Read) with --analytics-account.",
  )
  .action(async (options) => {
    const { analyticsAccount: account, analyticsDataset: dataset } = options;
    const analytics =
      account === undefined
        ? undefined
        : { api: CLOUDFLARE_API, account, dataset, token: secret("CLOUDFLARE_API_TOKEN") };
    process.stdout.write(
      `${await plan({ ...options, analytics, bucket: operatorBucket(bucketOf(options)), log: tell })}\n`,
    );
  });

/** commander names a missing option by its flag alone; most operators set variables. */
function withVariable(text: string): string {
  const option = program.commands
    .flatMap((command) => command.options)
    .find(
      ({ flags, envVar }) => envVar !== undefined && text.includes(`required option '${flags}'`),
    );
  return option === undefined
    ? text
    : text.replace("not specified", `not specified, and ${option.envVar} is not set`);
}

const tell = (line: string): void => void process.stderr.write(`${line}\n`);

/** The bucket as the options and the environment name it. */
function bucketOf(options: {
  readonly s3Endpoint: string;
  readonly s3Bucket: string;
  readonly s3Region: string;
}): BucketAccess {
  return {
    endpoint: options.s3Endpoint,
    bucket: options.s3Bucket,
    region: options.s3Region,
    accessKeyId: secret("S3_ACCESS_KEY_ID"),
    secretAccessKey: secret("S3_SECRET_ACCESS_KEY"),
  };
}

/** A variable that must be set and has no flag. */
function secret(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === "") throw new Error(`${name} is not set`);
  return value;
}

/** Aborts at the first SIGTERM or SIGINT; a second one ends the process at once. */
function untilTold(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT"] as const)
    process.once(signal, () => (controller.signal.aborted ? process.exit(1) : controller.abort()));
  return controller.signal;
}

try {
  await program.exitOverride().parseAsync();
} catch (error) {
  // commander has already said what is wrong with the options.
  if (error instanceof CommanderError) process.exitCode = error.exitCode;
  else {
    process.stderr.write(`firn: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}
