/** What statuses of a bucket mean, and what an origin says of them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { answered, mayPass, saysRefused } from "../../../edge/contract/bucket-status.ts";

for (const [status, word, passes, refused] of [
  [408, "RequestTimeout", true, false],
  [409, "ConditionalRequestConflict", true, false],
  [429, "TooManyRequests", true, false],
  [500, "InternalError", true, false],
  [503, "SlowDown", true, false],
  [507, "InsufficientStorage", false, true],
  [403, "QuotaExceeded", false, true],
  [403, "AccessDenied", false, true],
  [400, "XMinioAdminBucketQuotaExceeded", false, true],
  [400, "XAmzContentSHA256Mismatch", false, false],
  [404, "NoSuchBucket", false, false],
] as const)
  test(`${status} ${word}: ${passes ? "passes" : refused ? "the bucket takes nothing" : "a mistake"}`, () => {
    assert.equal(mayPass(status), passes);
    assert.equal(saysRefused(`origin a: PUT http://x/y: ${answered(status, word)}`), refused);
  });

test("a failure that is not the bucket's says nothing of it", () => {
  for (const message of ["the disk is full", "exit status 403", "status 403 of the build"])
    assert.equal(saysRefused(message), false, message);
});
