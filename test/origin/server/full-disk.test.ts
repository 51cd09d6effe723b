/**
 * A full disk under the bucket's directory: a clear answer, nothing half there, and it goes on
 * afterwards.
 */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, beforeEach, describe, test } from "node:test";
import { type Bucket, BucketUnavailable } from "../../../edge/store/bucket.ts";
import type { S3Config } from "../../../edge/store/s3-client.ts";
import { s3Bucket } from "../../../edge/store/s3.ts";
import { signPut } from "../../../edge/store/s3-signed-requests.ts";
import { SignedRequests } from "../../../origin/channel/index.ts";
import { removeTree, tempDir } from "../../harness/temp.ts";
import { until } from "../../harness/until.ts";
import { mountSmall, type SmallMount, smallMountUnavailable } from "../disk/small-mount.ts";
import { edgeHere } from "../layers/edge-requests.ts";
import { type OpenBucket, openBucket } from "./open-bucket.ts";

const MB = 2 ** 20;
const JSON_TYPE = "application/json";

describe("a full disk", { skip: await smallMountUnavailable() }, () => {
  let root: string;
  let dir: string;
  let disk: SmallMount;
  let opened: OpenBucket;
  let config: S3Config;
  let bucket: Bucket;
  const http = new SignedRequests(edgeHere());

  beforeEach(async () => {
    root = await tempDir("full");
    dir = join(root, "bucket");
    disk = await mountSmall(dir, "2m");
    opened = await openBucket(dir);
    config = opened.config;
    bucket = s3Bucket(config);
  });
  afterEach(async () => {
    await opened?.server.stop();
    await removeTree(root);
  });
  after(() => http.close());

  /** As an origin stores a blob, in pieces; the status and S3's word for an error. */
  async function upload(bytes: Buffer, contentType = "application/octet-stream"): Promise<string> {
    const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}` as const;
    const terms = { digest, size: bytes.length, contentType, ifAbsent: true };
    async function* pieces(): AsyncGenerator<Buffer> {
      for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
    }
    const put = { kind: "put", ...(await signPut(config, terms)) } as const;
    const { status, code } = await http.put(
      put,
      { size: bytes.length, bytes: pieces() },
      AbortSignal.timeout(30_000),
    );
    return `${status} ${code}`;
  }
  const listed = async (): Promise<string[]> =>
    (await bucket.list("", { limit: 1_000 })).objects.map(({ key }) => key);
  const nothingIsLeft = (): Promise<unknown> =>
    until("what had come of the upload is removed", async () => {
      return (await readdir(join(dir, "incoming"))).length === 0;
    });
  const write = (key: string, text: string): Promise<boolean> =>
    bucket.put(key, text, { contentType: JSON_TYPE, ifAbsent: true });

  test("an upload that has no room is refused, every time, and stored when there is room", async () => {
    await write("tags/a.json", "{}");
    const blob = randomBytes(8 * MB);
    const before = await listed();
    for (let time = 0; time < 10; time += 1)
      assert.equal(await upload(blob), "507 InsufficientStorage");
    await nothingIsLeft();
    assert.deepEqual(await listed(), before);
    assert.match(opened.logged.join("\n"), /PUT of \/firn\/blobs\/sha256\/[0-9a-f]{64}: .*ENOSPC/);
    assert.equal((await bucket.get("tags/a.json"))?.size, 2, "what is there is read");
    await disk.resize("32m");
    assert.equal(await upload(blob), "200 OK");
    assert.equal((await listed()).length, before.length + 1);
  });

  test("a record that has no room: the edge is told why, and readers see the old one", async () => {
    await write("plans/starter.json", '{"plan":"old"}');
    await disk.resize("16m");
    while ((await upload(randomBytes(MB))) === "200 OK");
    while ((await upload(randomBytes(4_096))) === "200 OK");
    const text = JSON.stringify({ plan: "x".repeat(20_000) });
    await assert.rejects(
      bucket.put("plans/starter.json", text, { contentType: JSON_TYPE, ifAbsent: false }),
      (error: Error) =>
        error instanceof BucketUnavailable && /507: it is full/.test(String(error.cause)),
    );
    const found = await bucket.get("plans/starter.json");
    assert.equal(found && (await new Response(found.body).text()), '{"plan":"old"}');
    await nothingIsLeft();
    await disk.resize("32m");
    assert.equal(
      await bucket.put("plans/starter.json", text, { contentType: JSON_TYPE, ifAbsent: false }),
      true,
    );
  });

  test("no room for one more file or directory", async () => {
    await disk.resize("32m", (await disk.files()) + 1);
    const key = "revisions/a/very/deep/one.json";
    await assert.rejects(write(key, "{}"), BucketUnavailable);
    assert.equal(await bucket.head(key), null);
    // The type of this blob is a file of its own.
    assert.equal(
      await upload(randomBytes(10), "application/vnd.oci.image.layer.v1.tar+gzip"),
      "507 InsufficientStorage",
    );
    await nothingIsLeft();
    await disk.resize("32m");
    assert.equal(await write(key, "{}"), true);
  });
});
