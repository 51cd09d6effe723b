/** A bucket and its copy, each a real HTTP endpoint that counts what it is asked. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test, type TestContext } from "node:test";
import { digestOf } from "../../../edge/contract/digest.ts";
import { blobPath } from "../../../edge/contract/keys.ts";
import { deleteDamaged, missingNow } from "../../../edge/store/blobs.ts";
import { hashObject, readWhole } from "../../../edge/store/read-whole.ts";
import { replicatedBucket } from "../../../edge/store/replica.ts";
import { s3Bucket } from "../../../edge/store/s3.ts";

const BLOB = `blobs/sha256/${"a".repeat(64)}`;

interface Endpoint {
  readonly bucket: ReturnType<typeof s3Bucket>;
  readonly asked: string[];
  /** What it has; every request fails while that is null. */
  objects: Record<string, string> | null;
  /** Whether its answers break off in the middle of their bodies. */
  breaksOff: boolean;
}

async function endpoint(t: TestContext, objects: Record<string, string>): Promise<Endpoint> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const key = request.url?.replace(/^\/b\//, "").replace(/\?.*/, "") ?? "";
    asked.push(`${request.method} ${key}`);
    request.resume();
    if (own.objects === null) return void response.writeHead(500).end();
    const text = own.objects[key];
    if (text === undefined) return void response.writeHead(404).end();
    response.writeHead(200, { "content-length": text.length });
    if (own.breaksOff) return void response.write(text.slice(1), () => response.destroy());
    response.end(request.method === "HEAD" ? undefined : text);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const bucket = s3Bucket({
    endpoint: `http://127.0.0.1:${port}`,
    bucket: "b",
    region: "auto",
    accessKeyId: "id",
    secretAccessKey: "secret",
  });
  const own: Endpoint = { bucket, asked, objects, breaksOff: false };
  return own;
}

async function open(t: TestContext, here: Record<string, string>, copied: Record<string, string>) {
  const [home, copy] = [await endpoint(t, here), await endpoint(t, copied)];
  const clock = { now: 0 };
  const bucket = replicatedBucket(home.bucket, copy.bucket, t.name, () => clock.now);
  const text = async (key: string): Promise<string | null> => {
    const found = await bucket.get(key);
    return found === null ? null : new Response(found.body).text();
  };
  return { home, copy, bucket, text, clock };
}

test("what never changes is read from the copy, and nowhere else", async (t) => {
  const { home, copy, bucket, text } = await open(t, { [BLOB]: "home" }, { [BLOB]: "copy" });
  assert.equal(await text(BLOB), "copy");
  assert.equal((await bucket.head(BLOB))?.size, 4);
  assert.deepEqual([home.asked, copy.asked], [[], [`GET ${BLOB}`, `HEAD ${BLOB}`]]);
});

test("what the copy does not have yet comes from the bucket; what neither has is absent", async (t) => {
  const { copy, text, bucket } = await open(t, { [BLOB]: "home" }, {});
  assert.equal(await text(BLOB), "home");
  assert.equal(await bucket.head(BLOB.replace("a", "b")), null);
  assert.equal(copy.asked.length, 2);
});

test("an object whose body breaks off at the copy is read from the bucket itself", async (t) => {
  const { copy, bucket } = await open(t, { [BLOB]: "home" }, { [BLOB]: "copy" });
  copy.breaksOff = true;
  const read = await readWhole(bucket, BLOB, () => true);
  assert.equal(new TextDecoder().decode(read?.bytes), "home");
  const other = await open(t, { [BLOB]: "home" }, { [BLOB]: "copy" });
  other.copy.breaksOff = true;
  // The names of replicas are those of tests, and the first one's object counts as wrong already.
  const hashed = await hashObject(
    replicatedBucket(other.home.bucket, other.copy.bucket, "another"),
    BLOB,
  );
  assert.equal(hashed?.digest, await digestOf("home"));
});

test("an object that the copy has wrong comes from the bucket itself from then on", async (t) => {
  const { home, copy, bucket, text, clock } = await open(
    t,
    { [BLOB]: "right" },
    { [BLOB]: "wrong" },
  );
  assert.equal(await text(BLOB), "wrong");
  await bucket.dropCopy?.(BLOB);
  assert.equal(await text(BLOB), "right");
  assert.equal((await bucket.head(BLOB))?.size, 5);
  const other = BLOB.replace("a", "b");
  copy.objects = { [other]: "other" };
  assert.equal(await text(other), "other", "others do not");
  delete home.objects?.[BLOB];
  assert.equal(await text(BLOB), null);
  copy.objects = { [BLOB]: "right" };
  clock.now = 3_599_999;
  assert.equal(await text(BLOB), null, "for an hour, in which replication comes to an end");
  clock.now = 3_600_000;
  assert.equal(await text(BLOB), "right");
});

test("a blob that only the copy has damaged is not deleted; one that it still has is missing", async (t) => {
  const digest = await digestOf("right");
  const path = blobPath(digest);
  const { home, bucket } = await open(t, { [path]: "right" }, { [path]: "wrong" });
  await deleteDamaged(bucket, digest);
  assert.equal(
    home.asked.some((request) => request.startsWith("DELETE")),
    false,
  );
  const gone = await digestOf("gone");
  const late = await open(t, {}, { [blobPath(gone)]: "gone" });
  assert.equal((await missingNow(late.bucket, [{ digest: gone, size: 4 }])).length, 1);
});

test("a record is never read from the copy: it may have been withdrawn", async (t) => {
  const records = ["images", "packages", "layers", "index"].map((kind) => `${kind}/x.json`);
  const kept = Object.fromEntries(records.map((key) => [key, "withdrawn"]));
  const { copy, text } = await open(t, {}, kept);
  for (const key of records) assert.equal(await text(key), null, key);
  assert.deepEqual(copy.asked, []);
});

test("what changes is never read from the copy", async (t) => {
  const changing = { "tags/channel/latest.json": "old", "plans/channel.json": "old" };
  const { home, copy, text } = await open(t, { "tags/channel/latest.json": "new" }, changing);
  assert.equal(await text("tags/channel/latest.json"), "new");
  assert.equal(await text("plans/channel.json"), null);
  assert.deepEqual([home.asked.length, copy.asked.length], [2, 0]);
});

test("a copy that fails is left alone for a minute; every read is answered all the same", async (t) => {
  const { copy, text, clock } = await open(t, { [BLOB]: "home" }, { [BLOB]: "copy" });
  copy.objects = null;
  assert.equal(await text(BLOB), "home");
  const tries = copy.asked.length;
  assert.equal(await text(BLOB), "home");
  assert.equal(copy.asked.length, tries, "it is asked again only later");
  copy.objects = { [BLOB]: "copy" };
  clock.now = 59_999;
  assert.equal(await text(BLOB), "home");
  clock.now = 60_000;
  assert.equal(await text(BLOB), "copy");
});
