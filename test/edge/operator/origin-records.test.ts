/** Finding what rests on an origin: what an operator is shown of a record. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { RECORD_FORMAT } from "../../../edge/contract/records.ts";
import { findOriginRecords } from "../../../edge/operator/origin-records.ts";
import { ownBucket } from "../store/own-bucket.ts";

const own = ownBucket();

test("an image is shown by all its packages, also those called as what every object has", async () => {
  const levels = { constructor: 0, git: 0, prototype: 1 };
  const record = { origins: ["rack-1"], images: { "x86_64-linux": { levels } } };
  const key = `images/v${RECORD_FORMAT}/0/1.json`;
  await own.bucket.put(key, JSON.stringify(record), {
    contentType: "application/json",
    ifAbsent: true,
  });
  const page = { kind: "images", origin: "rack-1", since: 0, after: undefined, limit: 10 } as const;
  const { found } = await findOriginRecords(own.bucket, page);
  assert.deepEqual(
    found.map(({ what }) => what),
    ["constructor/git/prototype"],
  );
});
