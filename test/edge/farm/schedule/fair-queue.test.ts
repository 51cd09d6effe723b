/** Turns: what a client is given of origins' time, however much it asks for. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FairQueue, MAX_BATCH } from "../../../../edge/farm/schedule/fair-queue.ts";
import type { Entry } from "../../../../edge/farm/schedule/state.ts";
import { entry, packageItem, request } from "./farm.ts";

const ANY = (): boolean => true;
const amd = (system: string | undefined): boolean => system === "x86_64-linux";

/** A queue of these entries, each in the name of the client that asked for it. */
function queueOf(...entries: readonly Entry[]): { queue: FairQueue; taken: Set<Entry> } {
  const taken = new Set<Entry>();
  const queue = new FairQueue((each) => !taken.has(each));
  for (const each of entries) for (const { client } of each.wants.values()) queue.add(client, each);
  return { queue, taken };
}
const names = (entries: readonly Entry[]): string => entries.map(({ key }) => key).join();
function all(queue: FairQueue): string[] {
  const turns: string[] = [];
  for (let batch = queue.take(ANY); batch.length > 0; batch = queue.take(ANY))
    turns.push(names(batch));
  return turns;
}
const numbered = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, n) => `${prefix}${n}`);

test("a hundred images of one client, then one of another: that comes after one turn of the first", () => {
  const flood = numbered("a", 100).flatMap((name) =>
    request(
      "A",
      [1, 2, 3, 4].map((n) => `${name}-${n}`),
    ),
  );
  const { queue } = queueOf(
    ...flood,
    ...request("B", ["b1", "b2"]),
    ...request("C", numbered("c", 20)),
  );
  const turns = all(queue)
    .map((text) => text[0])
    .join("");
  // The header's example: 4 images of A, B's, 16 of C's 20, 4 images of A, C's last 4, A's others.
  assert.match(turns, /^aaaabcaaaaca{92}$/);
});

test("items of one request are taken together, at most a full job at once", () => {
  const { queue } = queueOf(...request("A", ["a", "b"]), ...request("A", ["c"]));
  assert.deepEqual(all(queue), ["a,b", "c"]);
  const { queue: long } = queueOf(...request("A", numbered("p", MAX_BATCH + 1)));
  assert.deepEqual(
    all(long).map((text) => text.split(",").length),
    [MAX_BATCH, 1],
  );
});

test("a job holds no more items because they are cheap", () => {
  const levels = request("A", numbered("l", 40)).map((each) => ({
    ...each,
    item: packageItem(each.key, { level: 1 }),
  }));
  assert.deepEqual(
    all(queueOf(...levels).queue).map((text) => text.split(",").length),
    [MAX_BATCH, MAX_BATCH, 40 - 2 * MAX_BATCH],
  );
});

test("what is cheap is not counted as if it were dear: levels cost half a package", () => {
  const levels = numbered("l", 40).map((name) => entry(packageItem(name, { level: 1 }), "A"));
  const packages = numbered("p", 40).map((name) => entry(packageItem(name), "B"));
  const turns = all(queueOf(...levels, ...packages).queue)
    .map((text) => text[0])
    .join("");
  assert.match(turns, /^l{32}p{16}l{8}p{24}$/);
});

test("an item that two want is taken once, in the turn that comes first", () => {
  const shared = entry(packageItem("shared"), "B");
  const { queue, taken } = queueOf(...request("A", numbered("a", 40)), shared);
  queue.add("A", shared);
  assert.match(names(queue.take(ANY)), /^a0,/);
  const second = queue.take(ANY);
  assert.equal(names(second), "shared");
  for (const each of second) taken.add(each);
  assert.equal(all(queue).join().includes("shared"), false);
});

test("what no free origin can take is passed over and keeps its place", () => {
  const arm = entry(packageItem("arm", { system: "aarch64-linux" }), "A");
  const { queue } = queueOf(arm, ...request("A", ["x"]), ...request("B", ["b"]));
  assert.deepEqual([queue.take(amd), queue.take(amd), queue.take(amd)].map(names), ["x", "b", ""]);
  assert.equal(names(queue.take(ANY)), "arm");
});

test("a client whose queue was empty saves nothing up", () => {
  const { queue } = queueOf(...request("A", ["a1"]));
  assert.equal(all(queue).join(), "a1");
  for (const each of [...request("A", numbered("a", 40)), ...request("B", numbered("b", 40))])
    queue.add(each.key.startsWith("a") ? "A" : "B", each);
  assert.deepEqual(
    all(queue).map((text) => `${text[0]}${text.split(",").length}`),
    ["a16", "b16", "a16", "b16", "a8", "b8"],
  );
});

test("nor does one whose queue is filled again before anybody else's turn", () => {
  const { queue } = queueOf(...request("A", ["a1"]));
  assert.equal(names(queue.take(ANY)), "a1");
  for (const each of [...request("A", numbered("a", 40)), ...request("B", numbered("b", 40))])
    queue.add(each.key.startsWith("a") ? "A" : "B", each);
  assert.deepEqual(
    all(queue).map((text) => `${text[0]}${text.split(",").length}`),
    ["a16", "b16", "a16", "b16", "a8", "b8"],
  );
});

test("what a turn was kept for is gone, and the next is dearer: nothing stops for it", () => {
  const packages = numbered("p", MAX_BATCH - 1).map((name) => entry(packageItem(name), "A"));
  const levels = ["l1", "l2"].map((name) => entry(packageItem(name, { level: 1 }), "A"));
  const last = entry(packageItem("last"), "A");
  const { queue, taken } = queueOf(...packages, ...levels, last);
  for (let n = 0; n < MAX_BATCH; n++) assert.equal(queue.take(ANY).length, 1);
  for (const each of levels) taken.add(each);
  assert.deepEqual(queue.take(ANY), [last]);
});
