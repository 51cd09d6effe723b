/** A lock on a state directory, since two Firns would write into the same databases. */
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { lockFile } from "../disk/file-lock.ts";
import { isDiskFull, namingFullDisk } from "../disk/full.ts";

/** The locked file, which has the process id of the holder. It is never removed. */
const LOCK = "lock";
/** Time between two attempts at a lock that another process holds, ms. */
const LOOK_MS = 200;

/** Permissions of a new directory: an edge's state has keys, an origin's has caches. */
const MODES = { FIRN_STATE: 0o700, STATE_DIR: 0o755 } as const;

export interface LockOptions {
  /** The variable that sets the directory; default: FIRN_STATE. */
  readonly variable?: keyof typeof MODES;
  /** Longest wait for the holder to end, ms; default: 0. */
  readonly waitMs?: number;
  /** Ends the wait; then its reason is thrown. */
  readonly signal?: AbortSignal;
  /** Called once when it begins to wait. */
  readonly onWait?: (holder: string) => void;
}

/**
 * Locks the state directory, which is made where it is missing, until the returned function is
 * called or the process ends. Throws an Error that names the holder when another process has the
 * lock.
 */
export async function lockState(stateDir: string, options: LockOptions = {}): Promise<() => void> {
  const path = join(stateDir, LOCK);
  const fd = await namingFullDisk(stateDir, async () => {
    await mkdir(stateDir, { recursive: true, mode: MODES[options.variable ?? "FIRN_STATE"] });
    return openSync(path, "a+", 0o600);
  });
  try {
    await lock(fd, path, stateDir, options);
    tellHolder(fd);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  return () => closeSync(fd);
}

async function lock(
  fd: number,
  path: string,
  stateDir: string,
  { variable = "FIRN_STATE", waitMs = 0, signal, onWait }: LockOptions,
): Promise<void> {
  const holder = (): string => {
    const pid = readFileSync(path, "utf8");
    return /^\d+$/.test(pid) ? `process ${pid}` : "another process";
  };
  const begun = performance.now();
  for (let looks = 0; ; looks++) {
    const got = lockFile(fd);
    if (got === "locked") return;
    if (got === "unsupported")
      throw new Error(
        `${path} cannot be locked, its file system has no locks: choose another directory with ` +
          `${variable}=…`,
      );
    if (performance.now() - begun >= waitMs)
      throw new Error(
        `the state in ${stateDir} is in use by ${holder()}: stop that one first, or choose ` +
          `another directory with ${variable}=…`,
      );
    if (looks === 0) onWait?.(holder());
    await sleep(LOOK_MS, undefined, { signal }).catch(() => undefined);
    signal?.throwIfAborted();
  }
}

/** Writes the process id; not on a full disk, on which an origin must start to make room. */
function tellHolder(fd: number): void {
  try {
    ftruncateSync(fd);
    writeSync(fd, String(process.pid));
  } catch (error) {
    if (!isDiskFull(error)) throw error;
  }
}
