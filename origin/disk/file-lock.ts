/**
 * Locks files and directories with flock(2), for which Node has no call. The kernel releases a lock
 * when its process ends, however it ends. Containers that share a directory see each other's locks,
 * which they would not by process ids.
 */
import { closeSync, openSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import koffi from "koffi";

/** Time between two attempts at a lock that another process holds, ms. */
const LOOK_MS = 200;
const LOCK_EX = 2;
const LOCK_NB = 4;

const flock = koffi.load(null).func("int flock(int fd, int operation)");

/**
 * Locks an open file or directory until it is closed; child processes do not inherit the lock.
 * `taken`: somebody else holds it. `unsupported`: the file system has no locks.
 */
export function lockFile(fd: number): "locked" | "taken" | "unsupported" {
  if (flock(fd, LOCK_EX | LOCK_NB) === 0) return "locked";
  return koffi.errno() === koffi.os.errno["EAGAIN"] ? "taken" : "unsupported";
}

/**
 * Calls `work` with the directory locked, so that no other process does the same at once. Throws
 * the signal's reason when it aborts during the wait for the lock.
 */
export async function whileLocked<T>(
  directory: string,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  const fd = openSync(directory, "r");
  try {
    while (lockFile(fd) === "taken") {
      await sleep(LOOK_MS, undefined, { signal }).catch(() => undefined);
      signal.throwIfAborted();
    }
    return await work();
  } finally {
    closeSync(fd);
  }
}
