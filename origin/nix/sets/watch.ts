/**
 * Notices that a directory changed: the kernel's notifications (inotify) where there are any, and a
 * slow look at all files for what they miss (network file systems, more directories than the kernel
 * watches).
 */
import { type FSWatcher, watch } from "node:fs";
import { fingerprint } from "./fingerprint.ts";

/**
 * Quiet time after a change before it counts, ms: an editor or a checkout writes many files in a
 * row.
 */
const SETTLE = 300;
/** Time between two looks at everything, ms. */
const POLL = 30_000;
/**
 * Directories with a notification each; users may have 8,192 (fs.inotify.max_user_watches) on small
 * machines.
 */
const MAX_WATCHED = 4_000;

export interface WatchOptions {
  readonly ignored: readonly string[];
  readonly onError: (error: unknown) => void;
  /** Time between two looks, ms. */
  readonly poll?: number;
}

/**
 * Calls `onChange` after every change, one call at a time, until the function returned is called.
 */
export function watchDirectory(
  directory: string,
  onChange: () => Promise<void>,
  { ignored, onError, poll = POLL }: WatchOptions,
): () => void {
  const watchers = new Map<string, FSWatcher>();
  const stop = new AbortController();
  let last: string | undefined;
  let settle: NodeJS.Timeout | undefined;
  let looking = false;
  let again = false;

  const soon = (): void => {
    clearTimeout(settle);
    if (!stop.signal.aborted) settle = setTimeout(() => void look(), SETTLE).unref();
  };

  const follow = (directories: readonly string[]): void => {
    const wanted = new Set(directories.slice(0, MAX_WATCHED));
    for (const [path, watcher] of watchers) {
      if (wanted.has(path)) continue;
      watcher.close();
      watchers.delete(path);
    }
    for (const path of wanted) {
      if (watchers.has(path)) continue;
      try {
        const watcher = watch(path, { persistent: false }, soon);
        watcher.on("error", () => {
          watcher.close();
          watchers.delete(path);
        });
        watchers.set(path, watcher);
      } catch {
        // Gone again, or no more notifications to be had: the slow look finds what changes there.
        return;
      }
    }
  };

  const look = async (): Promise<void> => {
    if (looking) {
      again = true;
      return;
    }
    looking = true;
    try {
      do {
        again = false;
        const { hash, directories } = await fingerprint(directory, ignored);
        if (stop.signal.aborted) return;
        follow(directories);
        const changed = last !== undefined && hash !== last;
        last = hash;
        if (changed) await onChange();
      } while (again && !stop.signal.aborted);
    } catch (error) {
      onError(error);
    } finally {
      looking = false;
    }
  };

  const slow = setInterval(() => void look(), poll).unref();
  void look();
  return () => {
    stop.abort();
    clearInterval(slow);
    clearTimeout(settle);
    for (const watcher of watchers.values()) watcher.close();
  };
}
