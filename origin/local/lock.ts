/** One Firn per state directory: two would write into the same databases. */
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { lockFile } from "../disk/file-lock.ts";
import { isDiskFull, namingFullDisk } from "../disk/full.ts";

/** Stays when it is given back: what counts is the lock on it, not the file. Tells whose it is. */
const LOCK = "lock";
/** Between two looks at a lock that another process has, ms. */
const LOOK_MS = 200;

/** Who may read what is made: an edge's state has keys, an origin's is caches. */
const MODES = { FIRN_STATE: 0o700, STATE_DIR: 0o755 } as const;

export interface LockOptions {
  /** By which another directory is named: FIRN_STATE when left out. */
  readonly variable?: keyof typeof MODES;
  /** How long the holder may take to end, ms; 0 when left out. */
  readonly waitMs?: number;
  /** Ends the waiting: its reason is thrown. */
  readonly signal?: AbortSignal;
  /** Hears once what it waits for. */
  readonly onWait?: (holder: string) => void;
}

/**
 * Takes the state for this process; the returned function gives it back, as does the end of the
 * process. Throws, naming the holder, when another one has it.
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

/** On a full disk nobody is told: the lock holds, and an origin can make room. */
function tellHolder(fd: number): void {
  try {
    ftruncateSync(fd);
    writeSync(fd, String(process.pid));
  } catch (error) {
    if (!isDiskFull(error)) throw error;
  }
}
