/**
 * No manifest is in the bucket before what it names: the blobs of an image are written in that
 * order, and a write that fails leaves out all that would follow. Over a real S3 endpoint.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import {
  DOCKER_MANIFEST,
  OCI_CONFIG,
  OCI_INDEX,
  OCI_LAYER_GZIP,
  OCI_MANIFEST,
} from "../../../edge/contract/media-types.ts";
import { type NewBlob, writeBlobs } from "../../../edge/store/blobs.ts";
import { BucketUnavailable } from "../../../edge/store/bucket.ts";
import { s3Bucket } from "../../../edge/store/s3.ts";

/** Long enough that whoever does not wait for an answer is seen. */
const ANSWER_MS = 20;

function newBlob(mediaType: string, salt: string): NewBlob {
  const bytes = new TextEncoder().encode(`${mediaType} ${salt}`) as Uint8Array<ArrayBuffer>;
  const hex = createHash("sha256").update(bytes).digest("hex");
  return { mediaType, bytes, size: bytes.length, digest: `sha256:${hex}` };
}

/** In an order that is wrong for writing them. */
const imageBlobs = (salt: string): NewBlob[] =>
  [OCI_INDEX, OCI_MANIFEST, DOCKER_MANIFEST, OCI_CONFIG, OCI_LAYER_GZIP].map((mediaType) =>
    newBlob(mediaType, salt),
  );

/** An S3 endpoint that refuses a content type, and what happened there, in order. */
async function recording(t: TestContext, refused?: string) {
  const events: string[] = [];
  const server = createServer((request, response) => {
    const type = String(request.headers["content-type"]);
    events.push(`begin ${type}`);
    request.resume();
    request.on("end", () => {
      setTimeout(() => {
        events.push(`end ${type}`);
        response.writeHead(type === refused ? 403 : 200).end();
      }, ANSWER_MS);
    });
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
  return { bucket, events };
}

test("config and layers first, then the manifests, then the index", async (t) => {
  const { bucket, events } = await recording(t);
  await writeBlobs(bucket, imageBlobs("order"));
  const groups = [[OCI_CONFIG, OCI_LAYER_GZIP], [OCI_MANIFEST, DOCKER_MANIFEST], [OCI_INDEX]];
  let at = 0;
  for (const group of groups) {
    // All of a group end before any of the next begins.
    const seen = events.slice(at, (at += 2 * group.length));
    const expected = group.flatMap((type) => [`begin ${type}`, `end ${type}`]);
    assert.deepEqual(seen.sort(), expected.sort(), events.join("\n"));
  }
  assert.equal(events.length, at);
});

for (const [refused, never] of [
  [OCI_CONFIG, [OCI_MANIFEST, DOCKER_MANIFEST, OCI_INDEX]],
  [OCI_MANIFEST, [OCI_INDEX]],
] as const) {
  test(`${refused} cannot be written: nothing that names it is`, async (t) => {
    const { bucket, events } = await recording(t, refused);
    await assert.rejects(writeBlobs(bucket, imageBlobs(refused)), BucketUnavailable);
    for (const type of never) assert.ok(!events.includes(`begin ${type}`), type);
  });
}
