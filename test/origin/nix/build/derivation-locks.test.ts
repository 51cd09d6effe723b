import assert from "node:assert/strict";
import { test } from "node:test";
import { DerivationLocks } from "../../../../origin/nix/build/derivation-locks.ts";

const never = new AbortController().signal;
const oneDerivation = async (): Promise<string[]> => ["a"];

test("jobs that share a derivation run one after the other, all others at once", async () => {
  const locks = new DerivationLocks();
  const events: string[] = [];
  const release: Record<string, () => void> = {};
  const job = (name: string, ...needed: string[]): Promise<void> =>
    locks.with(
      async () => needed,
      never,
      async () => {
        events.push(`+${name}`);
        await new Promise<void>((resolve) => (release[name] = resolve));
        events.push(`-${name}`);
      },
    );
  const jobs = [job("one", "a", "b"), job("two", "b", "c"), job("three", "d"), job("four")];
  await new Promise(setImmediate);
  assert.deepEqual(events, ["+one", "+three", "+four"]);
  release["one"]?.();
  await jobs[0];
  await new Promise(setImmediate);
  assert.deepEqual(events.slice(3), ["-one", "+two"]);
  for (const name of ["two", "three", "four"]) release[name]?.();
  await Promise.all(jobs);
});

test("what is needed is asked again after a wait: the other job may have built it all", async () => {
  const locks = new DerivationLocks();
  let built = false;
  const asked: boolean[] = [];
  const needed = async (): Promise<string[]> => {
    asked.push(built);
    return built ? [] : ["a"];
  };
  await Promise.all([
    locks.with(needed, never, async () => {
      await new Promise(setImmediate);
      built = true;
    }),
    locks.with(needed, never, async () => {}),
  ]);
  assert.deepEqual(asked, [false, false, true]);
});

test("a failed job releases its locks", async () => {
  const locks = new DerivationLocks();
  await assert.rejects(
    locks.with(oneDerivation, never, () => Promise.reject(new Error("no"))),
    /no/,
  );
  assert.equal(await locks.with(oneDerivation, never, async () => "done"), "done");
});

test("an aborted job stops waiting", async () => {
  const locks = new DerivationLocks();
  const abort = new AbortController();
  const held = Promise.withResolvers<void>();
  const holder = locks.with(oneDerivation, never, () => held.promise);
  const waiter = locks.with(oneDerivation, abort.signal, async () => {});
  await new Promise(setImmediate);
  abort.abort(new Error("gone"));
  await assert.rejects(waiter, /gone/);
  held.resolve();
  await holder;
});
