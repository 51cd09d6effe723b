/** Arguments and help of `firn doctor` and `firn completion`. */
import { Argument, type Command, Option } from "@commander-js/extra-typings";
import type { BucketAccess } from "../layers/index.ts";
import { edges, edgeUrl } from "../option-values.ts";
import { ORIGIN, SHARED, START } from "../options.ts";
import { BUILD, help } from "./command-options.ts";
import { completionScript, SHELLS } from "./completion.ts";
import { EXIT } from "./exit-codes.ts";

/** Adds `firn doctor`. */
export function addDoctor(program: Command): void {
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

/** The HTTP URL of an edge whose WebSocket URL is given. */
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

/** Adds `firn completion`. */
export function addCompletion(program: Command): void {
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
