/** Arguments and help of `firn plan`. */
import { type Command, Option } from "@commander-js/extra-typings";
import { SYSTEMS } from "../../edge/contract/records.ts";
import { bucketOf } from "../bucket-options.ts";
import { PLAN, SHARED } from "../options.ts";
import { DEFAULT_CACHE, DEFAULT_STORE_PATHS } from "../plan/defaults.ts";
import { CLOUDFLARE_API, DEFAULT_DATASET } from "../plan/sources/analytics.ts";
import { secret, tell } from "../process.ts";
import { help } from "./command-options.ts";

/** Adds `firn plan`. */
export function addPlanCommand(program: Command): void {
  program
    .command("plan")
    .description(
      "make a layer plan from the package set and from what was pulled, and put it in force",
    )
    .addOption(SHARED.packageSet)
    .addOption(
      new Option("--system <system>", "system whose reference graph is used")
        .choices(SYSTEMS)
        .default(SYSTEMS[0]),
    )
    .addOption(SHARED.stateDir)
    .option(
      "--store-paths <url>",
      "a channel's list of store paths, {channel} in it",
      DEFAULT_STORE_PATHS,
    )
    .option("--cache <url>", "the channel's binary cache", DEFAULT_CACHE)
    .addOption(
      new Option(
        "--analytics-account <id>",
        "Cloudflare account whose Analytics Engine has the pulls; default: the bucket has them",
      ).env("CLOUDFLARE_ACCOUNT_ID"),
    )
    .option("--analytics-dataset <name>", "its dataset", DEFAULT_DATASET)
    .option("--dry-run", "make the plan, and write nothing", false)
    .addOption(PLAN.s3Endpoint)
    .addOption(PLAN.s3Bucket)
    .addOption(SHARED.s3Region)
    .addHelpText(
      "after",
      help(
        "  firn plan --package-set channel:nixos-unstable --dry-run\n" +
          "  firn plan --package-set starter",
        "S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY are read only from the environment; they " +
          "must be allowed to list, and to write blobs/ and plans/.\nSo is CLOUDFLARE_API_TOKEN " +
          "(Account Analytics: Read) with --analytics-account.",
      ),
    )
    .action(async (options) => {
      const { analyticsAccount: account, analyticsDataset: dataset } = options;
      const analytics =
        account === undefined
          ? undefined
          : { api: CLOUDFLARE_API, account, dataset, token: secret("CLOUDFLARE_API_TOKEN") };
      const { operatorBucket } = await import("../plan/operator-bucket.ts");
      const { plan } = await import("../plan/command.ts");
      const bucket = operatorBucket(bucketOf(options));
      process.stdout.write(`${await plan({ ...options, analytics, bucket, log: tell })}\n`);
    });
}
