/** What a build writes, watched by the file system that it writes to. */
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { GrowthError, withinGrowth } from "../../../../origin/nix/build/growth.ts";
import { temporary } from "../support.ts";

const forEver = (signal: AbortSignal): Promise<never> =>
  sleep(60_000, undefined, { signal }).then(
    () => assert.fail("it was not ended"),
    () => Promise.reject(signal.reason as Error),
  );
const alone = (expected: boolean) => (error: unknown) =>
  error instanceof GrowthError && error.alone === expected;

test("a file system that cannot be asked any more ends neither the build nor the origin", async (t) => {
  const directory = temporary(t);
  const watched = { directory, limit: 0, signal: t.signal, lookMs: 1 };
  // Long enough for many looks.
  const work = async (): Promise<string> => {
    rmSync(directory, { recursive: true });
    await sleep(100);
    return "built";
  };
  assert.equal(await withinGrowth({ ...watched, limit: Infinity }, work), "built");
});

test("a build that writes more than it may is ended, and told to be the cause when it was alone", async (t) => {
  const watched = { directory: temporary(t), limit: -1, signal: t.signal, lookMs: 1 };
  await assert.rejects(withinGrowth(watched, forEver), alone(true));
  const both = [withinGrowth(watched, forEver), withinGrowth(watched, forEver)];
  await Promise.all(both.map((one) => assert.rejects(one, alone(false))));
});
