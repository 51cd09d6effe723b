import { resolve } from "node:path";
import { queryPaths } from "../build/closure.ts";
import { nixOutput } from "../nix-output.ts";
import { NIX_DIR, nixEnvironment, type NixSettings } from "../settings.ts";

/** Hex digits of a revision. */
const DIGITS = 40;

/**
 * Copies a directory into the store. Its revision is the first 160 bits of the NAR hash, so the
 * same files have the same revision on every machine. `ignored`: absolute paths that are left out,
 * beside those of nix/snapshot.nix. Throws a FailureError when Nix fails.
 */
export async function snapshot(
  directory: string,
  ignored: readonly string[],
  settings: NixSettings,
  signal: AbortSignal,
): Promise<{ path: string; revision: string }> {
  const args = { directory, ignored: JSON.stringify(ignored) };
  const output = await nixOutput(
    "the package set's directory cannot be copied into the store",
    "nix-instantiate",
    [
      "--eval",
      "--json",
      "--read-write-mode",
      ...Object.entries(args).flatMap(([name, value]) => ["--argstr", name, value]),
      resolve(NIX_DIR, "snapshot.nix"),
    ],
    { env: nixEnvironment(settings), signal, timeout: settings.nixTimeout * 1_000 },
  );
  const path = JSON.parse(output) as string;
  const [info] = await queryPaths([path], signal);
  if (info === undefined)
    throw new Error(`Nix's database has no entry for ${path}, which was just added`);
  return { path, revision: info.narHash.slice("sha256:".length).slice(0, DIGITS) };
}
