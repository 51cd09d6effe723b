import { failed } from "../failures.ts";
import { run, type RunOptions, type RunResult } from "../run.ts";
import { nixEnvironment, type NixSettings } from "../settings.ts";

/** Longest call, ms; a dry run may ask binary caches about thousands of paths. */
const STORE_TIMEOUT = 120_000;

/** Runs nix-store to its end, whatever its exit code. Throws a FailureError on a timeout. */
export async function nixStore(
  { settings, signal }: { readonly settings: NixSettings; readonly signal: AbortSignal },
  args: readonly string[],
  options: Partial<RunOptions> = {},
): Promise<RunResult> {
  const result = await run("nix-store", args, {
    env: nixEnvironment(settings),
    signal,
    timeout: STORE_TIMEOUT,
    ...options,
  });
  if (!result.timedOut) return result;
  const message = `nix-store ${args[0] ?? ""} did not end within ${STORE_TIMEOUT / 1_000} s`;
  throw failed("error", message, { log: result.stderr });
}
