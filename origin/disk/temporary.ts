/**
 * Temporary files and directories. Their writer holds a lock on each, which the kernel releases
 * when the process ends. So the files that a killed process has left can be told apart from those
 * that another process is writing, even in another container.
 */
import { randomUUID } from "node:crypto";
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
} from "node:fs";
import { join } from "node:path";
import { lockFile } from "./file-lock.ts";

const TEMPORARY = /-\d+-[0-9a-f]{8}-[0-9a-f-]{27}\.tmp$/;
/** Where the file system has no locks, a file of this age, ms, belongs to nobody any more. */
const LONGEST_WORK = 24 * 60 * 60 * 1_000;
/** A download that may be resumed (remote/download.ts), and for how long it is kept, ms. */
const PARTIAL = /^\.[0-9a-f]{64}\.[^/]+\.part$/;
const PARTIAL_KEPT = 7 * 24 * 60 * 60 * 1_000;
/** Levels of directories that are searched: a state directory has no more. */
const DEPTH = 4;
const OPEN = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** A name that no other file has; the process id in it is for people. */
export const temporaryName = (what: string): string => `${what}-${process.pid}-${randomUUID()}.tmp`;

/** A locked file or directory of this process. Its methods may be called more than once. */
export interface Temporary {
  readonly path: string;
  /** Releases the lock, when the file has its final name or is left to another process. */
  release(): void;
  /** Removes it with its contents, and releases the lock. */
  remove(): void;
}

/** Makes an empty file with this mode, under a temporary name in the directory, and locks it. */
export const temporaryFile = (directory: string, what: string, mode?: number): Temporary =>
  lockedFile(() => join(directory, temporaryName(what)), mode);

/** Makes an empty directory under a temporary name in the directory, and locks it. */
export const temporaryDirectory = (directory: string, what: string): Temporary =>
  lockedDirectory(() => join(directory, temporaryName(what)));

/** Makes an empty file under a new name, and locks it. */
export function lockedFile(newPath: () => string, mode = 0o666): Temporary {
  for (;;) {
    const path = newPath();
    const made = lock(path, openSync(path, "wx", mode));
    if (made.is !== "taken") return made.temporary;
  }
}

/** Makes an empty directory under a new name, and locks it. */
export function lockedDirectory(newPath: () => string): Temporary {
  for (;;) {
    const path = newPath();
    mkdirSync(path);
    const fd = openIfThere(path);
    const made = fd === undefined ? undefined : lock(path, fd);
    // Another process may have removed it before it was locked.
    if (made !== undefined && made.is !== "taken") return made.temporary;
  }
}

/** Locks what another process has left; undefined when that still holds the lock, or it is gone. */
export function takeAbandoned(path: string): Temporary | undefined {
  const fd = openIfThere(path);
  if (fd === undefined) return undefined;
  const isOld = Date.now() - fstatSync(fd).mtimeMs > LONGEST_WORK;
  const found = lock(path, fd);
  if (found.is === "taken") return undefined;
  if (found.is === "locked" || isOld) return found.temporary;
  found.temporary.release();
  return undefined;
}

/** Locks the file that is open as `fd`; it counts as taken when the path leads to another file. */
function lock(path: string, fd: number) {
  const is = lockFile(fd);
  let isOpen = true;
  const release = (): void => {
    if (isOpen) closeSync(fd);
    isOpen = false;
  };
  // It may have been removed or renamed before it was locked.
  if (is === "taken" || lstatSync(path, { throwIfNoEntry: false })?.ino !== fstatSync(fd).ino) {
    release();
    return { is: "taken" } as const;
  }
  const remove = (): void => {
    rmSync(path, { recursive: true, force: true });
    release();
  };
  return { is, temporary: { path, release, remove } satisfies Temporary };
}

function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, OPEN);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}

/** Removes what ended processes have left below the directory; returns how many files. */
export function removeLeftovers(directory: string, depth = DEPTH): number {
  let removed = 0;
  for (const entry of entriesOf(directory)) {
    const path = join(directory, entry.name);
    if (TEMPORARY.test(entry.name) || (PARTIAL.test(entry.name) && isOlder(path, PARTIAL_KEPT)))
      removed += Number(removeAbandoned(path));
    else if (entry.isDirectory() && depth > 1) removed += removeLeftovers(path, depth - 1);
  }
  return removed;
}

/** Removes what no process has locked, if this process may; returns whether it did. */
export function removeAbandoned(path: string): boolean {
  try {
    const found = takeAbandoned(path);
    found?.remove();
    return found !== undefined;
  } catch {
    return false;
  }
}

const isOlder = (path: string, ms: number): boolean =>
  Date.now() - (lstatSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Infinity) > ms;

function entriesOf(directory: string) {
  try {
    return readdirSync(directory, { withFileTypes: true });
  } catch {
    // It does not exist, or may not be read.
    return [];
  }
}
