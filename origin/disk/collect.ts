/**
 * Makes room, in steps that are more and more costly to undo, until there is enough:
 *
 *   1. store paths that nothing refers to any more: Nix's own collector, with its own rules
 *   2. clones of git repositories, and cached file listings: fetched and made again
 *   3. what was built and no job needs: the least recently used half, repeatedly
 *   4. sources of all revisions but the newest two
 *
 * Nix frees every store path that no root protects, whoever put it into the store. With
 * `DISK_GC=off` only step 2 frees anything; steps 3 and 4 give up this origin's roots, for whoever
 * collects.
 */
import { run } from "../nix/run.ts";
import { nixEnvironment } from "../nix/settings.ts";
import type { StateFiles } from "./state-files.ts";

/** Longest collection, ms: deleting 100 GB of small files. */
const COLLECT_TIMEOUT = 60 * 60 * 1_000;

export interface CollectOptions {
  readonly files: StateFiles;
  /** Gives up roots of what was built; says how many. */
  readonly release: () => number;
  /** Whether Nix may collect. */
  readonly gc: boolean;
  /** Bytes that are still wanted; 0 ends the collection. */
  readonly wanted: () => Promise<number>;
  readonly signal: AbortSignal;
}

/** Frees until nothing more is wanted, or nothing more can be freed. */
export async function makeRoom(options: CollectOptions): Promise<void> {
  const { files, release, gc, wanted, signal } = options;
  const collect = async (bytes: number): Promise<void> => {
    if (gc) await collectGarbage(bytes, signal);
  };
  /** Each frees something and says whether there is more of the kind. */
  const steps: ((bytes: number) => Promise<boolean>)[] = [
    async (bytes) => (await collect(bytes), false),
    async () => files.removeClone(),
    async () => files.removeNotes(),
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
 * Lets Nix free so many bytes of what no root protects. Throws an Error when Nix cannot, but not
 * when it finds less.
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
