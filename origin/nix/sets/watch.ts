/**
 * Notices changes in a directory by the kernel's notifications (inotify), and by a regular scan of
 * all files where there are none (network file systems, more directories than the kernel watches).
 */
import { type FSWatcher, watch } from "node:fs";
import pLimit from "p-limit";
import { fingerprint } from "./fingerprint.ts";

/** Quiet time after a change before a scan, ms: editors and checkouts write many files in a row. */
const SETTLE = 300;
/** Time between two regular scans, ms. */
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
  /** Time between two regular scans, ms; default: POLL. */
  readonly poll?: number | undefined;
  /** Most directories with a notification; default: MAX_WATCHED. */
  readonly maxWatched?: number;
}

/** Calls `onChange` after every change, one call at a time; returns how to stop. */
export function watchDirectory(
  directory: string,
  onChange: () => Promise<void>,
  { ignored, onError, poll = POLL, maxWatched = MAX_WATCHED }: WatchOptions,
): () => void {
  const watchers = new Watchers(() => scanSoon());
  const oneAtATime = pLimit(1);
  let stopped = false;
  let last: string | undefined;
  let settle: NodeJS.Timeout | undefined;

  const scan = async (): Promise<void> => {
    if (stopped) return;
    try {
      const { hash, directories } = await fingerprint(directory, ignored);
      if (stopped) return;
      watchers.watchOnly(directories.slice(0, maxWatched));
      const changed = last !== undefined && hash !== last;
      last = hash;
      if (changed) await onChange();
    } catch (error) {
      onError(error);
    }
  };
  const scanOnce = (): void => {
    // A scan that waits its turn will see this change too.
    if (oneAtATime.pendingCount === 0) void oneAtATime(scan);
  };
  const scanSoon = (): void => {
    clearTimeout(settle);
    if (!stopped) settle = setTimeout(scanOnce, SETTLE).unref();
  };

  const scans = setInterval(scanOnce, poll).unref();
  scanOnce();
  return () => {
    stopped = true;
    clearInterval(scans);
    clearTimeout(settle);
    watchers.watchOnly([]);
  };
}

/** The directories for which the kernel notifies of changes. */
class Watchers {
  readonly #watchers = new Map<string, FSWatcher>();
  readonly #onChange: () => void;

  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  /** Watches these directories and no others; the first that cannot be watched ends the list. */
  watchOnly(directories: readonly string[]): void {
    const wanted = new Set(directories);
    for (const path of this.#watchers.keys()) if (!wanted.has(path)) this.#unwatch(path);
    for (const path of wanted) {
      if (this.#watchers.has(path)) continue;
      try {
        const watcher = watch(path, { persistent: false }, this.#onChange);
        watcher.on("error", () => this.#unwatch(path));
        this.#watchers.set(path, watcher);
      } catch {
        // It was removed, or the kernel's limit is reached: scans find the changes of the others.
        return;
      }
    }
  }

  #unwatch(path: string): void {
    this.#watchers.get(path)?.close();
    this.#watchers.delete(path);
  }
}
