/** One Firn per state directory: two would write into the same databases. */
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { lockFile } from "../disk/file-lock.ts";
import { namingFullDisk } from "../disk/full.ts";

/** Stays when it is given back: what counts is the lock on it, not the file. Tells whose it is. */
const LOCK = "lock";

/**
 * Takes the state for this process; the returned function gives it back, as does the end of the
 * process. Throws, naming the holder, when another one has it.
 */
export async function lockState(stateDir: string): Promise<() => void> {
  return namingFullDisk(stateDir, async () => {
    await mkdir(stateDir, { recursive: true, mode: 0o700 });
    return lock(stateDir);
  });
}

function lock(stateDir: string): () => void {
  const path = join(stateDir, LOCK);
  const fd = openSync(path, "a+", 0o600);
  try {
    const got = lockFile(fd);
    if (got === "taken") throw new Error(inUse(stateDir, readFileSync(path, "utf8")));
    if (got === "unsupported")
      throw new Error(
        `${path} cannot be locked, its file system has no locks: choose another directory with ` +
          `FIRN_STATE=…`,
      );
    ftruncateSync(fd);
    writeSync(fd, String(process.pid));
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  return () => closeSync(fd);
}

const inUse = (stateDir: string, holder: string): string =>
  `the state in ${stateDir} is in use by ${/^\d+$/.test(holder) ? `process ${holder}` : "another process"}: ` +
  `stop that one first, or choose another directory with FIRN_STATE=…`;
