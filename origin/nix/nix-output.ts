import { whyFailed } from "./error-message.ts";
import { failed } from "./failures.ts";
import { run, type RunOptions } from "./run.ts";

/** Longest query of the store, ms. */
const QUERY_TIMEOUT = 120_000;

/**
 * Runs a program of Nix that must succeed and gives its stdout. Anything else is a FailureError of
 * reason `error`: `what` (a sentence about what cannot be done) and Nix's own message.
 */
export async function nixOutput(
  what: string,
  command: string,
  args: readonly string[],
  options: RunOptions,
): Promise<string> {
  const timeout = options.timeout ?? QUERY_TIMEOUT;
  const result = await run(command, args, { ...options, timeout });
  if (result.exitCode === 0 && !result.timedOut) return result.stdout;
  throw failed("error", `${what}: ${whyFailed(result, timeout / 1_000)}`, { log: result.stderr });
}
