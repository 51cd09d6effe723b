/**
 * The bucket's side: what is there already, what fails on the way, records that count. With
 * credentials of the origin's own, which also store large blobs, in parts; signed-bucket.test.ts is
 * about uploads that the edge signs.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { pino } from "pino";
import { blobPath, layerPath } from "../../../edge/contract/keys.ts";
import type { Layer, LayerStatement } from "../../../edge/contract/records.ts";
import { generateOriginKey } from "../../../origin/channel/index.ts";
import { readOriginKey } from "../../../origin/channel/key.ts";
import { signer } from "../../../origin/channel/sign.ts";
import {
  BucketError,
  type LayerPart,
  type Layers,
  type LayerStore,
  type MadeLayer,
  openLayers,
} from "../../../origin/layers/index.ts";
import { MAX_PLAN_BYTES } from "../../../origin/layers/plan-bytes.ts";
import { soon } from "../../harness/soon.ts";
import { edgeRequests } from "./edge-requests.ts";
import { type LocalBucket, startBucket } from "./local-bucket.ts";
import { LocalStore, madeLayer, noise, partOf, statementsOf } from "./local-store.ts";
import { startProxy, type TamperingProxy } from "./tampering-proxy.ts";

let bucket: LocalBucket;
let proxy: TamperingProxy;
let store: LocalStore;
let opened: Layers;
let layers: LayerStore;
const never = new AbortController().signal;
const MIB = 2 ** 20;
const origin = (name: string) => {
  const { privateKey, publicKey } = generateOriginKey();
  return { name, publicKey, sign: signer(readOriginKey(privateKey)) };
};
const mine = origin("mine");
const stranger = origin("stranger");

async function make(
  part: LayerPart,
  { zstd = false, from = layers, signal = never } = {},
): Promise<MadeLayer> {
  const made = await from.make([part], { signal, zstd });
  return { layer: madeLayer(made, part), statements: statementsOf(made, part) };
}
const makeOne = async (...args: Parameters<typeof make>): Promise<Layer> =>
  (await make(...args)).layer;

const vouchedBy = ({ name, sign }: typeof mine, statement: LayerStatement) => ({
  signed: [{ origin: name, signature: sign("layer", statement) }],
});

/** What an origin with another compressor would state of the part; its blob is in the bucket. */
async function anothers(part: LayerPart): Promise<LayerStatement> {
  const elsewhere = openLayers({
    cacheDir: join(store.scratch, "elsewhere"),
    root: store.root,
    logger: pino({ level: "silent" }),
  });
  const { diffId } = await makeOne(part, { from: elsewhere.of(edgeRequests(bucket.access)) });
  await elsewhere.close();
  const theirs = `what another compressor made of ${part.key}`;
  const digest = `sha256:${createHash("sha256").update(theirs).digest("hex")}` as const;
  await bucket.put(blobPath(digest), theirs);
  const compressor = "libdeflate 0.1, level 5";
  return { key: part.key, codec: "gzip", digest, size: theirs.length, diffId, compressor };
}

before(async () => {
  bucket = await startBucket();
  const endpoint = new URL(bucket.access.endpoint);
  proxy = await startProxy(endpoint.origin);
  store = new LocalStore();
  opened = openLayers({
    ownBucket: { ...bucket.access, endpoint: proxy.origin + endpoint.pathname },
    cacheDir: join(store.scratch, "cache"),
    root: store.root,
    retryMs: 5_000,
    partBytes: 8 * MIB,
    logger: pino({ level: "silent" }),
  });
  layers = opened.of(edgeRequests(bucket.access, { [mine.name]: mine.publicKey }));
});
after(async () => {
  await opened.close();
  await proxy.stop();
  await bucket.stop();
  store.remove();
});
beforeEach(() => {
  proxy.trouble = () => "pass";
});

test("a blob that fails in the middle, by status or hang-up, is sent again, whole", async () => {
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

test("a bucket that stays broken fails the job, says where, leaves nothing; a retry works", async () => {
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
  proxy.trouble = ({ method }) => (method === "PUT" ? { status: 403 } : "pass");
  const asked = proxy.seen.length;
  await assert.rejects(
    layers.make([await partOf(store.add("denied", { x: "y" }))], { signal: never, zstd: false }),
    (error: unknown) => error instanceof BucketError && error.status === 403,
  );
  assert.equal(proxy.seen.length, asked + 1);
});

test("a bucket that refuses the credentials is told when the origin starts", async (t) => {
  proxy.trouble = () => ({ status: 403 });
  const told = Promise.withResolvers<string>();
  const logger = pino({ level: "error" }, { write: (line: string) => told.resolve(line) });
  const endpoint = proxy.origin;
  const cacheDir = join(store.scratch, "refused");
  const refused = openLayers({ ownBucket: { ...bucket.access, endpoint }, cacheDir, logger });
  t.after(() => refused.close());
  assert.match(
    await soon("the error", told.promise),
    /status 403.*the bucket cannot be read: nothing can be published/,
  );
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

/** Puts records of what an origin states into the bucket, as the edge does. */
async function record(statements: readonly LayerStatement[], by = mine): Promise<void> {
  for (const statement of statements) {
    const signature = by.sign("layer", statement);
    const signed = [{ origin: by.name, signature }];
    const path = layerPath(statement.key, statement.codec);
    await bucket.put(path, JSON.stringify({ ...statement, signed }));
  }
}

test("what the bucket has is not packed or sent again; what was deleted comes back", async () => {
  const part = await partOf(store.add("twice", { data: noise(MIB, "twice") }));
  const first = await make(part, { zstd: true });
  await record(first.statements);
  const from = proxy.seen.length;
  assert.deepEqual(await make(part, { zstd: true }), { layer: first.layer, statements: [] });
  assert.deepEqual(
    proxy.seen.slice(from).filter((line) => line.startsWith("PUT")),
    [],
  );
  const { digest } = first.layer;
  await bucket.delete(blobPath(digest));
  const again = await make(part, { zstd: true });
  assert.deepEqual(again.layer, first.layer);
  assert.deepEqual(again.statements, first.statements.slice(0, 1), "it is stated anew");
  assert.ok((await bucket.keys()).includes(blobPath(digest)));
});

test("results that got lost are stated again, and nothing is packed twice", async () => {
  const part = await partOf(store.add("lost", { data: noise(MIB, "lost") }));
  const first = await make(part);
  assert.equal(first.statements.length, 1);
  const from = proxy.seen.length;
  assert.deepEqual(await make(part), first);
  assert.deepEqual(
    proxy.seen.slice(from).filter((line) => line.startsWith("PUT")),
    [],
  );
});

test("an earlier record of a layer counts, whatever this origin's compressor makes", async () => {
  const part = await partOf(store.add("earlier", { data: "by another zlib" }));
  const theirs = await anothers(part);
  await record([theirs]);
  const made = await make(part);
  assert.equal(made.layer.digest, theirs.digest);
  assert.deepEqual(made.statements, []);
});

test("a record counts only when an origin in force has signed it: a forged one is packed over", async () => {
  const part = await partOf(store.add("forged", { data: "what the name promises" }));
  const theirs = await anothers(part);
  const signed = [{ origin: mine.name, signature: mine.sign("layer", theirs) }];
  const [other, zstd] = [
    { ...theirs, key: "0".repeat(64) },
    { ...theirs, codec: "zstd" as const },
  ];
  const forgeries: readonly [string, object][] = [
    ["of another layer, signed as that", { ...other, ...vouchedBy(mine, other) }],
    ["of another codec, signed as that", { ...zstd, ...vouchedBy(mine, zstd) }],
    ["of nobody", { ...theirs, signed: [] }],
    ["of an origin that is not in force", { ...theirs, ...vouchedBy(stranger, theirs) }],
    ["in another's name", { ...theirs, ...vouchedBy({ ...stranger, name: mine.name }, theirs) }],
    ["changed after it was signed", { ...theirs, diffId: `sha256:${"0".repeat(64)}`, signed }],
    ["of another layer", { ...theirs, key: "0".repeat(64), signed }],
  ];
  for (const [what, forged] of forgeries) {
    await bucket.put(layerPath(part.key), JSON.stringify(forged));
    const made = await make(part);
    assert.notEqual(made.layer.digest, theirs.digest, what);
    assert.equal(made.statements.length, 1, what);
  }
});

test("a recorded blob of another compressor that is gone: this origin states its own", async () => {
  const part = await partOf(store.add("gone", { data: "by another version" }));
  const theirs = await anothers(part);
  await record([theirs]);
  await bucket.delete(blobPath(theirs.digest));
  const { statements } = await make(part);
  assert.deepEqual(
    statements.map(({ codec, diffId }) => ({ codec, diffId })),
    [{ codec: "gzip", diffId: theirs.diffId }],
  );
});

test("a record of other contents than this store has is an error that tells both", async () => {
  const part = await partOf(store.add("damaged", { data: noise(MIB, "damaged") }));
  const theirs = { ...(await anothers(part)), diffId: `sha256:${"0".repeat(64)}` as const };
  await record([theirs]);
  await bucket.delete(blobPath(theirs.digest));
  await assert.rejects(
    make(part),
    /has diffId sha256:0{64} in the bucket and sha256:[0-9a-f]{64} on this machine/,
  );
});

test("a layer made with gzip gets its zstd blob later, the same diffId and digest", async () => {
  const part = await partOf(
    store.add("later", { data: noise(MIB, "later"), text: "text".repeat(1_000) }),
  );
  const gzip = await make(part);
  assert.equal(gzip.layer.zstd, undefined);
  await record(gzip.statements);
  const { layer, statements } = await make(part, { zstd: true });
  assert.deepEqual({ ...layer, zstd: undefined }, { ...gzip.layer, zstd: undefined });
  assert.deepEqual(
    statements.map(({ codec, diffId, digest }) => ({ codec, diffId, digest })),
    [{ codec: "zstd", diffId: layer.diffId, digest: layer.zstd?.digest }],
  );
  assert.ok((await bucket.keys()).includes(blobPath(layer.zstd?.digest as `sha256:${string}`)));
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
  assert.equal(Buffer.from((await layers.plan(log.digest)) ?? []).toString(), "line\n");
  assert.equal(await layers.plan(`sha256:${"0".repeat(64)}`), null);
});

test("what is longer than any layer plan is not read, and a plan that breaks off is read again", async () => {
  const digest = `sha256:${"9".repeat(64)}` as const;
  await bucket.put(blobPath(digest), "x".repeat(MAX_PLAN_BYTES + 1));
  const from = proxy.seen.length;
  await assert.rejects(layers.plan(digest), /has more than 33554432 bytes/);
  assert.equal(proxy.seen.length, from + 1);
  const log = await layers.log("x".repeat(200_000));
  let cut = 0;
  proxy.trouble = ({ method }) => (method === "GET" && cut++ < 2 ? { cutAt: 100_000 } : "pass");
  assert.equal((await layers.plan(log.digest))?.length, 200_000);
});
