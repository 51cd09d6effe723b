/**
 * Makes room, in steps of which each costs more to undo than the one before, until there is enough:
 *
 *   1. old logs of builds
 *   2. store paths that no root protects: by Nix's own garbage collector
 *   3. clones of git repositories, and notes on file listings: they are fetched and made again
 *   4. what waits to be stored in the farm's binary cache: the older half, repeatedly
 *   5. what was built and no job needs: the least recently used half, repeatedly
 *   6. sources of all revisions but the newest two
 *
 * Nix removes every store path that no root protects, whoever put it into the store. With
 * `DISK_GC=off` steps 1 and 2 are left out, and steps 4 to 6 only give up this origin's roots, so
 * that somebody else's garbage collection can remove the store paths.
 */
import { run } from "../nix/run.ts";
import { nixEnvironment } from "../nix/settings.ts";
import { removeOldBuildLogs } from "./build-logs.ts";
import type { StateFiles } from "./state-files.ts";

/** Longest collection, ms: deleting 100 GB of small files. */
const COLLECT_TIMEOUT = 60 * 60 * 1_000;

export interface CollectOptions {
  readonly files: StateFiles;
  /** Gives up roots of what was built; returns how many. */
  readonly release: () => number;
  /** Whether Nix may collect. */
  readonly gc: boolean;
  /** Bytes that are still to be freed; 0 or less ends the collection. */
  readonly wanted: () => Promise<number>;
  readonly signal: AbortSignal;
}

/**
 * Frees until nothing more is wanted or can be freed. Throws an Error when Nix's collector fails.
 */
export async function makeRoom(options: CollectOptions): Promise<void> {
  const { files, release, gc, wanted, signal } = options;
  const collect = async (bytes: number): Promise<void> => {
    if (gc) await collectGarbage(bytes, signal);
  };
  /** Each frees something, and returns whether it may free more. */
  const steps: ((bytes: number) => Promise<boolean>)[] = [
    async () => (gc && removeOldBuildLogs(), false),
    async (bytes) => (await collect(bytes), false),
    async () => files.removeClone(),
    async () => files.removeNotes(),
    async (bytes) => files.removePending() && (await collect(bytes), true),
    async (bytes) => release() > 0 && (await collect(bytes), true),
    async (bytes) => files.removeSource() && (await collect(bytes), true),
  ];
  for (const step of steps)
    for (let more = true; more;) {
      signal.throwIfAborted();
      const bytes = await wanted();
      if (bytes <= 0) return;
      more = await step(bytes);
    }
}

/**
 * Has Nix free so many bytes of what no root protects. Throws an Error when Nix fails, but not when
 * there is less to free.
 */
async function collectGarbage(bytes: number, signal: AbortSignal): Promise<void> {
  const args = ["--gc", "--max-freed", String(Math.ceil(bytes))];
  const { exitCode, stderr, timedOut } = await run("nix-store", args, {
    env: nixEnvironment(),
    signal,
    timeout: COLLECT_TIMEOUT,
    onOutput: () => {},
  });
  if (exitCode !== 0 || timedOut)
    throw new Error(`nix-store --gc failed: ${stderr.slice(-3).join(" ") || "it took too long"}`);
}
