/**
 * Ends a build that writes too much. Nix limits a build's time and log, but not what it writes, and
 * only Nix can see its files. So the free space of the store's file system is watched: what it has
 * lost since the build began counts, whoever wrote it. When several builds run, it is not known
 * which of them wrote: then the failure is this origin's, and another origin may succeed.
 */
import { statfs } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

/** Time between two checks, ms: a fast disk takes some GB in this time. */
const LOOK_MS = 2_000;

/** The build was ended. */
export class GrowthError extends Error {
  /** Whether no other build ran at the same time, so that this one is the cause. */
  readonly alone: boolean;

  constructor(alone: boolean) {
    super("the build wrote too much");
    this.name = "GrowthError";
    this.alone = alone;
  }
}

/** The builds that run now. */
const running = new Set<{ alone: boolean }>();

export interface Watched {
  readonly directory: string;
  readonly limit: number;
  readonly signal: AbortSignal;
  /** Between two checks, ms; default LOOK_MS. */
  readonly lookMs?: number;
}

/**
 * Calls `work` with a signal that aborts when the file system of `directory` has lost more than
 * `limit` bytes, with a GrowthError as its reason.
 */
export async function withinGrowth<T>(
  { directory, limit, signal, lookMs = LOOK_MS }: Watched,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const free = async (): Promise<number> => {
    const { bavail, bsize } = await statfs(directory);
    return bavail * bsize;
  };
  const before = await free();
  const self = { alone: running.size === 0 };
  for (const other of running) other.alone = false;
  running.add(self);
  const over = new AbortController();
  const grown = new AbortController();
  const watch = async (): Promise<void> => {
    while (!over.signal.aborted) {
      await sleep(lookMs, undefined, { signal: over.signal }).catch(() => undefined);
      // When the file system cannot be queried, those who write to it report that.
      const lost = before - (await free().catch(() => before));
      if (!over.signal.aborted && lost > limit) return grown.abort(new GrowthError(self.alone));
    }
  };
  const watching = watch();
  try {
    return await work(AbortSignal.any([signal, grown.signal]));
  } finally {
    running.delete(self);
    over.abort();
    await watching;
  }
}
