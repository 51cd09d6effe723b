/** What an isolate remembers is bounded, whatever is put in. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { execa } from "execa";
import { cachedBytes, CACHES_BYTES, memory } from "../../../edge/store/memory.ts";

interface Sized {
  readonly bytes: number;
}
const ofBudget = (budget: number) => memory<Sized>(budget, ({ bytes }) => bytes);

test("it never holds more than its budget, and what is used stays", () => {
  const remembered = ofBudget(100_000);
  remembered.set("used", { bytes: 1_000 });
  for (let n = 0; n < 1_000; n++) {
    remembered.set(`k${n}`, { bytes: 1_000 });
    assert.ok(remembered.get("used"), `after ${n}`);
  }
  assert.ok(remembered.bytes <= 100_000, `${remembered.bytes} bytes are held`);
  const { length } = [...remembered.keys()];
  assert.ok(length >= 50 && length <= 100, `${length} values are held`);
});

test("keys count too: many small values with long keys stay within the budget", () => {
  const remembered = ofBudget(100_000);
  for (let n = 0; n < 1_000; n++) remembered.set(`${n}`.padEnd(1_000), { bytes: 0 });
  const { length } = [...remembered.keys()];
  assert.ok(length <= 50, `${length} values are held`);
});

test("a value larger than the budget is not kept, and drives nothing out", () => {
  const remembered = ofBudget(10_000);
  remembered.set("small", { bytes: 10 });
  remembered.set("large", { bytes: 10_000 });
  assert.equal(remembered.get("large"), undefined);
  assert.ok(remembered.get("small"));
});

test("setting one key over and over fills nothing", () => {
  const remembered = ofBudget(10_000);
  remembered.set("kept", { bytes: 100 });
  for (let n = 0; n < 1_000; n++) remembered.set("same", { bytes: 100 });
  assert.ok(remembered.get("kept"));
});

test("a value is used for its time, and no longer", (t) => {
  t.mock.timers.enable({ apis: ["Date"], now: 1_000_000 });
  const remembered = memory<Sized>(10_000, ({ bytes }) => bytes, 1_000);
  remembered.set("short", { bytes: 10 });
  t.mock.timers.tick(999);
  assert.ok(remembered.get("short"));
  t.mock.timers.tick(1);
  assert.equal(remembered.has("short"), false);
  assert.equal(remembered.get("short"), undefined);
  assert.equal(remembered.bytes, 0);
});

test("many caches together hold no more than all may, and the least recently used goes first", () => {
  const caches = Array.from({ length: 8 }, () => ofBudget(CACHES_BYTES / 4));
  const [first, second] = caches;
  first?.set("used", { bytes: 10_000 });
  second?.set("unused", { bytes: 10_000 });
  for (let n = 0; n < 1_000; n++)
    for (const cache of caches) {
      cache.set(`k${n}`, { bytes: 50_000 });
      assert.ok(cachedBytes() <= CACHES_BYTES, `${cachedBytes()} bytes are held after ${n}`);
      assert.ok(first?.get("used"), `after ${n}`);
    }
  assert.equal(second?.get("unused"), undefined);
  assert.ok(cachedBytes() > CACHES_BYTES * 0.9, "and not much less");
  for (const cache of caches) assert.ok(cache.has("k999"), "each keeps what it was given last");
});

/** The memory of this process that is in use, bytes. */
async function usedMemory(): Promise<number> {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  for (let round = 0; round < 3; round++) {
    collect();
    await sleep(10);
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

const hex = (n: number): string => n.toString(16).padStart(64, "0");

/** Values as the edge keeps them, and how it counts them. */
const KINDS = {
  "whether a blob is there": {
    bytesOf: () => 64,
    make: () => ({
      value: { size: 123_456, contentType: "application/octet-stream" },
      askedAt: Date.now(),
      refreshAt: Date.now(),
    }),
  },
  "what was claimed": { bytesOf: () => 8, make: () => ({ until: Date.now() }) },
  "a record": {
    bytesOf: () => JSON.stringify(recordOf(0)).length * 2,
    make: (n: number) => JSON.parse(JSON.stringify(recordOf(n))) as object,
  },
} satisfies Record<string, { bytesOf: () => number; make: (n: number) => object }>;

const recordOf = (n: number): object => ({
  name: hex(n),
  parts: Array.from({ length: 40 }, (_, rank) => ({ key: hex(n * 100 + rank), rank })),
  layers: Array.from({ length: 40 }, (_, at) => ({
    key: hex(n * 100 + at),
    digest: `sha256:${hex(n * 100 + at)}`,
    diffId: `sha256:${hex(n * 100 + 50 + at)}`,
    size: 123_456,
  })),
});

for (const [kind, { bytesOf, make }] of Object.entries(KINDS))
  test(`what is counted for ${kind} is what it takes`, async () => {
    const cache = memory<object>(CACHES_BYTES / 2, bytesOf);
    const before = await usedMemory();
    for (let n = 0; cache.bytes < CACHES_BYTES / 2 - 50_000; n++)
      cache.set(`blobs/sha256/${hex(n)}`, make(n));
    const used = (await usedMemory()) - before;
    const counted = cache.bytes;
    assert.ok(used < counted * 1.6, `${counted} bytes are counted, ${used} are used`);
    for (const key of Array.from(cache.keys())) cache.delete(key);
  });

/**
 * Files of the edge that keep something in an LRU of their own, bounded by its number, and how much
 * that is at most.
 */
const COUNTED: Readonly<Record<string, string>> = {
  "edge/store/memory.ts": "CACHES_BYTES",
  "edge/access/limits.ts": "20,000 windows, and as many sets of places",
  "edge/access/logins.ts": "1,000 keys of 200 characters",
  "edge/pull/single-flight.ts": "500 pieces of work that are under way",
};

test("no cache of the edge is outside of that: an LRU is made by memory()", async () => {
  const root = join(import.meta.dirname, "../../..");
  const { stdout } = await execa("git", ["ls-files", "edge/*.ts", "edge/**/*.ts"], { cwd: root });
  const files = [...new Set(stdout.split("\n"))];
  const own: string[] = [];
  for (const file of files)
    if (/from "lru-cache"/.test(await readFile(join(root, file), "utf8"))) own.push(file);
  assert.deepEqual(own.sort(), Object.keys(COUNTED).sort());
});
