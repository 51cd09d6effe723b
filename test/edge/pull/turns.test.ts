/** Turns by bytes: how many work at once, in which order, and what a request leaves that was cancelled. */
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { Turns } from "../../../edge/pull/turns.ts";

/** Time by hand. */
function clock(t: TestContext) {
  t.mock.timers.enable({ apis: ["Date", "setTimeout"] });
  return async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 10) {
      t.mock.timers.tick(10);
      await Promise.resolve();
      await Promise.resolve();
      await Promise.resolve();
    }
  };
}

/** Takes turns of these sizes; `begun` has the numbers of those whose turn has come. */
function takeAll(turns: Turns, sizes: readonly number[]) {
  const begun: number[] = [];
  const releases: (() => void)[] = [];
  const take = async (bytes: number, number: number): Promise<void> => {
    const release = await turns.take(bytes);
    assert.ok(release !== null);
    begun.push(number);
    releases[number] = release;
  };
  sizes.forEach((bytes, number) => void take(bytes, number));
  return { begun, releases };
}

test("so many bytes at once, and a small one does not pass a large one that waits", async (t) => {
  const pass = clock(t);
  const { begun, releases } = takeAll(new Turns({ budget: 10, waiting: 9 }), [6, 3, 4, 1]);
  await pass(100);
  assert.deepEqual(begun, [0, 1]);
  releases[1]?.();
  await pass(100);
  assert.deepEqual(begun, [0, 1, 2], "the last would fit beside the first alone");
  releases[0]?.();
  await pass(100);
  assert.deepEqual(begun, [0, 1, 2, 3]);
});

test("in the order in which they came", async (t) => {
  const pass = clock(t);
  const { begun, releases } = takeAll(new Turns({ budget: 10, waiting: 9 }), [9, 9, 1, 9]);
  await pass(100);
  assert.deepEqual(begun, [0]);
  releases[0]?.();
  await pass(100);
  assert.deepEqual(begun, [0, 1, 2]);
  releases[1]?.();
  releases[2]?.();
  await pass(100);
  assert.deepEqual(begun, [0, 1, 2, 3]);
});

test("more than the whole budget has its turn alone", async (t) => {
  const pass = clock(t);
  const { begun, releases } = takeAll(new Turns({ budget: 10, waiting: 9 }), [1, 50, 1]);
  await pass(100);
  assert.deepEqual(begun, [0]);
  releases[0]?.();
  await pass(100);
  assert.deepEqual(begun, [0, 1]);
  releases[1]?.();
  await pass(100);
  assert.deepEqual(begun, [0, 1, 2]);
});

test("when too many wait, the next one is told so", async (t) => {
  const pass = clock(t);
  const turns = new Turns({ budget: 10, waiting: 2 });
  takeAll(turns, [10, 10, 10]);
  await pass(100);
  assert.equal(await turns.take(1), null);
});

test("bytes that are never given back are free again after half a minute", async (t) => {
  const pass = clock(t);
  const { begun } = takeAll(new Turns({ budget: 10, waiting: 9 }), [10, 10]);
  await pass(29_000);
  assert.deepEqual(begun, [0]);
  await pass(2_000);
  assert.deepEqual(begun, [0, 1]);
});

test("a request that is gone while it waits holds nobody up", async (t) => {
  const pass = clock(t);
  const turns = new Turns({ budget: 10, waiting: 9 });
  const { begun, releases } = takeAll(turns, [10]);
  await pass(100);
  // The runtime drops the timers of a cancelled request.
  const timers = globalThis.setTimeout;
  globalThis.setTimeout = (() => 0) as unknown as typeof setTimeout;
  void turns.take(10);
  globalThis.setTimeout = timers;
  const later = takeAll(turns, [10]);
  releases[0]?.();
  await pass(1_000);
  assert.deepEqual(later.begun, []);
  await pass(2_000);
  assert.deepEqual(later.begun, [0]);
  assert.deepEqual(begun, [0]);
});
