/**
 * Turns by bytes: how many work at once, in which order, and what a request leaves that was
 * cancelled.
 */
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { MemoryQueue } from "../../../../edge/pull/images/memory-queue.ts";

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
function takeAll(turns: MemoryQueue, sizes: readonly number[]) {
  const begun: number[] = [];
  const releases: (() => void)[] = [];
  const take = async (bytes: number, number: number): Promise<void> => {
    const release = await turns.take(bytes, 1);
    assert.ok(release !== null);
    begun.push(number);
    releases[number] = release;
  };
  sizes.forEach((bytes, number) => void take(bytes, number));
  return { begun, releases };
}

test("so many bytes at once, and a small one does not pass a large one that waits", async (t) => {
  const pass = clock(t);
  const { begun, releases } = takeAll(new MemoryQueue({ budget: 10, waiting: 90 }), [6, 3, 4, 1]);
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
  const { begun, releases } = takeAll(new MemoryQueue({ budget: 10, waiting: 90 }), [9, 9, 1, 9]);
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
  const { begun, releases } = takeAll(new MemoryQueue({ budget: 10, waiting: 90 }), [1, 50, 1]);
  await pass(100);
  assert.deepEqual(begun, [0]);
  releases[0]?.();
  await pass(100);
  assert.deepEqual(begun, [0, 1]);
  releases[1]?.();
  await pass(100);
  assert.deepEqual(begun, [0, 1, 2]);
});

test("what waits has a limit in bytes: the one beyond it is told so, a smaller one waits", async (t) => {
  const pass = clock(t);
  const turns = new MemoryQueue({ budget: 10, waiting: 5 });
  const { begun, releases } = takeAll(turns, [10, 10, 10]);
  await pass(100);
  assert.deepEqual(begun, [0], "two wait, of a byte each");
  assert.equal(await turns.take(1, 4), null);
  const smaller = turns.take(1, 3);
  for (const number of [0, 1, 2]) {
    releases[number]?.();
    await pass(100);
  }
  assert.notEqual(await smaller, null);
});

test("what takes more than may wait has its turn when nobody waits", async (t) => {
  const pass = clock(t);
  const turns = new MemoryQueue({ budget: 10, waiting: 5 });
  const release = await turns.take(10, 50);
  assert.ok(release !== null);
  const next = turns.take(10, 50);
  await pass(100);
  assert.equal(await turns.take(10, 1), null);
  release();
  await pass(100);
  assert.notEqual(await next, null);
});

test("hundreds wait, and each has its turn in order", async (t) => {
  const pass = clock(t);
  const { begun, releases } = takeAll(
    new MemoryQueue({ budget: 10, waiting: 500 }),
    Array.from({ length: 300 }, () => 5),
  );
  for (let done = 0; done < 300; done += 2) {
    await pass(50);
    releases[done]?.();
    releases[done + 1]?.();
  }
  assert.deepEqual(
    begun,
    Array.from({ length: 300 }, (_, at) => at),
  );
});

test("an isolate that was busy for seconds counts nobody as gone: the order stays", async (t) => {
  const pass = clock(t);
  const { begun, releases } = takeAll(new MemoryQueue({ budget: 10, waiting: 90 }), [9, 9, 9, 9]);
  await pass(100);
  // All timers are late at once, and the first to run sees that nobody has looked.
  t.mock.timers.tick(5_000);
  await pass(100);
  for (const number of [0, 1, 2, 3]) {
    releases[number]?.();
    await pass(100);
  }
  assert.deepEqual(begun, [0, 1, 2, 3]);
});

test("bytes that are never given back are free again after half a minute", async (t) => {
  const pass = clock(t);
  const { begun } = takeAll(new MemoryQueue({ budget: 10, waiting: 90 }), [10, 10]);
  await pass(29_000);
  assert.deepEqual(begun, [0]);
  await pass(2_000);
  assert.deepEqual(begun, [0, 1]);
});

test("a request that is gone while it waits holds nobody up", async (t) => {
  const pass = clock(t);
  const turns = new MemoryQueue({ budget: 10, waiting: 90 });
  const { begun, releases } = takeAll(turns, [10]);
  await pass(100);
  // The runtime drops the timers of a cancelled request.
  const timers = globalThis.setTimeout;
  globalThis.setTimeout = (() => 0) as unknown as typeof setTimeout;
  void turns.take(10, 1);
  globalThis.setTimeout = timers;
  const later = takeAll(turns, [10]);
  releases[0]?.();
  await pass(1_000);
  assert.deepEqual(later.begun, []);
  await pass(2_000);
  assert.deepEqual(later.begun, [0]);
  assert.deepEqual(begun, [0]);
});
