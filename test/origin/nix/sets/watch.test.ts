import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { watchDirectory, type WatchOptions } from "../../../../origin/nix/sets/watch.ts";
import { temporary } from "../support.ts";

const limit = { timeout: 60_000 };
/** A slow scan that never comes. */
const NEVER = 2 ** 31 - 1;

/** Watches; `next` waits for the next change. Errors of the watcher fail the test. */
function watched(t: TestContext, directory: string, options: Partial<WatchOptions>) {
  const changes = new EventEmitter();
  const onError = (error: unknown): void => void changes.emit("error", error);
  const stop = watchDirectory(directory, async () => void changes.emit("change"), {
    ignored: [],
    onError,
    ...options,
  });
  // The watcher keeps no process alive; a test that waits for it must.
  const alive = setInterval(() => {}, 1_000);
  t.after(() => {
    clearInterval(alive);
    stop();
  });
  return {
    stop,
    next: () => once(changes, "change", { signal: t.signal }),
    changes,
  };
}

/** Changes a file again and again until a change is noticed: the first scan may come later. */
async function noticed(change: () => void, next: () => Promise<unknown>): Promise<void> {
  const timer = setInterval(change, 1_000);
  try {
    const seen = next();
    change();
    await seen;
  } finally {
    clearInterval(timer);
  }
}

test(
  "the kernel's notifications tell of changes, also in directories made later",
  limit,
  async (t) => {
    const directory = temporary(t);
    mkdirSync(join(directory, "deep"));
    const { next } = watched(t, directory, { poll: NEVER });
    let count = 0;
    const write = (path: string) => (): void =>
      writeFileSync(join(directory, path), `${(count += 1)}`);
    await noticed(write("file"), next);
    await noticed(write("deep/file"), next);
    const made = next();
    mkdirSync(join(directory, "later"));
    await made;
    await noticed(write("later/file"), next);
    const removed = next();
    rmSync(join(directory, "later"), { recursive: true });
    await removed;
  },
);

test("the slow scan finds changes in directories without a notification", limit, async (t) => {
  const directory = temporary(t);
  const deep = join(directory, "deep");
  mkdirSync(deep);
  const { next } = watched(t, directory, { poll: 200, maxWatched: 1 });
  let count = 0;
  await noticed(() => writeFileSync(join(deep, "file"), `${(count += 1)}`), next);
});

test("after the end nothing is reported", limit, async (t) => {
  const directory = temporary(t);
  const { stop, next, changes } = watched(t, directory, { poll: 20 });
  let count = 0;
  const write = (): void => writeFileSync(join(directory, "file"), `${(count += 1)}`);
  await noticed(write, next);
  stop();
  changes.on("change", () => assert.fail("a change was reported after the end"));
  // A second watcher that notices the same change shows that the time was enough.
  const other = watched(t, directory, { poll: 20 });
  await noticed(write, other.next);
});

test(
  "a directory that cannot be read is an error, and the next scan is made all the same",
  limit,
  async (t) => {
    const errors: unknown[] = [];
    const failures = new EventEmitter();
    const stop = watchDirectory("/proc/self/fd/no\0where", async () => {}, {
      ignored: [],
      poll: 20,
      onError(error) {
        errors.push(error);
        failures.emit("error-seen");
      },
    });
    t.after(stop);
    const alive = setInterval(() => {}, 1_000);
    t.after(() => clearInterval(alive));
    while (errors.length < 2) await once(failures, "error-seen", { signal: t.signal });
  },
);
