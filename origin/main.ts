#!/usr/bin/env node
/**
 * The `firn` command. Secrets are read only from variables, since `ps` shows flags to everybody.
 * Each command imports the code that it alone needs: an origin needs none of the edge's.
 */
import { Command, CommanderError, type Option } from "@commander-js/extra-typings";
import { pino } from "pino";
import { generateOriginKey, originKeyText } from "./channel/key.ts";
import { ownBucketOf } from "./bucket-options.ts";
import { originName } from "./option-values.ts";
import { ORIGIN, SERVE, SHARED, START, withoutUnset } from "./options.ts";
import { addAliasCommand } from "./commands/alias.ts";
import { addDeployCommand } from "./commands/deploy.ts";
import { addPlanCommand } from "./commands/plan.ts";
import { addSigningKeyCommand, writeSecret } from "./commands/signing-key.ts";
import { addImageCommands } from "./commands/index.ts";
import { help } from "./commands/command-options.ts";
import { groupCommands } from "./commands/help-groups.ts";
import { EXIT, exitStatus } from "./commands/exit-codes.ts";
import type { StartOptions } from "./local/start.ts";
import { addOperatorCommands } from "./operator/commands.ts";
import { goOnWithoutOutput, writeOutput } from "./output-lines.ts";
import { tell } from "./process.ts";
import { useProxy } from "./proxy.ts";
import { stopSignal } from "./stop-signal.ts";
import { makeUser } from "./user.ts";
import { version } from "./version.ts";

const program = new Command("firn")
  .description("A container registry whose images do not exist until somebody pulls them.")
  .version(version)
  .showHelpAfterError("(--help lists the options)")
  .configureOutput({ outputError: (text, write) => write(usageError(text)) })
  .exitOverride();

program
  .command("start")
  .description("a whole Firn on this machine: the edge and one origin (npm start)")
  .addOption(START.packageSet)
  .addOption(START.port)
  .addOption(START.host)
  .addOption(START.stateDir)
  .addHelpText(
    "after",
    help(
      "  firn start\n" +
        "  firn start --package-set channel:nixos-unstable --port 9000\n" +
        "  PACKAGE_SET=path:$PWD/packages npm start",
    ),
  )
  .action(async (options) => {
    goOnWithoutOutput();
    const { start } = await import("./local/start.ts");
    try {
      await start(options, process.env);
    } catch (error) {
      await sayWhatIsWrong(options);
      throw error;
    }
  });

program
  .command("serve")
  .description("the edge on your own server, without Cloudflare; origins connect to it")
  .addOption(SERVE.packageSet)
  .addOption(SERVE.port)
  .addOption(SERVE.host)
  .addOption(SERVE.stateDir)
  .addOption(SERVE.bucketPort)
  .addOption(SERVE.bucketUrl)
  .addHelpText(
    "after",
    help(
      '  ORIGINS="$(firn keygen --name rack-1 --out rack-1.key)" firn serve --port 8787',
      "The edge's variables (edge/configuration.md) come from the environment. With\n" +
        "S3_ENDPOINT and the rest of S3_* it uses that bucket, otherwise a directory of its state.",
    ),
  )
  .action(async (options) => {
    goOnWithoutOutput();
    const { serve } = await import("./server/serve.ts");
    await serve(options, process.env);
  });

program
  .command("origin")
  .description("connect to one or more edges and build for them")
  .addOption(ORIGIN.edges)
  .addOption(ORIGIN.name)
  .addOption(ORIGIN.keyFile)
  .addOption(SHARED.packageSet)
  .addOption(ORIGIN.systems)
  .addOption(ORIGIN.slots)
  .addOption(SHARED.stateDir)
  .addOption(ORIGIN.nixTimeout)
  .addOption(ORIGIN.evalTimeout)
  .addOption(ORIGIN.evalMemory)
  .addOption(ORIGIN.buildSilence)
  .addOption(ORIGIN.buildLog)
  .addOption(ORIGIN.buildSize)
  .addOption(ORIGIN.closureLimit)
  .addOption(ORIGIN.closurePaths)
  .addOption(ORIGIN.drain)
  .addOption(ORIGIN.packMemory)
  .addOption(ORIGIN.cacheKeyFile)
  .addOption(ORIGIN.cacheTrustedKeys)
  .addOption(ORIGIN.diskBudget)
  .addOption(ORIGIN.diskGc)
  .addOption(ORIGIN.metricsPort)
  .addOption(ORIGIN.libdeflate)
  .addOption(ORIGIN.bucketHosts)
  .addOption(ORIGIN.s3Endpoint)
  .addOption(ORIGIN.s3Bucket)
  .addOption(SHARED.s3Region)
  .addOption(ORIGIN.channelsUrl)
  .addOption(ORIGIN.archiveUrl)
  .addOption(ORIGIN.allowedUris)
  .addOption(ORIGIN.packagesAllow)
  .addOption(ORIGIN.packagesDeny)
  .addOption(ORIGIN.allowVulnerableNix)
  .addOption(ORIGIN.allowUnsandboxed)
  .addOption(ORIGIN.logLevel)
  .addHelpText(
    "after",
    help(
      "  firn origin --edges https://firn.example --name rack-1 --key-file rack-1.key \\\n" +
        "    --package-set channel:nixos-unstable",
      "By default the edge signs its uploads. With S3_ENDPOINT, S3_BUCKET, " +
        "S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY (the\nlast two only from the environment) " +
        "it writes blobs/ itself.",
    ),
  )
  .action(async (options) => {
    goOnWithoutOutput();
    const log = pino(
      { base: null, level: options.logLevel },
      { write: (line) => writeOutput(2, line) },
    );
    const { packagesAllow: allow, packagesDeny: deny } = options;
    const origin = {
      ...options,
      policy: { allow, deny },
      key: originKeyText(options.keyFile),
      ownBucket: ownBucketOf(options),
    };
    const { serve } = await import("./serve.ts");
    await serve(origin, log, stopSignal());
  });

program
  .command("keygen")
  .description(
    "make an origin's key: the private half into a file, the public half as a line for ORIGINS",
  )
  .requiredOption("--name <name>", "the origin's name", originName)
  .requiredOption("--out <file>", "where the private key goes; must not exist")
  .addHelpText(
    "after",
    help(
      "  firn keygen --name rack-1 --out rack-1.key",
      'Several origins are one object: ORIGINS=\'{"rack-1": {"key": "…"}, "rack-2": {"key": "…"}}\'',
    ),
  )
  .action(({ name, out }) => {
    const key = generateOriginKey();
    writeSecret(out, `${key.privateKey}\n`);
    process.stdout.write(`${JSON.stringify({ [name]: { key: key.publicKey } })}\n`);
  });

program
  .command("user")
  .description("make an account: a line for the edge's ACCOUNTS, on standard output")
  .argument("<name>", "the account's name, which `docker login` asks for")
  .option("--names <globs...>", "image names that it may pull; any when left out")
  .option("--no-build", "it may only pull images that are already built")
  .option("--operator", "it may use the operator API: firn farm, drain, rest, revoke")
  .option("--password-stdin", "read its password from standard input instead of making one")
  .addHelpText(
    "after",
    help(
      "  firn user ci --no-build\n" +
        "  firn user root --operator\n" +
        "  firn user team --names 'shell/*' --password-stdin < password",
      'Several accounts are one object: ACCOUNTS=\'{"root": {…}, "ci": {…}}\'',
    ),
  )
  .action(async (name, { names, build, operator, passwordStdin }) => {
    const password = passwordStdin === true ? process.stdin : undefined;
    process.stdout.write(`${await makeUser(name, { names, build, operator, password, tell })}\n`);
  });

addOperatorCommands(program);
addAliasCommand(program);
addDeployCommand(program);
addSigningKeyCommand(program);
addImageCommands(program);

addPlanCommand(program);

/** Writes the faults that `firn doctor` finds to standard error, before the error itself. */
async function sayWhatIsWrong({ packageSet, stateDir, host, port }: StartOptions): Promise<void> {
  const { whatIsWrong } = await import("./commands/doctor.ts");
  const listen = port === 0 ? undefined : { host, port };
  const lines = await whatIsWrong({ packageSet, stateDir, edges: [], listen }, process.env);
  for (const line of lines) tell(line);
  if (lines.length > 0) tell("`npm run firn -- doctor` shows this again, and what is in order.");
}

/**
 * commander names a missing option by its flag alone, and most operators set variables. It shows
 * the value that is wrong: a URL's user and password are left out, for a log is read by others.
 */
function usageError(given: string): string {
  const text = given.replace(/:\/\/[^/@\s']*@/g, "://…@");
  const option = allOptions().find(
    ({ flags, envVar }) => envVar !== undefined && text.includes(`required option '${flags}'`),
  );
  return option === undefined
    ? text
    : text.replace(
        "not specified",
        `not specified, and ${option.envVar} is not set: ${option.description}`,
      );
}

// In `firn search … | head`, head closes the pipe as soon as it has enough lines.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit();
});

const allOptions = (): readonly Option[] => program.commands.flatMap(({ options }) => options);

try {
  groupCommands(program);
  withoutUnset(process.env, allOptions());
  useProxy(process.env);
  await program.parseAsync();
} catch (error) {
  // commander has already said what is wrong with the options.
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : EXIT.usage;
  else {
    const message = error instanceof Error ? error.message : String(error);
    // What is open by now (a watch of the disk, a server) must not keep the process alive.
    process.stderr.write(`firn: ${message}\n`, () => process.exit(exitStatus(error)));
  }
}
