import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { nearBucket, readReplicas } from "../../../edge/pull/replicas.ts";
import { s3Bucket } from "../../../edge/store/s3.ts";

const S3 = {
  endpoint: "http://127.0.0.1:1",
  bucket: "home",
  region: "auto",
  accessKeyId: "id",
  secretAccessKey: "secret",
};
const COPIES = JSON.stringify({
  apac: { endpoint: "http://127.0.0.1:2", bucket: "asia", region: "ap-southeast-1" },
  enam: { endpoint: "http://127.0.0.1:3", bucket: "america" },
});

test("a client reads from the nearest copy, and from the bucket where that is nearer", () => {
  const replicas = readReplicas({ S3_REPLICAS: COPIES, S3_HOME: "weur" }, S3);
  const bucket = s3Bucket(S3);
  for (const [continent, isHome] of [
    ["EU", true],
    ["AF", true],
    ["AS", false],
    ["NA", false],
    [undefined, true],
  ] as const)
    assert.equal(
      nearBucket(bucket, replicas, continent) === bucket,
      isHome,
      continent ?? "unknown",
    );
  assert.deepEqual(replicas?.copies.get("apac"), {
    ...S3,
    endpoint: "http://127.0.0.1:2",
    bucket: "asia",
    region: "ap-southeast-1",
  });
  assert.equal(nearBucket(bucket, null, "AS"), bucket);
});

describe("refused, in words that name the variable", () => {
  for (const [variables, s3, problem] of [
    [{ S3_REPLICAS: COPIES, S3_HOME: "weur" }, null, /^S3_REPLICAS needs S3_ENDPOINT/],
    [{ S3_REPLICAS: COPIES }, S3, /^S3_HOME must be one of wnam, /],
    [{ S3_REPLICAS: "[", S3_HOME: "weur" }, S3, /^S3_REPLICAS must be a JSON object/],
    [{ S3_REPLICAS: '{"asia":{}}', S3_HOME: "weur" }, S3, /^S3_REPLICAS asia must be one of wnam/],
    [
      { S3_REPLICAS: '{"apac":{"endpoint":"ftp://x","bucket":"b"}}', S3_HOME: "weur" },
      S3,
      /^S3_REPLICAS apac\.endpoint must be a URL/,
    ],
  ] as const)
    test(JSON.stringify(variables), () =>
      assert.throws(
        () => readReplicas(variables, s3),
        (error: Error) => problem.test(error.message),
      ),
    );
});
