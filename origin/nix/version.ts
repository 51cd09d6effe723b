/** The version of this machine's Nix, and whether builds can leave its sandbox. */
import { failed } from "./failures.ts";
import { run } from "./run.ts";
import { nixEnvironment } from "./settings.ts";

/**
 * The version that `nix-build --version` prints: `2.8.0`, `2.31.4`, `2.35.0pre20260801_abc`, and
 * `lix-2.93.0` for Lix. Throws a FailureError when there is no Nix.
 */
export async function nixVersion(signal?: AbortSignal): Promise<string> {
  const { exitCode, stdout, stderr } = await run("nix-build", ["--version"], {
    env: nixEnvironment(),
    signal,
  }).catch((error: Error) => {
    throw failed("error", `Nix is not installed: ${error.message}`);
  });
  const version = /(\d+\.\d\S*)\s*$/.exec(stdout)?.[1];
  if (exitCode !== 0 || version === undefined)
    throw failed(
      "error",
      `nix-build --version failed: ${stderr.at(-1) ?? JSON.stringify(stdout.slice(0, 200))}`,
    );
  // Lix counts its releases from 2.90 on; the prefix tells them apart from those of Nix.
  return /\bLix\b/.test(stdout) ? `lix-${version}` : version;
}

/**
 * The first patch release of each series 2.x, by x, in which a build cannot leave the sandbox:
 * CVE-2026-39860. CVE-2024-27297 was fixed before all of these.
 */
const FIXED_PATCH: ReadonlyMap<number, number> = new Map([
  [28, 6],
  [29, 3],
  [30, 4],
  [31, 4],
  [32, 7],
  [33, 4],
  [34, 5],
]);
const LAST_FIXED = Math.max(...FIXED_PATCH.keys());

/**
 * Whether a build may leave the sandbox of this version. What is not known (another implementation,
 * an unknown form, a pre-release) counts as vulnerable.
 */
export function isVulnerable(version: string): boolean {
  const [, major, minor, patch = "0", rest] = /^(\d+)\.(\d+)(?:\.(\d+))?(.*)$/.exec(version) ?? [];
  if (major === undefined || minor === undefined) return true;
  if (Number(major) !== 2) return Number(major) < 2;
  if (Number(minor) > LAST_FIXED + 1) return false;
  // A pre-release of the next series may be older than the fix.
  const preRelease = rest?.startsWith("pre") === true;
  if (Number(minor) > LAST_FIXED) return preRelease;
  const fixed = FIXED_PATCH.get(Number(minor));
  return fixed === undefined || Number(patch) < fixed || preRelease;
}

/** The first fixed release of each series, for people. */
export const FIXED_VERSIONS: readonly string[] = [...FIXED_PATCH].map(
  ([minor, patch]) => `2.${minor}.${patch}`,
);
