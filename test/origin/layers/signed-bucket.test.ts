/** Storing by uploads that the edge signs: what goes wrong on the way, and what is sent at all. */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { closeSync, ftruncateSync, openSync, unlinkSync, writeSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, describe, test, type TestContext } from "node:test";
import { blobPath } from "../../../edge/contract/keys.ts";
import { MAX_UPLOAD_BYTES } from "../../../edge/contract/bucket-requests.ts";
import { DestinationRefused } from "../../../origin/channel/index.ts";
import type { SignedPut } from "../../../origin/channel/signed-requests.ts";
import { BucketError, UnfitError } from "../../../origin/layers/index.ts";
import type { Blob } from "../../../origin/layers/job-bucket.ts";
import { MAX_PLAN_BYTES } from "../../../origin/layers/plan-bytes.ts";
import { SignedBucket } from "../../../origin/layers/signed-bucket.ts";
import { soon } from "../../harness/soon.ts";
import { edgeRequests } from "./edge-requests.ts";
import { type LocalBucket, startBucket } from "./local-bucket.ts";
import { startProxy, type TamperingProxy } from "./tampering-proxy.ts";

const MIB = 2 ** 20;
const never = new AbortController().signal;
let bucket: LocalBucket;
let proxy: TamperingProxy;
let s3: LocalBucket["access"];
before(async () => {
  bucket = await startBucket();
  const endpoint = new URL(bucket.access.endpoint);
  proxy = await startProxy(endpoint.origin);
  s3 = { ...bucket.access, endpoint: proxy.origin + endpoint.pathname };
});
after(async () => {
  await proxy.stop();
  await bucket.stop();
});
beforeEach(() => {
  proxy.trouble = () => "pass";
});

function signed(t: TestContext, retryMs = 5_000) {
  const storage = new SignedBucket({ retryMs, onRetry: () => undefined });
  t.after(() => storage.close());
  const requests = edgeRequests(s3);
  return { store: storage.of(requests), requests };
}

/** A blob that nobody has, in memory. */
function blobOf(size: number): Blob & { readonly content: Uint8Array<ArrayBuffer> } {
  const content = new Uint8Array(randomBytes(size));
  const digest = `sha256:${createHash("sha256").update(content).digest("hex")}` as const;
  return { digest, size, content, contentType: "text/plain; charset=utf-8" };
}
/** The same in a file without a name. */
function inFile(
  t: TestContext,
  blob: ReturnType<typeof blobOf>,
): Blob & { content: { fd: number } } {
  const path = join(tmpdir(), `firn-signed-${process.pid}`);
  const fd = openSync(path, "w+");
  unlinkSync(path);
  t.after(() => closeSync(fd));
  writeSync(fd, blob.content);
  return { ...blob, content: { fd } };
}
const stored = async ({ digest }: Blob): Promise<Buffer> => bucket.bytes(blobPath(digest));
const has = async ({ digest }: Blob): Promise<boolean> =>
  (await bucket.keys()).includes(blobPath(digest));
const puts = (from: number): number =>
  proxy.seen.slice(from).filter((line) => line.startsWith("PUT")).length;

test("blobs are stored, from memory and files of any size, over kept connections", async (t) => {
  const { store } = signed(t);
  const blobs = [blobOf(0), blobOf(10), blobOf(MIB), blobOf(MIB + 1), blobOf(5 * MIB + 7)];
  const connections = new Set<unknown>();
  proxy.trouble = ({ method, socket }) => {
    if (method === "PUT") connections.add(socket);
    return "pass";
  };
  for (const blob of blobs) {
    await store.put(blob.size % 2 === 0 ? blob : inFile(t, blob), never);
    assert.deepEqual(new Uint8Array(await stored(blob)), blob.content);
  }
  assert.equal(connections.size, 1);
});

test("what the bucket has is not sent; has() tells", async (t) => {
  const { store } = signed(t);
  const blob = blobOf(1_000);
  assert.equal(await store.has(blob, never), false);
  await store.put(blob, never);
  assert.equal(await store.has(blob, never), true);
  const from = proxy.seen.length;
  await store.put(blob, never);
  assert.equal(puts(from), 0);
});

test("what somebody else stored in the meantime is good", async (t) => {
  const { store } = signed(t);
  const blob = blobOf(1_000);
  await Promise.all([store.put(blob, never), signed(t).store.put(blob, never)]);
  assert.equal(await store.has(blob, never), true);
});

test("many blobs at once are few requests; each has the answer that is its own", async (t) => {
  const { store, requests } = signed(t);
  const blobs = Array.from({ length: 130 }, () => blobOf(100));
  await Promise.all(blobs.map((blob) => store.put(blob, never)));
  assert.deepEqual(
    requests.asked.map(({ length }) => length),
    [100, 30],
  );
  const keys = new Set(await bucket.keys());
  assert.ok(blobs.every(({ digest }) => keys.has(blobPath(digest))));
});

describe("trouble on the way", () => {
  for (const [how, size] of [
    ["small", 1_000],
    ["large", 3 * MIB],
  ] as const)
    test(`a ${how} file that fails in the middle, by status and by hang-up, is sent again`, async (t) => {
      const { store, requests } = signed(t);
      let failed = 0;
      proxy.trouble = ({ method }) =>
        method === "PUT" && failed < 2 ? (failed++ === 0 ? { status: 503 } : "hang-up") : "pass";
      const blob = blobOf(size);
      await store.put(inFile(t, blob), never);
      assert.equal(failed, 2);
      assert.equal(requests.asked.length, 1, "with the same signature");
      assert.deepEqual(new Uint8Array(await stored(blob)), blob.content);
    });

  test("a bucket that stays broken is an error that says where, in a bounded time", async (t) => {
    const { store } = signed(t, 500);
    proxy.trouble = ({ method }) => (method === "PUT" ? { status: 503 } : "pass");
    const blob = blobOf(2 * MIB);
    await assert.rejects(store.put(inFile(t, blob), never), (error: unknown) => {
      assert.ok(error instanceof BucketError);
      assert.equal(error.status, 503);
      assert.match(
        error.message,
        /^PUT http:.*blobs\/sha256\/[0-9a-f]{64}: status 503 \(Trouble\)$/,
      );
      return true;
    });
    assert.equal(await has(blob), false);
  });

  test("a bucket that is full is an error at once", async (t) => {
    const { store } = signed(t);
    let asked = 0;
    proxy.trouble = ({ method }) => (method === "PUT" && ++asked > 0 ? { status: 507 } : "pass");
    await assert.rejects(store.put(inFile(t, blobOf(1_000)), never), /: status 507 \(Trouble\)$/);
    assert.equal(asked, 1);
  });

  test("an old signature is asked for once more; refused again, it is an error at once", async (t) => {
    const { store, requests } = signed(t);
    let refused = 0;
    proxy.trouble = ({ method }) =>
      method === "PUT" && refused < 1 ? (refused++, { status: 403 }) : "pass";
    const blob = blobOf(1_000);
    await store.put(blob, never);
    assert.equal(requests.asked.length, 2);
    assert.ok(await has(blob));
    proxy.trouble = ({ method }) => (method === "PUT" ? { status: 403 } : "pass");
    const from = proxy.seen.length;
    await assert.rejects(
      store.put(blobOf(1_000), never),
      (error: unknown) => error instanceof BucketError && error.status === 403,
    );
    assert.equal(puts(from), 2);
  });

  test("an upload that nobody waits for is ended", async (t) => {
    const { store } = signed(t);
    const leaving = new AbortController();
    const begun = Promise.withResolvers<IncomingMessage>();
    proxy.trouble = (request) => {
      if (request.method !== "PUT") return "pass";
      begun.resolve(request);
      return "silence";
    };
    const left = store.put(inFile(t, blobOf(4 * MIB)), leaving.signal);
    const upload = await soon("an upload", begun.promise);
    const ended = new Promise((resolve) => upload.socket.once("close", resolve));
    leaving.abort(new Error("hung up"));
    await assert.rejects(left, /hung up/);
    await soon("the end of the upload", ended, 20_000);
  });

  test("who leaves while the edge is asked does not cost the others their answer", async (t) => {
    const { store } = signed(t);
    const leaving = new AbortController();
    const [left, stays] = [blobOf(100), blobOf(100)];
    const gone = assert.rejects(store.put(left, leaving.signal), /hung up/);
    const done = store.put(stays, never);
    await new Promise((resolve) => setImmediate(resolve));
    leaving.abort(new Error("hung up"));
    await gone;
    await done;
    assert.deepEqual([await has(left), await has(stays)], [false, true]);
  });
});

for (const [how, damage] of [
  ["lost its end", (fd: number, size: number) => ftruncateSync(fd, size - 1)],
  ["has another byte", (fd: number) => writeSync(fd, "x", 600_000)],
] as const)
  for (const size of [MIB, 3 * MIB])
    test(`a temporary file of ${size} bytes that ${how} is never a blob`, async (t) => {
      const { store } = signed(t);
      const blob = inFile(t, blobOf(size));
      damage(blob.content.fd, size);
      await assert.rejects(store.put(blob, never), /does not hold what was written to it/);
      assert.equal(await has(blob), false);
    });

test("a blob that no single PUT can hold is unfit, and says what would help", async (t) => {
  const { store, requests } = signed(t);
  const blob = { ...blobOf(10), size: MAX_UPLOAD_BYTES + 1 };
  await assert.rejects(store.put(blob, never), (error: unknown) => {
    assert.ok(error instanceof UnfitError);
    assert.match(error.message, /an origin needs S3 credentials of its own for more/);
    return true;
  });
  assert.equal(requests.asked.length, 0);
});

test("a layer plan is read by a signed GET; one that is not there is null; trouble passes", async (t) => {
  const { store } = signed(t);
  const blob = blobOf(1_000);
  assert.equal(await store.plan(blob.digest, never), null);
  await store.put(blob, never);
  let failed = 0;
  proxy.trouble = ({ method }) => (method === "GET" && failed++ < 1 ? { status: 503 } : "pass");
  assert.deepEqual(await store.plan(blob.digest, never), blob.content);
  assert.equal(failed, 2);
});

test("a layer plan that breaks off is read again, whole; one that always does is an error", async (t) => {
  const { store } = signed(t, 2_000);
  const blob = blobOf(200_000);
  await store.put(blob, never);
  let cut = 0;
  proxy.trouble = ({ method }) => (method === "GET" && cut++ < 2 ? { cutAt: 100_000 } : "pass");
  assert.deepEqual(await store.plan(blob.digest, never), blob.content);
  assert.equal(cut, 3);
  proxy.trouble = () => ({ cutAt: 100_000 });
  await assert.rejects(store.plan(blob.digest, never), (error: unknown) => {
    assert.ok(error instanceof BucketError);
    assert.match(error.message, /^GET \/.*blobs\/sha256\/[0-9a-f]{64}: no answer/);
    return true;
  });
});

test("what is longer than any layer plan is not read to its end, nor again", async (t) => {
  const { store } = signed(t);
  const blob = blobOf(MAX_PLAN_BYTES + 1);
  await store.put(inFile(t, blob), never);
  const from = proxy.seen.length;
  await assert.rejects(store.plan(blob.digest, never), /has more than 33554432 bytes/);
  assert.equal(proxy.seen.slice(from).filter((line) => line.startsWith("GET")).length, 1);
});

/** What comes of a blob when the edge answers with this request for it. */
async function storeAt(t: TestContext, change: (put: SignedPut) => Partial<SignedPut>) {
  const storage = new SignedBucket({ retryMs: 5_000, onRetry: () => undefined });
  t.after(() => storage.close());
  const requests = edgeRequests(s3);
  const blob = blobOf(1_000);
  const from = proxy.seen.length;
  const store = storage.of({
    ...requests,
    uploads: async (...asked) => {
      const grants = await requests.uploads(...asked);
      return grants.map((grant) => (grant.kind === "put" ? { ...grant, ...change(grant) } : grant));
    },
  });
  const error = await store.put(blob, never).then(
    () => undefined,
    (error: unknown) => error as Error,
  );
  return { blob, error, seen: proxy.seen.slice(from) };
}

describe("where the edge sends the origin", () => {
  test("a redirect is not followed", async (t) => {
    proxy.trouble = ({ method }) => (method === "PUT" ? { redirect: "/elsewhere" } : "pass");
    const { error, seen } = await storeAt(t, () => ({}));
    assert.match(error?.message ?? "", /status 307/);
    assert.equal(seen.filter((line) => line.includes("elsewhere")).length, 0);
  });

  for (const [what, headers] of [
    ["a header that a metadata service asks for", { "X-aws-ec2-metadata-token-ttl-seconds": "60" }],
    [
      "a header that has the server take it for another method",
      { "X-HTTP-Method-Override": "POST" },
    ],
    ["a transfer encoding", { "transfer-encoding": "chunked" }],
    ["a cookie", { cookie: "a=b" }],
    ["another host", { host: "inner.example" }],
    ["a length after which the body is a second request", { "content-length": "10" }],
  ] as const)
    test(`${what} is not sent`, async (t) => {
      const { blob, error, seen } = await storeAt(t, (put) => ({
        headers: { ...put.headers, ...headers },
      }));
      assert.ok(error instanceof DestinationRefused, String(error));
      assert.match(error.message, /a header of this origin that is none of a signed PUT/);
      assert.equal(seen.filter((line) => line.startsWith("PUT")).length, 0);
      assert.equal(await has(blob), false);
    });
});
