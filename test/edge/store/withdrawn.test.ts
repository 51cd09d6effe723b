/** What was withdrawn from the bucket lives for a minute in memory and in copies, and no longer. */
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, mock, test } from "node:test";
import { blobPath, revisionPath, tagPath } from "../../../edge/contract/keys.ts";
import { RECORD_FORMAT } from "../../../edge/contract/records.ts";
import { findBlob, PRESENT_MS } from "../../../edge/store/blobs.ts";
import { type Bucket, BucketUnavailable } from "../../../edge/store/bucket.ts";
import { nearbyBucket } from "../../../edge/store/cache.ts";
import { readCurrent } from "../../../edge/store/current.ts";
import { KEPT_MS, REFRESH_MS } from "../../../edge/store/fresh.ts";
import {
  indexRecord,
  readRecord,
  revisionRecord,
  tagRecord,
  writeRecord,
} from "../../../edge/store/records.ts";
import { s3Bucket } from "../../../edge/store/s3.ts";
import { type LocalBucket, startBucket } from "../../origin/layers/local-bucket.ts";

const SET = "starter";
let local: LocalBucket;
let stored: Bucket;
/** The bucket as a request sees it: what goes on behind its answer is kept here. */
let bucket: Bucket;
let behind: Promise<unknown>[];
let revision = 0;

before(async () => {
  local = await startBucket();
  stored = s3Bucket(local.access);
});
after(() => local.stop());
beforeEach(() => {
  behind = [];
  bucket = { ...stored, background: (work) => void behind.push(work) };
  mock.timers.enable({ apis: ["Date"], now: Date.now() });
});
const settled = async (): Promise<void> => void (await Promise.all(behind.splice(0)));
const wait = (ms: number): void => mock.timers.tick(ms);

const JSON_TYPE = { contentType: "application/json", ifAbsent: false };
/** A record that nobody has read yet. */
async function record() {
  const name = (++revision).toString(16).padStart(40, "0");
  await stored.put(revisionPath(SET, name), '{"tag":"latest","seenAt":0}', JSON_TYPE);
  return { place: revisionRecord(SET, name), path: revisionPath(SET, name) };
}

describe("a record", { concurrency: 1 }, () => {
  test("is given from memory while it is young, and nothing is asked", async (t) => {
    t.after(() => mock.timers.reset());
    const { place, path } = await record();
    assert.ok(await readRecord(bucket, place));
    await stored.delete(path);
    wait(REFRESH_MS - 1);
    assert.ok(await readRecord(bucket, place));
    assert.equal(behind.length, 0);
  });

  test("that is asked for is read again behind the answer, once; withdrawn, it is gone then", async (t) => {
    t.after(() => mock.timers.reset());
    const { place, path } = await record();
    await readRecord(bucket, place);
    wait(REFRESH_MS);
    for (let n = 0; n < 3; n++) assert.ok(await readRecord(bucket, place));
    assert.equal(behind.length, 1);
    await settled();
    wait(REFRESH_MS);
    await stored.delete(path);
    assert.ok(await readRecord(bucket, place), "this answer does not wait");
    await settled();
    assert.equal(await readRecord(bucket, place), null);
  });

  test("that nobody asked for is not given after a minute, nothing behind answers or not", async (t) => {
    t.after(() => mock.timers.reset());
    const { place, path } = await record();
    await readRecord(stored, place);
    await stored.delete(path);
    wait(KEPT_MS - 1);
    assert.ok(await readRecord(stored, place));
    wait(1);
    assert.equal(await readRecord(stored, place), null);
  });

  test("that was made of another one is no younger than that", async (t) => {
    t.after(() => mock.timers.reset());
    const { place } = await record();
    const source = await readRecord(bucket, place);
    assert.ok(source);
    wait(KEPT_MS - 1);
    const made = await record();
    await stored.delete(made.path);
    const what = { tag: "latest", seenAt: 0, origin: "mine" };
    await writeRecord(bucket, made.place, what, [source]);
    await stored.delete(made.path);
    assert.ok(await readRecord(stored, made.place));
    wait(1);
    assert.equal(await readRecord(stored, made.place), null);
  });

  test("is given while the bucket does not answer, and asked for every time", async (t) => {
    t.after(() => mock.timers.reset());
    const { place, path } = await record();
    await readRecord(bucket, place);
    let asked = 0;
    const broken: Bucket = {
      ...bucket,
      get: () => Promise.reject(new BucketUnavailable(`no answer ${++asked}`)),
    };
    wait(2 * KEPT_MS);
    assert.ok(await readRecord(broken, place));
    assert.ok(await readRecord(broken, place));
    assert.equal(asked, 2);
    await stored.delete(path);
    assert.equal(await readRecord(bucket, place), null);
    await assert.rejects(readRecord(broken, place), /no answer/);
  });
});

describe("a blob that was seen in the bucket", { concurrency: 1 }, () => {
  const digest = `sha256:${"5".repeat(64)}` as const;
  const put = (): Promise<unknown> => stored.put(blobPath(digest), "blob", JSON_TYPE);

  test("is asked for behind the answer when half of its time is over; lost, it is gone then", async (t) => {
    t.after(() => mock.timers.reset());
    await put();
    assert.equal((await findBlob(bucket, digest))?.size, 4);
    await stored.delete(blobPath(digest));
    wait(PRESENT_MS / 2 - 1);
    assert.ok(await findBlob(bucket, digest));
    assert.equal(behind.length, 0);
    wait(1);
    for (let n = 0; n < 3; n++) assert.ok(await findBlob(bucket, digest), "no answer waits");
    assert.equal(behind.length, 1);
    await settled();
    assert.equal(await findBlob(bucket, digest), null);
  });

  test("is not taken to be there for longer than its time, when nobody asked in between", async (t) => {
    t.after(() => mock.timers.reset());
    await put();
    assert.ok(await findBlob(bucket, digest));
    await stored.delete(blobPath(digest));
    wait(PRESENT_MS);
    assert.equal(await findBlob(bucket, digest), null);
  });
});

test("a tag that was withdrawn means nothing after a minute", async (t) => {
  t.after(() => mock.timers.reset());
  const ages = { present: 10_000, absent: 0 };
  const path = tagPath(SET, "gone");
  await stored.put(path, `{"revision":"${"a".repeat(40)}","resolvedAt":0}`, JSON_TYPE);
  assert.ok(await readCurrent(bucket, tagRecord(SET, "gone"), ages));
  await stored.delete(path);
  wait(KEPT_MS);
  assert.equal(await readCurrent(bucket, tagRecord(SET, "gone"), ages), null);
});

test("memory and the data centre's copy together keep a record no longer than either", async (t) => {
  t.after(() => mock.timers.reset());
  const scope = { packageSet: SET, revision: "b".repeat(40), system: "x86_64-linux" } as const;
  const place = indexRecord(scope, []);
  const names = { digest: `sha256:${"0".repeat(64)}`, size: 2 };
  const signed = [{ origin: "mine", signature: "A".repeat(86) }];
  // Under packages/, whose objects are copied.
  const copied = { ...place, path: "packages/copied.json" };
  const text = JSON.stringify({ format: RECORD_FORMAT, ...scope, path: [], names, signed });
  await stored.put(copied.path, text, JSON_TYPE);
  const copies = new Map<string, { bytes: ArrayBuffer; headers: Headers }>();
  const cache = {
    match: (name: string) => {
      const copy = copies.get(name);
      return Promise.resolve(copy && new Response(copy.bytes, { headers: copy.headers }));
    },
    put: async (name: string, copy: Response) => {
      copies.set(name, { bytes: await copy.arrayBuffer(), headers: copy.headers });
    },
    delete: (name: string) => Promise.resolve(copies.delete(name)),
  };
  const nearby = nearbyBucket(bucket, cache, (work) => void behind.push(work));
  // Another isolate of the data centre has put the copy there.
  await (await nearby.get(copied.path))?.body.cancel();
  await settled();
  await stored.delete(copied.path);
  wait(KEPT_MS - 1);
  assert.ok(await readRecord({ ...nearby, background: () => undefined }, copied), "the copy");
  wait(1);
  assert.equal(await readRecord(nearby, copied), null, "its age counts from the bucket");
});

test("a copy without a length is no answer", async (t) => {
  t.after(() => mock.timers.reset());
  const key = "packages/v0/short.json";
  await stored.put(key, "whole", JSON_TYPE);
  const headers = { "X-Firn-Asked-At": String(Date.now()) };
  const cache = {
    match: () => Promise.resolve(new Response("x", { headers })),
    put: () => Promise.resolve(),
    delete: () => Promise.resolve(true),
  };
  const nearby = nearbyBucket(bucket, cache, (work) => void behind.push(work));
  const found = await nearby.get(key);
  assert.ok(found);
  assert.equal(found.size, 5);
  assert.equal(await new Response(found.body).text(), "whole");
});

test("a listing goes page by page, and what is deleted is not in it", async (t) => {
  t.after(() => mock.timers.reset());
  const names = ["a", "b&<c>", "d"].map((name) => `listed/${name}.json`);
  for (const name of names) await stored.put(name, name, JSON_TYPE);
  const all = async (): Promise<string[]> => {
    const found: string[] = [];
    for (let more = true; more;) {
      const page = await stored.list("listed/", { limit: 2, after: found.at(-1) });
      for (const { key, size, writtenAt } of page.objects) {
        assert.equal(size, key.length);
        assert.ok(Math.abs(writtenAt - Date.now()) < 3_600_000, key);
        found.push(key);
      }
      ({ more } = page);
    }
    return found;
  };
  assert.deepEqual(await all(), names);
  await stored.delete(names[1] ?? "");
  await stored.delete("listed/never");
  assert.deepEqual(await all(), [names[0], names[2]]);
});
