/** The Worker's own check of its variables (edge/config.ts), bundled as the Worker is. */
import { fileURLToPath } from "node:url";
import { CommandFailed } from "../commands/exit-codes.ts";
import { bundleWorker } from "./bundle.ts";

const CONFIG = fileURLToPath(new URL("../../edge/config.ts", import.meta.url));

export type Environment = Record<string, string>;
interface WorkerConfig {
  readonly readConfig: (env: Environment) => Promise<unknown>;
}

/** What the Worker would refuse to start with; `BUCKET`: an R2 bucket is bound. */
export async function problemsOfWorker(env: Environment): Promise<readonly string[]> {
  const code = Buffer.from(bundleWorker(CONFIG)).toString("base64");
  const { readConfig } = (await import(`data:text/javascript;base64,${code}`)) as WorkerConfig;
  try {
    await readConfig(env);
    return [];
  } catch (error) {
    const { problems } = error as { readonly problems?: readonly string[] };
    if (problems === undefined) throw error;
    return problems;
  }
}

/**
 * Throws a CommandFailed that lists what the Worker would refuse every request for. Without S3_*
 * the bucket is a directory, which it is told of by other variables.
 */
export async function checkVariables(env: Environment): Promise<void> {
  const problems = await problemsOfWorker({ BUCKET: "a directory", ...env });
  if (problems.length > 0) throw new CommandFailed("usage", problems.join("\n"));
}
