/**
 * What an isolate remembers: bounded, whatever is put in; and work that several requests want at
 * once.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Memory } from "../../../edge/store/memory.ts";
import { once } from "../../../edge/pull/once.ts";

test("what is set is there, until it is deleted or set anew", () => {
  const memory = new Memory<number>(10_000);
  assert.equal(memory.get("a"), undefined);
  memory.set("a", 1, 10);
  memory.set("a", 2, 10);
  assert.equal(memory.get("a"), 2);
  memory.delete("a");
  assert.equal(memory.get("a"), undefined);
});

test("never more than its budget, and what is used stays", () => {
  const memory = new Memory<Uint8Array>(100_000);
  const keys: string[] = [];
  memory.set("used", new Uint8Array(1), 1_000);
  for (let n = 0; n < 1_000; n++) {
    keys.push(`k${n}`);
    memory.set(`k${n}`, new Uint8Array(1), 1_000);
    assert.ok(memory.get("used"), `after ${n}`);
  }
  const left = keys.filter((key) => memory.get(key) !== undefined);
  assert.ok(left.length * 1_000 <= 100_000, `${left.length} are left`);
  assert.ok(left.length >= 20, `${left.length} are left`);
});

test("what is larger than half of the budget is not kept, and drives nothing out", () => {
  const memory = new Memory<string>(10_000);
  memory.set("small", "x", 10);
  memory.set("large", "y", 6_000);
  assert.equal(memory.get("large"), undefined);
  assert.equal(memory.get("small"), "x");
});

test("setting one key over and over fills nothing", () => {
  const memory = new Memory<number>(10_000);
  memory.set("kept", 0, 100);
  for (let n = 0; n < 1_000; n++) memory.set("same", n, 100);
  assert.equal(memory.get("kept"), 0);
});

test("work under way is joined; afterwards, and after a failure, it is done anew", async () => {
  let runs = 0;
  const gate = Promise.withResolvers<void>();
  const work = async (): Promise<number> => {
    runs++;
    await gate.promise;
    return runs;
  };
  const all = [once("k", work), once("k", work), once("k", work)];
  gate.resolve();
  assert.deepEqual(await Promise.all(all), [1, 1, 1]);
  assert.equal(await once("k", work), 2);

  let failures = 0;
  const failing = (): Promise<number> =>
    failures++ === 0 ? Promise.reject(new Error("first")) : Promise.resolve(7);
  const [first, second] = await Promise.allSettled([once("f", failing), once("f", failing)]);
  assert.equal(first.status, "rejected");
  assert.deepEqual(second, { status: "fulfilled", value: 7 });
});

test("nobody waits for work that never ends", async () => {
  void once("stuck", () => new Promise<number>(() => undefined));
  assert.equal(await once("stuck", () => Promise.resolve(1)), 1);
  assert.equal(await once("stuck", () => Promise.resolve(2)), 2);
});
