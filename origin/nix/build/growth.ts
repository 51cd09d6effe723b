/**
 * Stops a build that writes without end. Nix limits a build's time and log, but not what it writes,
 * and outputs grow where only Nix can see them. So the file system of the store is watched: what it
 * has lost since the build began counts, whoever wrote it. When several builds run, nothing tells
 * which of them grew: then it counts as this machine's trouble, and another origin may do better.
 */
import { statfs } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

/** Between two looks, ms: a disk takes some GB in this time. */
const LOOK_MS = 2_000;

/** The build was ended. */
export class GrowthError extends Error {
  /** Whether nothing else was built meanwhile, so that the build itself is the cause. */
  readonly alone: boolean;

  constructor(alone: boolean) {
    super("the build wrote too much");
    this.name = "GrowthError";
    this.alone = alone;
  }
}

/** Builds that run now. */
const running = new Set<{ alone: boolean }>();

export interface Watched {
  readonly directory: string;
  readonly limit: number;
  readonly signal: AbortSignal;
  /** Between two checks, ms; default LOOK_MS. */
  readonly lookMs?: number;
}

/**
 * Does `work`, whose signal aborts when the file system of `directory` has lost more than `limit`
 * bytes; then throws a GrowthError.
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
      // A file system that cannot be queried is a problem for those who write to it.
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
