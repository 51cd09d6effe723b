/** Closures, read from Nix's database in two calls whatever their size. */
import { failed } from "../failures.ts";
import { parseDump } from "./dump.ts";
import { errorLine, machineTrouble } from "../error-message.ts";
import { run } from "../run.ts";
import { nixEnvironment } from "../settings.ts";
import type { StorePathInfo } from "../types.ts";

/** Store paths per call: 80 characters each stay far below the kernel's 2 MiB for arguments. */
const PATHS_PER_CALL = 5_000;

/**
 * Everything that the roots need, the roots included. The roots must be in the store; a
 * FailureError says when they are not.
 */
export async function queryClosure(
  roots: readonly string[],
  signal?: AbortSignal,
): Promise<Map<string, StorePathInfo>> {
  const closure = new Map<string, StorePathInfo>();
  const paths = await query(["--query", "--requisites"], roots, signal);
  const dump = await query(
    ["--dump-db"],
    [...new Set(paths.split("\n").filter((line) => line !== ""))].sort(),
    signal,
  );
  for (const info of parseDump(dump)) closure.set(info.path, info);
  return closure;
}

async function query(
  operation: readonly string[],
  paths: readonly string[],
  signal: AbortSignal | undefined,
): Promise<string> {
  let text = "";
  for (let start = 0; start < paths.length; start += PATHS_PER_CALL) {
    const { exitCode, stdout, stderr } = await run(
      "nix-store",
      [...operation, "--", ...paths.slice(start, start + PATHS_PER_CALL)],
      { env: nixEnvironment(), signal },
    );
    if (exitCode !== 0) {
      const line = errorLine(stderr) ?? "it gave no reason";
      throw failed("error", `Nix's database cannot be read: ${machineTrouble(line) ?? line}`, {
        log: stderr,
      });
    }
    text += stdout;
  }
  return text;
}

/** Those of the paths that are in the store, whole and registered. */
export async function validPaths(
  paths: readonly string[],
  signal?: AbortSignal,
): Promise<Set<string>> {
  const valid = new Set(paths);
  const invalid = await query(["--check-validity", "--print-invalid"], [...valid].sort(), signal);
  for (const path of invalid.split("\n")) valid.delete(path);
  return valid;
}
