/** Arguments and help of `firn deploy`. */
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { type Command, Option } from "@commander-js/extra-typings";
import { tell } from "../process.ts";
import { help, parsed } from "./command-options.ts";

const WRANGLER_TOML = fileURLToPath(new URL("../../wrangler.toml", import.meta.url));
const path = parsed((text) => resolve(text));

/** Adds `firn deploy`. */
export function addDeployCommand(program: Command): void {
  program
    .command("deploy")
    .summary("check the configuration, then put the Worker on Cloudflare")
    .description(
      "Reads wrangler.toml and the names of the secrets that Cloudflare has, says everything that is missing or " +
        "wrong, and runs `wrangler deploy` when nothing is. `npm run deploy -- …` is the same.",
    )
    .option("--env <name>", "an environment of wrangler.toml: staging, production")
    .addOption(
      new Option("--config <file>", "the configuration")
        .argParser(path)
        .default(WRANGLER_TOML, "wrangler.toml"),
    )
    .addOption(
      new Option(
        "--secrets-file <file>",
        "secrets to be set with it, as JSON or NAME=value lines; those of before stay",
      ).argParser(path),
    )
    .option("--dry-run", "everything but the upload", false)
    .addHelpText(
      "after",
      help(
        "  firn deploy --dry-run --env production\n" +
          "  firn deploy --env production\n" +
          "  firn deploy --env staging --secrets-file staging.secrets",
        "wrangler logs in by CLOUDFLARE_API_TOKEN, or by `npx wrangler login`.",
      ),
    )
    .action(async (options) => {
      const { deploy } = await import("../deploy/deploy.ts");
      await deploy({ ...options, env: options.env, secretsFile: options.secretsFile }, tell);
    });
}
