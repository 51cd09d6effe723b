/**
 * Adds a directory to the Nix store by content: the same files are the same store path everywhere,
 * for the name is fixed (`source`, as Nix's own fetchers use).
 */
import { failed } from "../failures.ts";
import { errorLine, machineTrouble } from "../error-message.ts";
import { run } from "../run.ts";
import { nixEnvironment, type NixSettings } from "../settings.ts";

/** `directory` must be called `source`. Gives the store path. */
export async function storeAdd(
  directory: string,
  settings: NixSettings,
  signal: AbortSignal,
): Promise<string> {
  const result = await run("nix-store", ["--add", "--", directory], {
    env: nixEnvironment(settings),
    signal,
    timeout: settings.nixTimeout * 1_000,
  });
  if (result.exitCode === 0) return result.stdout.trim();
  const line = result.timedOut
    ? `it took longer than ${settings.nixTimeout} s`
    : (errorLine(result.stderr) ?? "Nix gave no reason");
  throw failed(
    "error",
    `the package set's source cannot be added to the store: ${machineTrouble(line) ?? line}`,
    { log: result.stderr },
  );
}
