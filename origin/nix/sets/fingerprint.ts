/**
 * A cheap look at whether anything in a directory changed: names, kinds, sizes and times of all
 * files, without reading one.
 */
import { createHash } from "node:crypto";
import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";

/**
 * Directories deeper than this are not looked into: nixpkgs has 8, and a loop of bind mounts has no
 * end.
 */
const MAX_DEPTH = 64;
/** Read operations at once. */
const BATCH = 64;

export interface Fingerprint {
  /** Differs when something changed. */
  readonly hash: string;
  /** Every directory looked into, the top one included. */
  readonly directories: readonly string[];
}

/**
 * What is not part of a package set: git's own files, which change without the sources changing.
 * The same rule stands in snapshot.nix.
 */
export const IGNORED = new Set([".git"]);

/**
 * Fingerprint of `directory`; paths in `ignored` (absolute) are left out. Files that vanish
 * meanwhile count as gone.
 */
export async function fingerprint(
  directory: string,
  ignored: readonly string[] = [],
): Promise<Fingerprint> {
  const directories: string[] = [];
  const entries: string[] = [];
  let open = [directory];
  for (let depth = 0; open.length > 0 && depth < MAX_DEPTH; depth += 1) {
    const next: string[] = [];
    for (let start = 0; start < open.length; start += BATCH) {
      await Promise.all(
        open
          .slice(start, start + BATCH)
          .map((path) => look(path, ignored, directories, entries, next)),
      );
    }
    open = next;
  }
  const hash = createHash("sha256");
  for (const entry of entries.sort()) hash.update(entry).update("\n");
  return { hash: hash.digest("hex"), directories: directories.sort() };
}

async function look(
  path: string,
  ignored: readonly string[],
  directories: string[],
  entries: string[],
  next: string[],
): Promise<void> {
  directories.push(path);
  for (const item of await readdir(path, { withFileTypes: true }).catch(gone<never[]>([]))) {
    const full = join(path, item.name);
    if (IGNORED.has(item.name) || ignored.includes(full)) continue;
    if (item.isDirectory()) next.push(full);
    const stat = await lstat(full, { bigint: true }).catch(gone(null));
    if (stat === null) continue;
    // A directory's own times change with every file left out of the set that is made in it; its
    // entries say what matters.
    entries.push(
      JSON.stringify(
        stat.isDirectory()
          ? [full, "d"]
          : [
              full,
              String(stat.mode),
              String(stat.size),
              String(stat.mtimeNs),
              String(stat.ctimeNs),
              String(stat.ino),
            ],
      ),
    );
  }
}

function gone<T>(value: T): (error: unknown) => T {
  return (error) => {
    if (
      (error as NodeJS.ErrnoException).code === "ENOENT" ||
      (error as NodeJS.ErrnoException).code === "ENOTDIR"
    )
      return value;
    throw error;
  };
}
