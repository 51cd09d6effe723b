/** What the bucket holds and should not: blobs of other bytes, records beyond all measure. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { digestOf } from "../../../edge/contract/digest.ts";
import { blobPath, tagPath } from "../../../edge/contract/keys.ts";
import { deleteDamaged, findBlob } from "../../../edge/store/blobs.ts";
import { readRecord, tagRecord } from "../../../edge/store/records.ts";
import { ownBucket } from "./own-bucket.ts";

const ANY = { contentType: "x/y", ifAbsent: false } as const;
const own = ownBucket();

test("a blob of other bytes is deleted, so that the right ones can be stored; a good one stays", async () => {
  const [good, bad, absent] = await Promise.all(
    ["good", "bad!", "absent"].map((text) => digestOf(text)),
  );
  await own.bucket.put(blobPath(good!), "good", ANY);
  await own.bucket.put(blobPath(bad!), "BAD!", ANY);
  assert.equal((await findBlob(own.bucket, bad!))?.size, 4);
  for (const digest of [good!, bad!, absent!]) await deleteDamaged(own.bucket, digest);
  assert.equal((await findBlob(own.bucket, good!))?.size, 4);
  assert.equal(await findBlob(own.bucket, bad!), null, "nor is it remembered");
});

test("a record of more than 8 MiB is none, and is not read", async () => {
  const [place, path] = [tagRecord("starter", "latest"), tagPath("starter", "latest")];
  const record = JSON.stringify({ revision: "a".repeat(40), resolvedAt: 1 });
  const full = record.padEnd(8 * 2 ** 20);
  await own.bucket.put(path, full, ANY);
  assert.equal((await readRecord(own.bucket, place))?.resolvedAt, 1);
  await own.bucket.put(path, `${full} `, ANY);
  assert.equal(await readRecord(own.bucket, place), null);
});
