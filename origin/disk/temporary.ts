/**
 * Names of temporary files and directories. They say which process made them, so that what a killed
 * process left behind is told from what another one is writing now.
 */
import { randomUUID } from "node:crypto";
import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";

const TEMPORARY = /-(\d+)-[0-9a-f]{8}-[0-9a-f-]{27}\.tmp$/;
/**
 * Longest time that any work takes, ms: a temporary file older than this is left behind even if a
 * process has that number now.
 */
const LONGEST_WORK = 24 * 60 * 60 * 1_000;
/** Directories below which none is looked for: a state directory is not deeper. */
const DEPTH = 4;

/** A name that no other file has. */
export const temporaryName = (what: string): string => `${what}-${process.pid}-${randomUUID()}.tmp`;

/** Removes what processes that are no more left below the directory; says how many. */
export async function removeLeftovers(directory: string, depth = DEPTH): Promise<number> {
  let removed = 0;
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) {
    const path = join(directory, entry.name);
    const [, pid] = TEMPORARY.exec(entry.name) ?? [];
    if (pid === undefined) {
      if (entry.isDirectory() && depth > 1) removed += await removeLeftovers(path, depth - 1);
    } else if (!runs(Number(pid)) || (await age(path)) > LONGEST_WORK) {
      await rm(path, { recursive: true, force: true });
      removed += 1;
    }
  }
  return removed;
}

/** Whether a process has this number. */
export function runs(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // EPERM: it does, and is another user's.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

const age = (path: string): Promise<number> =>
  stat(path).then(
    ({ mtimeMs }) => Date.now() - mtimeMs,
    () => 0,
  );
