import { whyFailed } from "./error-message.ts";
import { failed } from "./failures.ts";
import { run, type RunOptions } from "./run.ts";

/** Default time limit, ms: that of a query of the store. */
const QUERY_TIMEOUT = 120_000;

/**
 * Runs a program of Nix; returns its stdout. Throws a FailureError of reason `error` when it fails
 * or takes too long: its message is `what` (a clause, `the root cannot be made`) and Nix's own
 * message.
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
