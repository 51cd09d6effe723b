/**
 * Snapshots of directories in the Nix store, and the revision that names one: the first 160 bits of
 * its NAR hash.
 */
import { resolve } from "node:path";
import { parseDump } from "../build/dump.ts";
import { failed } from "../failures.ts";
import { errorLine, machineTrouble } from "../error-message.ts";
import { run } from "../run.ts";
import { emptyHome, NIX_DIR, nixEnvironment, type NixSettings } from "../settings.ts";

/** Hex digits of a revision (records.ts). */
const DIGITS = 40;

/** `ignored`: absolute paths that are left out; nix/snapshot.nix says what else is. */
export async function snapshot(
  directory: string,
  ignored: readonly string[],
  settings: NixSettings,
  signal: AbortSignal,
): Promise<{ path: string; revision: string }> {
  const env = nixEnvironment({ ...settings, home: emptyHome(settings.stateDir) });
  const timeout = settings.nixTimeout * 1_000;
  const check = (result: Awaited<ReturnType<typeof run>>): string => {
    if (result.exitCode === 0) return result.stdout;
    const line = result.timedOut
      ? `it took longer than ${settings.nixTimeout} s`
      : (errorLine(result.stderr) ?? "Nix gave no reason");
    throw failed(
      "error",
      `the package set's directory cannot be copied into the store: ${machineTrouble(line) ?? line}`,
      { log: result.stderr },
    );
  };
  const args = [
    "--argstr",
    "directory",
    directory,
    "--argstr",
    "ignored",
    JSON.stringify(ignored),
    resolve(NIX_DIR, "snapshot.nix"),
  ];
  const path = JSON.parse(
    check(
      await run("nix-instantiate", ["--eval", "--json", "--read-write-mode", ...args], {
        env,
        signal,
        timeout,
      }),
    ),
  ) as string;
  const [info] = parseDump(
    check(await run("nix-store", ["--dump-db", "--", path], { env, signal, timeout })),
  );
  if (info === undefined)
    throw new Error(`Nix's database has no entry for ${path}, which was just added`);
  return { path, revision: info.narHash.slice("sha256:".length).slice(0, DIGITS) };
}
