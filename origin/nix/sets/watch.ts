/**
 * Notices changes in a directory: by the kernel's notifications (inotify), and by a slow scan of
 * all files for what these miss (network file systems, more directories than the kernel watches).
 */
import { type FSWatcher, watch } from "node:fs";
import pLimit from "p-limit";
import { fingerprint } from "./fingerprint.ts";

/** Quiet time after a change before a scan, ms: editors and checkouts write many files in a row. */
const SETTLE = 300;
/** Time between two slow scans, ms. */
const POLL = 30_000;
/**
 * Directories with a notification each; on small machines a user may have 8,192
 * (fs.inotify.max_user_watches).
 */
const MAX_WATCHED = 4_000;

export interface WatchOptions {
  /** Absolute paths that are skipped. */
  readonly ignored: readonly string[];
  readonly onError: (error: unknown) => void;
  /** Time between two slow scans, ms. */
  readonly poll?: number;
  /** Most directories with a notification. */
  readonly maxWatched?: number;
}

/**
 * Calls `onChange` after every change, one call at a time, until the function returned is called.
 */
export function watchDirectory(
  directory: string,
  onChange: () => Promise<void>,
  { ignored, onError, poll = POLL, maxWatched = MAX_WATCHED }: WatchOptions,
): () => void {
  const watchers = new Map<string, FSWatcher>();
  const oneAtATime = pLimit(1);
  let stopped = false;
  let last: string | undefined;
  let settle: NodeJS.Timeout | undefined;

  const scan = async (): Promise<void> => {
    if (stopped) return;
    try {
      const { hash, directories } = await fingerprint(directory, ignored);
      if (stopped) return;
      watchOnly(directories.slice(0, maxWatched));
      const changed = last !== undefined && hash !== last;
      last = hash;
      if (changed) await onChange();
    } catch (error) {
      onError(error);
    }
  };
  const scanOnce = (): void => {
    // A scan that waits sees this change too.
    if (oneAtATime.pendingCount === 0) void oneAtATime(scan);
  };
  const scanSoon = (): void => {
    clearTimeout(settle);
    if (!stopped) settle = setTimeout(scanOnce, SETTLE).unref();
  };

  const unwatch = (path: string): void => {
    watchers.get(path)?.close();
    watchers.delete(path);
  };
  const watchOnly = (directories: readonly string[]): void => {
    const wanted = new Set(directories);
    for (const path of watchers.keys()) if (!wanted.has(path)) unwatch(path);
    for (const path of wanted) {
      if (watchers.has(path)) continue;
      try {
        const watcher = watch(path, { persistent: false }, scanSoon);
        watcher.on("error", () => unwatch(path));
        watchers.set(path, watcher);
      } catch {
        // Removed meanwhile, or the kernel's limit: the slow scan finds what changes there.
        return;
      }
    }
  };

  const slowScan = setInterval(scanOnce, poll).unref();
  scanOnce();
  return () => {
    stopped = true;
    clearInterval(slowScan);
    clearTimeout(settle);
    for (const path of watchers.keys()) unwatch(path);
  };
}
