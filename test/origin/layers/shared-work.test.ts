/** Work that several want: done once, and ended when the last of them has gone. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SharedWork } from "../../../origin/layers/shared-work.ts";

/** Work that ends when a test says so; `runs` has the signal of each that was begun. */
function byHand() {
  const runs: AbortSignal[] = [];
  const ends: ((value: string) => void)[] = [];
  const work = (signal: AbortSignal): Promise<string> => {
    runs.push(signal);
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    ends.push(resolve);
    signal.addEventListener("abort", () => reject(signal.reason as Error));
    return promise;
  };
  return { runs, ends, work };
}

test("two that want the same have one result, each key its own", async () => {
  const { runs, ends, work } = byHand();
  const shared = new SharedWork<string>();
  const { signal } = new AbortController();
  const both = [shared.run("a", signal, work), shared.run("a", signal, work)];
  const other = shared.run("b", signal, work);
  ends[0]?.("A");
  ends[1]?.("B");
  assert.deepEqual(await Promise.all([...both, other]), ["A", "A", "B"]);
  assert.equal(runs.length, 2);
  const later = shared.run("a", signal, work);
  ends[2]?.("A again");
  assert.equal(await later, "A again", "nothing is remembered");
});

test("one that leaves ends nothing for the others; the last one's leaving ends the work", async () => {
  const { runs, ends, work } = byHand();
  const shared = new SharedWork<string>();
  const [first, second, third] = [1, 2, 3].map(() => new AbortController());
  const leaves = shared.run("a", first!.signal, work);
  const stays = shared.run("a", second!.signal, work);
  first!.abort(new Error("the first left"));
  await assert.rejects(leaves, /the first left/);
  assert.equal(runs[0]?.aborted, false);
  second!.abort(new Error("the second left"));
  await assert.rejects(stays, /the second left/);
  assert.equal(runs[0]?.aborted, true);
  const next = shared.run("a", third!.signal, work);
  assert.equal(runs.length, 2, "nobody joins what is being stopped");
  ends[1]?.("made");
  assert.equal(await next, "made");
});

test("whoever comes while the work is being stopped begins it anew", async () => {
  const shared = new SharedWork<string>();
  const gone = new AbortController();
  let begun = 0;
  /** Takes its time to stop, as packing does. */
  const slow = (signal: AbortSignal): Promise<string> => {
    begun += 1;
    const { promise, resolve } = Promise.withResolvers<string>();
    if (begun > 1) resolve(`run ${begun}`);
    else signal.addEventListener("abort", () => setImmediate(() => resolve("stopped")));
    return promise;
  };
  const left = shared.run("a", gone.signal, slow);
  gone.abort(new Error("gone"));
  await assert.rejects(left, /gone/);
  assert.equal(await shared.run("a", new AbortController().signal, slow), "run 2");
});
