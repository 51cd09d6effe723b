/**
 * Files in an origin's state directory that save time and can be made or fetched again. An entry's
 * modification time says when it was last used; the least recently used are removed first.
 */
import { lstatSync, readdirSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { temporaryName } from "./temporary.ts";

/** Sources of revisions that are kept however full the disk is: the newest, and the one before. */
const SOURCES_KEPT = 2;

interface Entry {
  readonly path: string;
  readonly used: number;
}

export interface StateFilesOptions {
  readonly stateDir: string;
  /** An entry used within this time may be in use still, ms. */
  readonly idleMs: number;
}

/** Each call removes some files; it returns false when there are none left to remove. */
export interface StateFiles {
  /** The least recently used clone of a git repository. */
  removeClone(): boolean;
  /** The root of a revision's source; its files stay until Nix collects them. */
  removeSource(): boolean;
  /** The older half of the notes on file listings. */
  removeNotes(): boolean;
  /**
   * The older half of the roots of what waits for the farm's binary cache (nix/cache/pusher.ts).
   */
  removePending(): boolean;
}

/** The files below a state directory. */
export function stateFiles({ stateDir, idleMs }: StateFilesOptions): StateFiles {
  const idle = (entries: readonly Entry[]): Entry[] =>
    entries.filter(({ used }) => used < Date.now() - idleMs);
  return {
    removeClone: () =>
      removeAll(idle(oldestFirst(join(stateDir, "sets/git"), 2, /\.git$/)).slice(0, 1)),
    removeSource: () =>
      removeAll(
        idle(oldestFirst(join(stateDir, "sets/sources"), 2).slice(0, -SOURCES_KEPT)).slice(0, 1),
      ),
    removeNotes: () =>
      removeHalf(idle(oldestFirst(join(stateDir, "layers/listings"), 1, /\.json$/))),
    removePending: () => removeHalf(idle(oldestFirst(join(stateDir, "cache/pending"), 1))),
  };
}

function removeAll(entries: readonly Entry[]): boolean {
  for (const { path } of entries) remove(path);
  return entries.length > 0;
}

const removeHalf = (entries: readonly Entry[]): boolean =>
  removeAll(entries.slice(0, Math.ceil(entries.length / 2)));

/** Renames it first, so that whoever looks for it finds it complete or not at all. */
function remove(path: string): void {
  const gone = join(dirname(path), temporaryName(basename(path)));
  renameSync(path, gone);
  rmSync(gone, { recursive: true, force: true });
}

/** Entries at this depth below the directory whose names match, the least recently used first. */
function oldestFirst(directory: string, depth: number, names = /^[^.]/): Entry[] {
  const entries = list(directory).flatMap((name): Entry[] => {
    const path = join(directory, name);
    if (depth > 1) return oldestFirst(path, depth - 1, names);
    const found = names.test(name) ? lstatSync(path, { throwIfNoEntry: false }) : undefined;
    return found === undefined ? [] : [{ path, used: found.mtimeMs }];
  });
  return entries.sort((a, b) => a.used - b.used);
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    // It does not exist, or is a file.
    return [];
  }
}
