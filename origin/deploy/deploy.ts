/**
 * `firn deploy`: the configuration is checked first, then wrangler puts the Worker on Cloudflare.
 */
import { CommandFailed } from "../commands/exit-codes.ts";
import { problemsOf, remarksOn, type Secrets } from "./check.ts";
import {
  readDeployment,
  readSecrets,
  ROOT,
  secretsAtCloudflare,
  type Target,
  targetArguments,
  wrangler,
} from "./deployment.ts";

export interface DeployOptions extends Target {
  readonly secretsFile: string | undefined;
  /** Everything but the upload. */
  readonly dryRun: boolean;
}

/** Throws a CommandFailed with every problem, or when wrangler fails. */
export async function deploy(options: DeployOptions, tell: (line: string) => void): Promise<void> {
  const deployment = readDeployment(options);
  const secrets = await secretsOf(options, tell);
  for (const remark of remarksOn(deployment, secrets)) tell(`note: ${remark}`);
  const problems = await problemsOf(deployment, secrets);
  if (problems.length > 0)
    throw new CommandFailed(
      "usage",
      `${deployment.worker} was not deployed:\n${problems.map((one) => `  - ${one}`).join("\n")}`,
    );
  tell(`${deployment.worker}: the configuration is complete`);
  const { secretsFile, dryRun } = options;
  const args = [
    "deploy",
    ...targetArguments(options),
    ...(secretsFile === undefined ? [] : ["--secrets-file", secretsFile]),
    ...(dryRun ? ["--dry-run"] : []),
  ];
  const { exitCode } = await wrangler(args, { cwd: ROOT, stdio: "inherit", reject: false });
  if (exitCode !== 0)
    throw new CommandFailed("failed", `wrangler deploy failed (exit status ${exitCode})`);
}

async function secretsOf(
  { secretsFile, ...target }: DeployOptions,
  tell: (line: string) => void,
): Promise<Secrets> {
  const given = secretsFile === undefined ? {} : await readSecrets(secretsFile);
  const kept = await secretsAtCloudflare(target);
  if (typeof kept !== "string") return { given, kept };
  tell(`note: the secrets at Cloudflare cannot be seen, and are taken to be there (${kept})`);
  return { given, kept: null };
}
