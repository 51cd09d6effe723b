/**
 * Watches the disk of a server's state, where bucket and Durable Objects are. When it is full,
 * SQLite and the bucket fail with errors that name neither the disk nor what to do. This logs both,
 * once when the disk becomes full and once when there is room again. Nothing else has to be done:
 * the edge continues by itself.
 */
import { statfs } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { shown } from "../disk/budget.ts";
import type { EdgeLog } from "./workerd.ts";

/** Between two looks, ms. */
const LOOK_MS = 15_000;
/** Fewer bytes than this are none: SQLite alone takes a few pages for a transaction. */
const FULL_BYTES = 2 ** 20;
/** What workerd and the bucket's server say when they could not write. */
const WRITE_FAILED = /SQLITE_(FULL|IOERR)|\b(ENOSPC|EDQUOT)\b/;

export interface StateDisk {
  /** Takes what the edge writes to its log; looks at once where a write has failed. */
  heard(message: string): void;
  stop(): Promise<void>;
}

/** Watches the disk of `directory` until it is stopped. */
export function watchStateDisk(directory: string, log: (line: EdgeLog) => void): StateDisk {
  const over = new AbortController();
  let isFull = false;
  let looking: Promise<void> | undefined;
  const look = async (): Promise<void> => {
    const { bavail, bsize, files, ffree } = await statfs(directory);
    const free = bavail * bsize;
    // A file system without a limit of files says 0 of 0.
    const isOutOfFiles = files > 0 && ffree === 0;
    const before = isFull;
    // Full at one limit and not full at another, so that it does not flap.
    isFull = isOutOfFiles || free < FULL_BYTES * (before ? 2 : 1);
    if (isFull === before) return;
    const what = isOutOfFiles ? "no more file can be made" : `${shown(free)} are free`;
    log(isFull ? line("error", "disk.full", fullText(directory, what)) : roomAgain);
  };
  const roomAgain = line("info", "disk.room", `there is room again on the disk of ${directory}`);
  /** One look at a time; a disk that cannot be asked says nothing new. */
  const lookOnce = (): Promise<void> =>
    (looking ??= look()
      .catch(() => undefined)
      .finally(() => (looking = undefined)));
  const keepLooking = async (): Promise<void> => {
    while (!over.signal.aborted) {
      await lookOnce();
      await sleep(LOOK_MS, undefined, { signal: over.signal }).catch(() => undefined);
    }
  };
  const running = keepLooking();
  return {
    heard(message) {
      if (!isFull && WRITE_FAILED.test(message)) void lookOnce();
    },
    async stop() {
      over.abort();
      await running;
    },
  };
}

const fullText = (directory: string, what: string): string =>
  `the disk of ${directory} is full (${what}): images that are there are served, new ones fail ` +
  "until there is room. Free some space or make the disk larger; `firn gc --delete` deletes what " +
  "nobody has pulled for long";

const line = (level: string, event: string, message: string): EdgeLog => ({
  level,
  message: JSON.stringify({ level, event, message }),
});
