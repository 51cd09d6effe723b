/**
 * Locks files and directories with flock(2). The kernel releases a lock when its process ends,
 * however it ends, and does not depend on process numbers, so containers that share a directory see
 * each other's locks. Node has no call for it.
 */
import { closeSync, openSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import koffi from "koffi";

/** Between two looks at a lock that another process has, ms. */
const LOOK_MS = 200;
const LOCK_EX = 2;
const LOCK_NB = 4;

const flock = koffi.load(null).func("int flock(int fd, int operation)");

/**
 * Locks an open file or directory for as long as it is open here; processes that are started do not
 * inherit it. `taken`: another one has it. `unsupported`: its file system has no locks.
 */
export function lockFile(fd: number): "locked" | "taken" | "unsupported" {
  if (flock(fd, LOCK_EX | LOCK_NB) === 0) return "locked";
  return koffi.errno() === koffi.os.errno["EAGAIN"] ? "taken" : "unsupported";
}

/**
 * Does `work` while no other process that asks has the directory. Waits for its lock until `signal`
 * aborts, and throws its reason then.
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
