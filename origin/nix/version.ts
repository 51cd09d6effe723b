/** Which Nix this machine has, and whether its sandbox is known to leak. */
import { failed } from "./evaluate/failures.ts";
import { run } from "./run.ts";
import { nixEnvironment } from "./settings.ts";

/**
 * `2.8.0`, `2.31.4`, `2.35.0pre20260801_abc`: what `nix-build --version` ends with. Throws a
 * FailureError when there is no Nix.
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
  // Lix numbers its own releases from 2.90 on; its name keeps it apart from a later Nix.
  return /\bLix\b/.test(stdout) ? `lix-${version}` : version;
}

/**
 * The first version of each series in which a build cannot escape the sandbox (CVE-2026-39860;
 * CVE-2024-27297 was fixed before all of these), by minor number.
 */
const FIXED: Readonly<Record<number, number>> = { 28: 6, 29: 3, 30: 4, 31: 4, 32: 7, 33: 4, 34: 5 };
const LAST_FIXED = Math.max(...Object.keys(FIXED).map(Number));

/**
 * Whether strangers' builds may escape this Nix's sandbox. What cannot be told (another
 * implementation, an unknown form, an untagged build) counts as vulnerable.
 */
export function isVulnerable(version: string): boolean {
  const [, major, minor, patch = "0", rest] = /^(\d+)\.(\d+)(?:\.(\d+))?(.*)$/.exec(version) ?? [];
  if (major === undefined || minor === undefined) return true;
  if (Number(major) !== 2) return Number(major) < 2;
  if (Number(minor) > LAST_FIXED + 1) return false;
  // 2.35pre… may have been made before the fix came to its branch.
  if (Number(minor) > LAST_FIXED) return rest?.startsWith("pre") === true;
  const fixed = FIXED[Number(minor)];
  return fixed === undefined || Number(patch) < fixed || rest?.startsWith("pre") === true;
}
