/** A cheap check for changes in a directory: by names, kinds, sizes and times of all files. */
import { createHash } from "node:crypto";
import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import pLimit from "p-limit";

/** Levels of directories that are read: nixpkgs has 8, a loop of bind mounts has no end. */
const MAX_DEPTH = 64;
/** Concurrent file system calls. */
const CALLS = 64;
/** Directories that are not part of a package set; nix/snapshot.nix has the same rule. */
const IGNORED = new Set([".git"]);

export interface Fingerprint {
  /** Differs when something changed. */
  readonly hash: string;
  /** Every directory that was read, the top one included, sorted. */
  readonly directories: readonly string[];
}

/**
 * The fingerprint of a directory. `ignored`: absolute paths that are skipped. Files that are
 * removed during the scan count as absent.
 */
export async function fingerprint(
  directory: string,
  ignored: readonly string[] = [],
): Promise<Fingerprint> {
  const limited = pLimit(CALLS);
  const directories: string[] = [];
  const entries: string[] = [];
  const read = async (path: string, depth: number): Promise<void> => {
    directories.push(path);
    const items = await limited(() => readdir(path, { withFileTypes: true }).catch(absent([])));
    await Promise.all(
      items.map(async (item) => {
        const full = join(path, item.name);
        if (IGNORED.has(item.name) || ignored.includes(full)) return;
        if (!item.isDirectory()) return void entries.push(await limited(() => fileEntry(full)));
        // Without its times, which change with files that are skipped, too.
        entries.push(JSON.stringify([full]));
        if (depth < MAX_DEPTH) await read(full, depth + 1);
      }),
    );
  };
  await read(directory, 1);
  const hash = createHash("sha256").update(entries.sort().join("\n")).digest("hex");
  return { hash, directories: directories.sort() };
}

async function fileEntry(path: string): Promise<string> {
  const stat = await lstat(path, { bigint: true }).catch(absent(null));
  if (stat === null) return "";
  const { mode, size, mtimeNs, ctimeNs, ino } = stat;
  return JSON.stringify([path, ...[mode, size, mtimeNs, ctimeNs, ino].map(String)]);
}

/** For `catch`: the value for what does not exist; any other error is thrown. */
const absent =
  <T>(value: T) =>
  (error: NodeJS.ErrnoException): T => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return value;
    throw error;
  };
