/**
 * The logs of builds. Nix writes one for each derivation that it builds and never removes any, nor
 * does its garbage collector: an origin that builds for years would fill its disk with them. A
 * client whose build fails gets the log from the bucket, so these are for the operator alone.
 *
 *   /nix/var/log/nix/drvs/<2 characters>/<rest of the derivation's name>.bz2
 */
import { lstatSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";

/** How long a log is kept, ms. */
const KEPT_MS = 30 * 24 * 60 * 60 * 1_000;

/**
 * Removes logs that were written more than KEPT_MS ago. Logs of a Nix daemon belong to root and
 * stay where this process may not remove them.
 */
export function removeOldBuildLogs(
  directory = join(process.env["NIX_LOG_DIR"] ?? "/nix/var/log/nix", "drvs"),
): void {
  try {
    for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      const written = lstatSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Infinity;
      if (entry.isFile() && Date.now() - written > KEPT_MS) rmSync(path, { force: true });
    }
  } catch (error) {
    if (!["ENOENT", "EACCES", "EPERM"].includes((error as NodeJS.ErrnoException).code ?? ""))
      throw error;
  }
}
