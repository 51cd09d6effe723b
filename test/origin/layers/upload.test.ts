/**
 * The bucket's side: what is there already, what fails on the way, large blobs, records that are
 * fixed.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { pino } from "pino";
import { blobPath, layerPath } from "../../../edge/contract/keys.ts";
import type { Layer } from "../../../edge/contract/records.ts";
import {
  BucketError,
  type LayerPart,
  type LayerStore,
  openLayerStore,
} from "../../../origin/layers/index.ts";
import { soon } from "../../harness/soon.ts";
import { type LocalBucket, startBucket } from "./local-bucket.ts";
import { LocalStore, madeLayer, noise, partOf } from "./local-store.ts";
import { startProxy, type TamperingProxy } from "./tampering-proxy.ts";

let bucket: LocalBucket;
let proxy: TamperingProxy;
let store: LocalStore;
let layers: LayerStore;
const never = new AbortController().signal;
const MIB = 2 ** 20;
const makeOne = async (
  part: LayerPart,
  { zstd = false, from = layers, signal = never } = {},
): Promise<Layer> => madeLayer(await from.make([part], { signal, zstd }), part);

before(async () => {
  bucket = await startBucket();
  const endpoint = new URL(bucket.access.endpoint);
  proxy = await startProxy(endpoint.origin);
  store = new LocalStore();
  layers = openLayerStore({
    s3: { ...bucket.access, endpoint: proxy.origin + endpoint.pathname },
    cacheDir: join(store.scratch, "cache"),
    root: store.root,
    retryMs: 5_000,
    partBytes: 8 * MIB,
    logger: pino({ level: "silent" }),
  });
});
after(async () => {
  await layers.close();
  await proxy.stop();
  await bucket.stop();
  store.remove();
});
beforeEach(() => {
  proxy.trouble = () => "pass";
});

test("a blob that fails in the middle, by status and by hang-up, is sent again; the layer is whole", async () => {
  const part = await partOf(store.add("flaky", { data: noise(3 * MIB, "flaky") }));
  let failed = 0;
  proxy.trouble = ({ method, url = "" }) =>
    method === "PUT" && url.includes("blobs/") && failed < 2
      ? failed++ === 0
        ? { status: 503 }
        : "hang-up"
      : "pass";
  const layer = await makeOne(part);
  assert.equal(failed, 2);
  const bytes = await bucket.bytes(blobPath(layer.digest));
  assert.equal(`sha256:${createHash("sha256").update(bytes).digest("hex")}`, layer.digest);
});

test("a bucket that stays broken fails the job in a bounded time, says where, and leaves nothing half-published; the next try works", async () => {
  const good = await partOf(store.add("good", { data: "fine" }));
  const bad = await partOf(store.add("bad", { data: noise(2 * MIB, "bad") }));
  const before = await bucket.keys();
  proxy.trouble = ({ method, url = "" }) =>
    method === "PUT" && url.includes("blobs/") ? { status: 503 } : "pass";
  await assert.rejects(layers.make([bad], { signal: never, zstd: true }), (error: unknown) => {
    assert.ok(error instanceof BucketError);
    assert.equal(error.status, 503);
    assert.match(
      error.message,
      /PUT blobs\/sha256\/[0-9a-f]{64} in bucket layers at http:.*status 503/,
    );
    return true;
  });
  assert.deepEqual(await bucket.keys(), before);
  proxy.trouble = () => "pass";
  const made = await layers.make([good, bad], { signal: never, zstd: true });
  for (const part of [good, bad]) assert.equal(madeLayer(made, part).key, part.key);
});

test("a refusal that will not pass is an error at once", async () => {
  proxy.trouble = ({ method }) => (method === "GET" ? { status: 403 } : "pass");
  const asked = proxy.seen.length;
  await assert.rejects(
    layers.make([await partOf(store.add("denied", { x: "y" }))], { signal: never, zstd: false }),
    (error: unknown) => error instanceof BucketError && error.status === 403,
  );
  assert.equal(proxy.seen.length, asked + 1);
});

test("a large blob goes in parts; a part that fails is sent again", async () => {
  const part = await partOf(store.add("large", { data: noise(50 * MIB, "large") }));
  let failed = false;
  proxy.trouble = ({ method, url = "" }) => {
    if (failed || method !== "PUT" || !url.includes("partNumber=2")) return "pass";
    failed = true;
    return { status: 500 };
  };
  const from = proxy.seen.length;
  const layer = await makeOne(part);
  assert.ok(failed);
  const bytes = await bucket.bytes(blobPath(layer.digest));
  assert.equal(`sha256:${createHash("sha256").update(bytes).digest("hex")}`, layer.digest);
  // Seven parts of at most 8 MiB, one of them twice.
  assert.equal(proxy.seen.slice(from).filter((line) => line.includes("partNumber=")).length, 8);
});

test("a large blob that cannot be finished is given up whole: its parts are aborted", async () => {
  const part = await partOf(store.add("large-bad", { data: noise(45 * MIB, "large-bad") }));
  proxy.trouble = ({ method, url = "" }) =>
    method === "PUT" && url.includes("partNumber=3") ? { status: 400 } : "pass";
  const from = proxy.seen.length;
  const keys = await bucket.keys();
  await assert.rejects(layers.make([part], { signal: never, zstd: false }), BucketError);
  assert.ok(
    proxy.seen.slice(from).some((line) => line.startsWith("DELETE") && line.includes("uploadId=")),
  );
  assert.deepEqual(await bucket.keys(), keys);
});

test("what the bucket has is neither packed nor sent again; what was deleted from it comes back", async () => {
  const part = await partOf(store.add("twice", { data: noise(MIB, "twice") }));
  const first = await makeOne(part, { zstd: true });
  const from = proxy.seen.length;
  assert.deepEqual(await makeOne(part, { zstd: true }), first);
  assert.deepEqual(
    proxy.seen.slice(from).filter((line) => line.startsWith("PUT")),
    [],
  );
  const { digest } = first;
  await bucket.delete(blobPath(digest));
  assert.deepEqual(await makeOne(part, { zstd: true }), first);
  assert.ok((await bucket.keys()).includes(blobPath(digest)));
});

test("an earlier record of a layer counts, whatever this origin's compressor makes", async () => {
  const path = store.add("earlier", { data: "by another zlib" });
  const part = await partOf(path);
  const own = await makeOne(part);
  const theirs = new TextEncoder().encode("what another compressor made");
  const digest = `sha256:${createHash("sha256").update(theirs).digest("hex")}` as const;
  await bucket.put(blobPath(digest), new TextDecoder().decode(theirs));
  const record = { ...own, digest, size: theirs.length };
  await bucket.put(layerPath(part.key), JSON.stringify(record));
  assert.deepEqual(await makeOne(part), record);
});

test("a recorded blob of another compressor that is gone is an error that names both; nothing takes its place", async () => {
  const part = await partOf(store.add("gone", { data: "by another version" }));
  const own = await makeOne(part);
  const digest = `sha256:${"0".repeat(64)}`;
  const record = JSON.stringify({ ...own, digest, compressor: "libdeflate 0.1, level 5" });
  await bucket.put(layerPath(part.key), record);
  const keys = await bucket.keys();
  await assert.rejects(
    makeOne(part),
    /is recorded as sha256:0{64}, made by libdeflate 0\.1, level 5; that blob is gone .* this origin's libdeflate \S+, level 5 makes sha256:/,
  );
  assert.equal((await bucket.bytes(layerPath(part.key))).toString(), record);
  assert.deepEqual(await bucket.keys(), keys);
});

test("two origins that finish the same layer at once agree on one record", async () => {
  const part = await partOf(store.add("race", { data: noise(MIB, "race") }));
  const other = openLayerStore({
    s3: bucket.access,
    cacheDir: join(store.scratch, "other"),
    root: store.root,
    logger: pino({ level: "silent" }),
  });
  try {
    const [a, b] = await Promise.all([
      makeOne(part, { zstd: true }),
      makeOne(part, { zstd: true, from: other }),
    ]);
    assert.deepEqual(a, b);
  } finally {
    await other.close();
  }
});

test("a layer first made with gzip alone gets its zstd blob later, with the same diffId and gzip digest", async () => {
  const part = await partOf(
    store.add("later", { data: noise(MIB, "later"), text: "text".repeat(1_000) }),
  );
  const gzip = await makeOne(part);
  assert.equal(gzip.zstd, undefined);
  const both = await makeOne(part, { zstd: true });
  assert.deepEqual({ ...both, zstd: undefined }, { ...gzip, zstd: undefined });
  assert.ok((await bucket.keys()).includes(blobPath(both.zstd?.digest as `sha256:${string}`)));
});

test("an upload that nobody waits for is ended", async () => {
  const part = await partOf(store.add("left-alone", { data: noise(4 * MIB, "left-alone") }));
  const leaving = new AbortController();
  const begun = Promise.withResolvers<IncomingMessage>();
  proxy.trouble = (request) => {
    if (request.method !== "PUT") return "pass";
    begun.resolve(request);
    return "silence";
  };
  const left = makeOne(part, { signal: leaving.signal });
  const upload = await soon("an upload", begun.promise);
  const ended = new Promise((resolve) => upload.socket.once("close", resolve));
  leaving.abort(new Error("hung up"));
  await assert.rejects(left, /hung up/);
  await soon("the end of the upload", ended, 20_000);
});

test("who leaves is answered at once, and what was shared with others goes on", async () => {
  const part = await partOf(store.add("aborted", { data: noise(4 * MIB, "aborted") }));
  const leaving = new AbortController();
  const reached = Promise.withResolvers<void>();
  proxy.trouble = ({ method }) => {
    if (method === "PUT") reached.resolve();
    return "pass";
  };
  const left = makeOne(part, { signal: leaving.signal });
  const stays = makeOne(part);
  await reached.promise;
  leaving.abort(new Error("hung up"));
  await assert.rejects(left, /hung up/);
  assert.equal((await stays).key, part.key);
  await assert.rejects(
    layers.make([part], { signal: AbortSignal.abort(new Error("before")), zstd: false }),
    /before/,
  );
});

test("logs and other small blobs are named by their digest", async () => {
  const log = await layers.log("line\n");
  assert.equal((await bucket.bytes(blobPath(log.digest))).toString(), "line\n");
  assert.deepEqual(await layers.get("no/such/key"), null);
  assert.equal(
    new TextDecoder().decode((await layers.get(blobPath(log.digest))) as Uint8Array),
    "line\n",
  );
});
